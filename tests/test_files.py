"""What is written is whole, and what is read back is what was written."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from medgen import files
from medgen.errors import MedgenError
from medgen.files import csv_text, joined_digest, json_values, let_go, read_json, replacing, short_digest, write_csv, write_json


def test_numbers_of_a_table_come_back_bit_for_bit(tmp_path: Path) -> None:
    values = np.random.default_rng(0).standard_normal(2000)
    write_csv(tmp_path / "t.csv", pd.DataFrame({"score": values}))
    assert np.array_equal(pd.read_csv(tmp_path / "t.csv")["score"].to_numpy(), values)  # older pandas rounds some of them


def test_a_table_is_the_same_text_however_many_rows_are_written_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "ROWS", 2)
    table = pd.DataFrame({"name": ["a", "=b", "c,d"], "score": [0.5, float("nan"), 1.0], "abnormal": [True, False, True]})
    assert csv_text(table) == 'name,score,abnormal\na,0.5,True\n\'=b,,False\n"c,d",1.0,True\n'


def test_texts_of_all_rows_stand_in_quotes_where_the_last_holds_a_return(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "ROWS", 1)
    assert csv_text(pd.DataFrame({"name": ["a", "b\rc"], "n": [1, 2]})) == '"name","n"\n"a",1\n"b\rc",2\n'


def test_numbers_among_texts_are_written_as_they_are_when_all_rows_are_written_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "ROWS", 1)
    assert csv_text(pd.DataFrame({"n": [1, None]}, dtype=object)) == 'n\n1.0\n""\n'


def test_an_interrupted_write_leaves_the_old_file(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("old")
    with pytest.raises(RuntimeError), replacing(tmp_path / "a.txt") as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a.txt", "old")]


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.json").mkdir()
    with pytest.raises(MedgenError, match=r"cannot write '.*x\.json'"):
        write_json(tmp_path / "x.json", {})


def test_json_holds_numpy_values_and_null_for_what_is_not_finite(tmp_path: Path) -> None:
    values = {"a": np.float32(0.5), "b": [np.inf, np.nan, pd.NA], "c": np.arange(2), 1: Path("p")}
    write_json(tmp_path / "a.json", values)
    expected = {"a": 0.5, "b": [None, None, None], "c": [0, 1], "1": "p"}
    assert read_json(tmp_path / "a.json") == json_values(values) == expected
    assert json.loads((tmp_path / "a.json").read_text()) == expected and read_json(tmp_path / "none.json") == {}


def test_a_digest_depends_on_the_bytes_alone() -> None:
    assert short_digest("a", b"bc") == short_digest("abc") == "ba7816bf8f01cfea"  # SHA-256 of "abc", FIPS 180-4


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux says how much of mapped files is in memory")
def test_a_digest_of_contents_one_by_one_is_that_of_all() -> None:
    assert joined_digest(iter(["a", b"bc"])) == short_digest("abc")


def test_what_was_read_of_a_mapped_file_leaves_the_memory_of_the_process(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.ones(2**20))
    mapped = np.load(tmp_path / "a.npy", mmap_mode="r")
    total, before = mapped.sum(), _resident_of_files()
    let_go(mapped, None, np.ones(3))
    assert _resident_of_files() < before - 7000 and mapped.sum() == total == 2**20


def _resident_of_files() -> int:
    """Return kilobytes."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssFile"))
