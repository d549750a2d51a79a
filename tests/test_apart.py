"""Files that are read in a process of their own: one that ends, keeps or fills it is one file that cannot be read."""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sources import folder, save

from medgen import api
from medgen.data.apart import reader_process
from medgen.data.apart.reader_process import call, end_all
from medgen.data.images import read_image
from medgen.data.prepared import PrepareSettings
from medgen.data.readers import itk
from medgen.errors import ImageError


def ask(name: str, seconds: float = 60) -> reader_process.Answer:
    return call(f"apart_functions:{name}", "ä\udcff.mha", seconds)


def test_facts_and_arrays_come_back_as_they_are() -> None:
    facts, array = ask("answers")
    assert facts["path"] == str(Path.cwd() / "ä\udcff.mha") and facts["process"] != os.getpid()
    assert array is not None and array.dtype == np.int16 and array.tolist() == [[0, 3], [1, 4], [2, 5]]


def test_the_process_is_kept_for_the_next_file() -> None:
    assert ask("answers").facts["process"] == ask("answers").facts["process"]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("ends", r"ended the process that read it \(exit code 3\)"),
        pytest.param(
            "is_killed", r"\(SIGKILL\)", marks=pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals")
        ),
        ("refuses", "^is no picture$"),
    ],
)
def test_a_file_that_ends_its_reader_is_refused_and_the_next_is_read(name: str, reason: str) -> None:
    with pytest.raises(ImageError, match=reason):
        ask(name)
    assert ask("answers").facts["path"]


def test_a_reader_that_takes_too_long_is_ended() -> None:
    start = time.monotonic()
    with pytest.raises(ImageError, match=r"was not read within 0.1 seconds"):
        ask("sleeps", 0.1)
    assert time.monotonic() - start < 30


def test_an_error_of_the_reader_comes_back_with_its_text() -> None:
    with pytest.raises(RuntimeError, match="third byte"):
        ask("fails")


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="this system does not say what a process has")
def test_a_reader_that_would_fill_the_memory_is_refused() -> None:
    with pytest.raises(MemoryError):
        ask("fills")
    end_all()  # the limit stays with the process


def test_a_process_that_has_retired_is_replaced() -> None:
    end_all()
    ask("retires")
    reader_process._idle[0]._child.wait(60)  # it ends a moment after its answer
    assert ask("answers").facts["path"]


def test_the_process_reads_from_where_whoever_asks_has_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ask("answers")  # begins in another folder
    monkeypatch.chdir(tmp_path)
    assert call("apart_functions:answers", "a.mha", 60).facts["path"] == str(tmp_path / "a.mha")


def test_threads_have_a_process_each() -> None:
    with ThreadPoolExecutor(3) as pool:
        found = [*pool.map(lambda _: ask("answers").facts["path"], range(12))]
    assert len(found) == 12 and 1 <= len(reader_process._idle) <= 4
    end_all()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_daemonic_process_that_was_forked_has_one_of_its_own() -> None:
    own = ask("answers").facts["process"]
    context = multiprocessing.get_context("fork")
    mine, theirs = context.Pipe()
    child = context.Process(target=lambda: theirs.send(ask("answers").facts["process"]), daemon=True)
    child.start()
    assert mine.poll(30) and mine.recv() != own
    child.join(30)
    assert ask("answers").facts["process"] == own


def test_no_process_is_started_for_other_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader_process, "_Process", lambda: pytest.fail("a process was started"))
    monkeypatch.setattr(reader_process, "_idle", [])
    save(tmp_path / "a.png", np.zeros((8, 8, 3), np.uint8))
    assert read_image(tmp_path / "a.png").pixels.shape == (8, 8, 3)


def test_a_file_that_ends_itk_is_one_line_of_the_rejected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(itk, "ITK", "apart_functions")
    source = folder(tmp_path / "source", "a", count=2, side=32)
    (source / "a" / "damaged.mha").write_text("ObjectType = Image\nElementDataFile = LOCAL\n")
    data = api.prepare(source, tmp_path / "data", PrepareSettings(size=16))
    rejected = pd.read_csv(data.folder / "rejected.csv")
    assert len(data.index) == 2 and rejected["file"].tolist() == ["a/damaged.mha"]
    assert rejected["reason"][0].startswith("ended the process that read it (exit code 3)")
