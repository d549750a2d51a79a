"""Odd names, what only looks like a file, and damaged files of all formats, for `test_odd_files.py` and `soak/files.py`."""

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
from sources import frame
from writers import save

NAMES = [
    *(b"caf\xe9.png", b"new\nline.png", b"car\rriage.png", b"tab\t.png", b"=1+1.png", b"-dash.png", b'quote".png'),
    *(b"hash#3.png", b"per%20cent.png", b"x" * 250 + b".png", "ä".encode() * 125 + b".png", b"back\\slash.png", b" space .png"),
    *(b"dot..png", b"{brace}.png", b"$var.png", b"`tick`.png", b"<script>.png", "\u202egnp.png".encode(), "e\u0301.png".encode()),
    b"comma,semi;.png",
]
PLAIN = 12  # frames with plain names beside them
NO_FILES = {"pipe", "pipe.png", "socket", "zero.png"}  # what a reader would wait for
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
        raise AssertionError(f"it takes longer than {most} s")

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


def samples_in(folder: Path) -> dict[str, bytes]:
    """Return the bytes of a good file of each format, by its suffix."""
    return {suffix: write(suffix, folder / f"a{suffix}") for suffix in FORMATS}


def write_odd(folder: Path) -> None:
    """Write frames with plain and with odd names, and what only looks like frames."""
    folder.mkdir(parents=True)
    for k in range(PLAIN):
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


def write_damaged(folder: Path, samples: dict[str, bytes]) -> None:
    """Write each sample with each damage, and under the name of another format; a good frame stands beside them."""
    folder.mkdir(parents=True)
    save(folder / "good.png", frame(40, seed=0))
    for suffix, content in samples.items():
        for name, damage in DAMAGES.items():
            (folder / f"{name}{suffix}").write_bytes(damage(content))
        (folder / f"misnamed-{suffix[1:]}.jpg").write_bytes(content)
