"""A disk that is full, or cannot be written, is answered in one line with the file and the reason; nothing half-written stays."""

from __future__ import annotations

import errno
import resource
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from commands import medgen
from untrained import make_frames, make_run

from medgen.data.phantom.frames import PhantomSettings, make_phantom
from medgen.engine import checkpoint
from medgen.errors import MedgenError, RunError, in_one_line
from medgen.files import appending, new_array, replacing, write_bytes


@contextmanager
def no_file_above(size: int) -> Iterator[None]:
    """Let the system refuse to write files that are larger, as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    compiled, sys.dont_write_bytecode = sys.dont_write_bytecode, True  # Python would keep the half of it that has room
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
        sys.dont_write_bytecode = compiled


def test_an_array_takes_its_blocks_before_it_is_filled(tmp_path: Path) -> None:
    array = new_array(tmp_path / "a.npy", np.uint8, (1000, 1000))
    state = (tmp_path / "a.npy").stat()
    assert state.st_blocks * 512 >= state.st_size and not array.any()
    array[5] = 7
    array.flush()
    assert np.load(tmp_path / "a.npy")[5, 0] == 7


def test_no_room_for_an_array_is_an_error_and_not_the_end_of_the_process(tmp_path: Path) -> None:
    with (
        no_file_above(10_000),
        pytest.raises(MedgenError, match=r"cannot write '.*a.npy': "),
        replacing(tmp_path / "a.npy") as path,
    ):
        new_array(path, np.uint8, (1000, 1000))
    assert list(tmp_path.iterdir()) == []


def test_no_room_for_a_line_is_told_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "steps.csv"
    with no_file_above(10), pytest.raises(MedgenError, match=f"^cannot write '{path}': File too large$"), appending(path) as file:
        file.write("epoch,loss\n1,0.5\n")


def test_no_room_for_a_synthetic_frame_is_told_with_the_file(tmp_path: Path) -> None:
    with no_file_above(500), pytest.raises(MedgenError, match=r"^cannot write '.*normal-0001.jpg': File too large$"):
        make_phantom(tmp_path, PhantomSettings(train=1, val=1, test_normal=1, test_abnormal=1))


def test_no_room_for_weights_is_told_with_the_file(tmp_path: Path) -> None:
    with no_file_above(10_000), pytest.raises(RunError, match=r"cannot write '.*w.safetensors': .*File too large"):
        checkpoint.save(tmp_path / "w.safetensors", {"w": torch.zeros(10_000)}, {})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("kind", "file"), [("torch-export", "model.pt2"), ("onnx", "model.onnx")])
def test_no_room_for_a_graph_is_told_with_the_file_and_leaves_none(kind: str, file: str, tmp_path: Path) -> None:
    if kind == "onnx":
        pytest.importorskip("onnxscript")
    run = make_run(make_frames(tmp_path / "frames"), tmp_path / "run").folder
    with no_file_above(20_000):
        result = medgen("export", run, "--out", tmp_path / "graph", "--format", kind, "--frames", 4)
    assert result.exit_code == 1 and f"graph/{file}': File too large" in result.output.splitlines()[-1]
    assert list((tmp_path / "graph").glob("*")) == []


def test_the_clean_up_does_not_hide_the_reason(tmp_path: Path) -> None:
    long = tmp_path / ("x" * 300)
    with pytest.raises(MedgenError, match=r"^cannot write '.*x': File name too long$"):
        write_bytes(long, b"")


def test_a_name_as_long_as_a_disk_allows_can_be_written(tmp_path: Path) -> None:
    write_bytes(tmp_path / ("ä" * 125 + ".json"), b"1")
    assert [path.name for path in tmp_path.iterdir()] == ["ä" * 125 + ".json"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EIO])
def test_what_the_machine_refuses_is_no_bug_in_medgen(number: int) -> None:
    import os

    told = in_one_line(OSError(number, os.strerror(number), "/data/log.csv"))
    assert told == f"{os.strerror(number)}: '/data/log.csv'"


def test_verbs_end_in_one_line_on_a_full_disk_and_go_on_when_there_is_room(tmp_path: Path) -> None:
    frames = make_frames(tmp_path / "F")
    make_run(f"folder:{frames}", tmp_path / "R")
    lines = {
        "prepare": ("prepare", frames, "--out", tmp_path / "D", "--size", 32, "--overlay", "none"),
        "train": ("train", "vae", f"folder:{frames}", "--out", tmp_path / "T", "--set", "model.widths=[8]", "--epochs", 1),
        "score": ("score", tmp_path / "R", frames, "--out", tmp_path / "S"),
    }
    for verb, line in lines.items():
        with no_file_above(20_000):
            result = medgen(*line)
        last = result.output.strip().splitlines()[-1]
        assert result.exit_code == 1 and "File too large" in last and "bug" not in last, (verb, result.output)
        again = medgen(*(line[:5] if verb == "train" else line), *(["--resume"] if verb == "train" else []))
        assert again.exit_code == 0, (verb, again.output)
        assert not list(tmp_path.rglob("*.part")), verb
