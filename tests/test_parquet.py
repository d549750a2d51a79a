"""Tables as Parquet beside their CSV: the same rows, with types. What writes them needs pyarrow, and skips without."""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
import pandas as pd
import pytest
from commands import fail, succeed
from medgen_cli.main import main
from untrained import make_frames, make_run

from medgen import files
from medgen.data.prepared import read_table
from medgen.files import parquet_beside_csv, write_csv
from medgen.verbs.spread.tables import give_one_schema, read_part, write_part

WITH_TABLES = {"audit", "compare", "evaluate", "inspect", "maps", "recalibrate", "report", "score"}
has_pyarrow = pytest.mark.skipif(not files.find_spec("pyarrow"), reason="medgen[parquet] is not installed")


def written(path: Path, table: pd.DataFrame) -> pd.DataFrame:
    """Return a table as its Parquet has it."""
    with parquet_beside_csv():
        write_csv(path, table)
    return pd.read_parquet(path.with_suffix(".parquet"))


def test_commands_that_leave_tables_have_the_option() -> None:
    context = click.Context(main)
    having = {
        name
        for name in main.list_commands(context)
        if any(parameter.name == "parquet" for parameter in main.get_command(context, name).params)  # type: ignore[union-attr]
    }
    assert having == WITH_TABLES


@has_pyarrow
def test_scores_are_the_same_in_both_and_have_types(tmp_path: Path) -> None:
    run = make_run(make_frames(tmp_path / "frames"), tmp_path / "run").folder
    succeed("score", run, tmp_path / "frames" / "test", "--out", tmp_path / "s", "--no-pictures", "--parquet")
    text, typed = read_table(tmp_path / "s" / "scores.csv"), pd.read_parquet(tmp_path / "s" / "scores.parquet")
    assert [*text.columns] == [*typed.columns] and typed["path"].tolist() == text["path"].tolist()
    np.testing.assert_allclose(typed["score"].to_numpy(), text["score"].to_numpy(), rtol=1e-15)
    assert typed["score"].dtype.kind == "f" and typed["abnormal"].dtype == "boolean"


@has_pyarrow
def test_names_with_stray_bytes_missing_values_and_mixed_columns_are_kept(tmp_path: Path) -> None:
    table = pd.DataFrame({"path": ["a\udcff.png", "=1+1"], "seconds": [0.1, np.nan], "mixed": pd.Series([1, "x"], dtype=object)})
    read = written(tmp_path / "t.csv", table)
    assert read["path"].tolist() == ["a\\udcff.png", "=1+1"] and read["mixed"].tolist() == ["1", "x"]
    assert read["seconds"][0] == 0.1 and pd.isna(read["seconds"][1])


@has_pyarrow
def test_a_table_without_rows_keeps_its_columns(tmp_path: Path) -> None:
    assert [*written(tmp_path / "t.csv", pd.DataFrame({"path": [], "score": []})).columns] == ["path", "score"]


@has_pyarrow
def test_a_table_written_again_without_parquet_takes_the_earlier_one_away(tmp_path: Path) -> None:
    written(tmp_path / "t.csv", pd.DataFrame({"a": [1]}))
    write_csv(tmp_path / "t.csv", pd.DataFrame({"a": [2]}))
    assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]


@has_pyarrow
def test_parts_of_an_archive_are_one_table_whatever_their_rows(tmp_path: Path) -> None:
    scored = pd.DataFrame({"path": ["a\udcff.png"], "score": [0.1], "abnormal": [True]})
    unscored = pd.DataFrame({"path": ["b.mp4#0"], "seconds": [0.5], "score": [np.nan], "abnormal": pd.array([None], "boolean")})
    paths = [tmp_path / "part-0.parquet", tmp_path / "part-1.parquet"]
    for path, table in zip(paths, (scored, unscored), strict=True):
        write_part(path, table)
    give_one_schema(paths)
    found = pd.read_parquet(tmp_path)
    assert found["path"].tolist() == ["a\\udcff.png", "b.mp4#0"] and found["abnormal"].tolist() == [True, None]
    assert found["score"][0] == 0.1 and found["seconds"][1] == 0.5 and found[["score", "seconds"]].isna().to_numpy().sum() == 2


@has_pyarrow
def test_a_text_that_there_is_not_stays_none_where_a_part_is_decided_on_again(tmp_path: Path) -> None:
    paths = [tmp_path / "part-0.parquet", tmp_path / "part-1.parquet"]
    write_part(paths[0], pd.DataFrame({"path": ["a"], "class_cnn": ["polyp"]}))
    write_part(paths[1], pd.DataFrame({"path": ["b"]}))
    give_one_schema(paths)
    write_part(paths[1], read_part(paths[1]))
    assert pd.read_parquet(paths[1])["class_cnn"].isna().all()


@has_pyarrow
def test_decisions_of_a_part_are_read_as_they_were_made(tmp_path: Path) -> None:
    for kind in (pd.array([True, None], "boolean"), pd.array([True, False], bool)):
        write_part(tmp_path / "part.parquet", pd.DataFrame({"abnormal": kind}))
        pd.testing.assert_frame_equal(read_part(tmp_path / "part.parquet"), pd.DataFrame({"abnormal": kind}))


@pytest.mark.parametrize("content", [b"", b"PAR1", b"medgen.table of somebody else", b"PAR1" + b"\xff" * 40])
def test_a_file_of_that_name_that_medgen_did_not_write_stays(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "t.parquet").write_bytes(content)
    write_csv(tmp_path / "t.csv", pd.DataFrame({"a": [1]}))
    assert (tmp_path / "t.parquet").read_bytes() == content


def test_without_pyarrow_the_option_is_refused_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "find_spec", lambda name: None)
    assert "pip install 'medgen[parquet]'" in fail("score", tmp_path, tmp_path, "--out", tmp_path / "s", "--parquet")
