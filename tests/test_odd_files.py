"""Odd names and odd files: none stops a run, none is waited for, and each that cannot be used is listed with its reason."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager
from importlib import import_module
from pathlib import Path
from types import FrameType

import numpy as np
import pandas as pd
import pytest
from commands import succeed
from hypothesis import given, settings
from hypothesis import strategies as st
from sources import frame
from untrained import make_run
from writers import save

from medgen.data.images import count_frames, is_image, read_images
from medgen.data.prepared import Prepared, PrepareSettings, open_prepared
from medgen.data.preparing.prepare import prepare
from medgen.errors import ImageError

NAMES = [
    *(b"caf\xe9.png", b"new\nline.png", b"car\rriage.png", b"tab\t.png", b"=1+1.png", b"-dash.png", b'quote".png'),
    *(b"hash#3.png", b"per%20cent.png", b"x" * 250 + b".png", "ä".encode() * 125 + b".png", b"back\\slash.png", b" space .png"),
    *(b"dot..png", b"{brace}.png", b"$var.png", b"`tick`.png", b"<script>.png", "\u202egnp.png".encode(), "e\u0301.png".encode()),
    b"comma,semi;.png",
]
FORMATS = {  # suffix: the module that writes frames of it
    ".png": "", ".jpg": "", ".bmp": "", ".webp": "", ".tif": "tiff", ".npy": "arrays", ".nii": "nifti",
    ".nii.gz": "nifti", ".dcm": "dicom", ".mha": "itk", ".nrrd": "itk", ".mgz": "freesurfer",
}  # fmt: skip
DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda content: b"",
    "one-byte": lambda content: content[:1],
    "header": lambda content: content[:20],
    "tenth": lambda content: content[: len(content) // 10],
    "half": lambda content: content[: len(content) // 2],
    "all-but-one": lambda content: content[:-1],
    "zeros": lambda content: bytes(len(content)),
    "ones": lambda content: b"\xff" * len(content),
    "turned": lambda content: content[::-1],
    "twice": lambda content: content + content,
}


@contextmanager
def seconds(most: int) -> Iterator[None]:
    """Fail where the block takes longer, as it does where a pipe is waited for."""

    def late(signum: int, at: FrameType | None) -> None:
        pytest.fail(f"it takes longer than {most} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(most)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def write(suffix: str, path: Path) -> bytes:
    """Write a frame, or two where the format holds more than one; return the bytes of the file."""
    frames = np.stack([frame(40, seed=1), frame(40, seed=2)])
    if module := FORMATS[suffix]:
        import_module(f"sample_{module}").write_frames(path, frames)
    else:
        save(path, frames[0])
    return path.read_bytes()


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    root = tmp_path_factory.mktemp("samples")
    return {suffix: write(suffix, root / f"a{suffix}") for suffix in FORMATS}


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of frames with odd names, and what only looks like frames."""
    root = tmp_path_factory.mktemp("odd")
    folder = root / "F" / "normal"
    folder.mkdir(parents=True)
    for k in range(12):
        save(folder / f"plain{k}.png", frame(40, seed=k))
    for k, name in enumerate(NAMES):
        save(folder / "it.png", frame(40, seed=100 + k))
        (folder / "it.png").rename(folder / os.fsdecode(name))
    os.mkfifo(folder / "pipe.png")
    os.mkfifo(folder / "pipe")
    with socket.socket(socket.AF_UNIX) as bound, chdir(folder):  # the path of a socket has 107 bytes at the most
        bound.bind("socket")
    (folder / "zero.png").symlink_to("/dev/zero")
    (folder / "broken.png").symlink_to("nowhere")
    (folder / "loop").symlink_to(".")
    with seconds(60):
        prepare(root / "F", root / "D", PrepareSettings(size=32, overlay="none"))
        make_run(str(root / "D"), root / "R")
    return root


@pytest.fixture(scope="module")
def data(odd: Path) -> Prepared:
    return open_prepared(odd / "D")


def test_every_frame_with_an_odd_name_is_prepared(data: Prepared) -> None:
    assert len(data.index) == 12 + len(NAMES) and "normal/caf\\xe9.png" in set(data.index["path"])


def test_pipes_sockets_devices_and_links_to_nothing_are_listed(data: Prepared) -> None:
    ignored = data.ignored().set_index("file")["reason"]
    expected = {f"normal/{name}" for name in ("pipe", "pipe.png", "socket", "zero.png")}
    assert {name for name, reason in ignored.items() if reason.startswith("a pipe, a socket or a device")} == expected
    assert data.rejected()["file"].tolist() == ["normal/broken.png"]


def test_a_pipe_is_no_image_and_is_not_waited_for(odd: Path) -> None:
    with seconds(5):
        assert not is_image(odd / "F" / "normal" / "pipe")
        for name in ("pipe.png", "zero.png"):
            with pytest.raises(ImageError, match="is a pipe, a socket or a device"):
                count_frames(odd / "F" / "normal" / name)


def test_all_verbs_take_frames_with_odd_names(odd: Path) -> None:
    source = odd / "F"
    with seconds(120):
        succeed("score", odd / "R", source, "--out", odd / "S")
        succeed("maps", odd / "R", source, "--out", odd / "M")
        succeed("report", odd / "R", "--input", source, "--out", odd / "P")
    count = 12 + len(NAMES)
    assert len(pd.read_csv(odd / "P" / "ranks.csv")) == count
    for folder in (odd / "S" / "maps", odd / "M" / "original", odd / "M" / "overlays"):
        assert sum(path.suffix == ".png" for path in folder.rglob("*")) == count


def test_damaged_files_of_all_formats_are_read_or_rejected_with_a_reason(samples: dict[str, bytes], tmp_path: Path) -> None:
    folder = tmp_path / "F" / "normal"
    folder.mkdir(parents=True)
    save(folder / "good.png", frame(40, seed=0))
    for suffix, content in samples.items():
        for name, damage in DAMAGES.items():
            (folder / f"{name}{suffix}").write_bytes(damage(content))
        (folder / f"misnamed-{suffix[1:]}.jpg").write_bytes(content)
    count = len([*folder.iterdir()])
    assert count >= 120
    with seconds(120):
        data = prepare(tmp_path / "F", tmp_path / "D", PrepareSettings(size=32, overlay="none"))
    used = set(data.index["path"].str.replace(r"#\d+$", "", regex=True))
    rejected = data.rejected()
    assert used | set(rejected["file"]) == {f"normal/{path.name}" for path in folder.iterdir()} and "normal/good.png" in used
    assert rejected["reason"].str.len().min() > 5 and not rejected["reason"].str.contains("Traceback|/tmp").any()
    assert {f"normal/{name}{suffix}" for name in ("empty", "one-byte", "zeros", "ones") for suffix in samples} <= set(
        rejected["file"]
    )


@settings(max_examples=150)
@given(data=st.data())
def test_changed_bytes_lead_to_frames_or_to_a_reason(
    data: st.DataObject, samples: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory
) -> None:
    suffix = data.draw(st.sampled_from(sorted(samples)))
    content = bytearray(samples[suffix])
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(0, min(len(content), 1000) - 1))
        content[place] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / f"fuzzed{suffix}"
    path.write_bytes(content)
    with seconds(30):
        try:
            for image in read_images(path):
                assert image.pixels.ndim == 3
        except ImageError as error:
            assert str(error)
