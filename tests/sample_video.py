"""Videos for the tests that every reader has to pass (test_readers.py), and any that a test describes."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

av = pytest.importorskip("av", reason="videos need PyAV: pip install 'medgen[video]'")

SUFFIX = ".mp4"
RATE = 25  # frames a second
LOSSLESS = {"crf": "0"}


def write_frames(path: Path, frames: NDArray[np.uint8]) -> None:
    write_video(path, frames, "libx264rgb", "rgb24", LOSSLESS)


def write_header(path: Path, height: int, width: int) -> None:
    """A raw AVI, in whose headers another size stands than it has."""
    write_video(path, np.zeros((1, 16, 48, 3), np.uint8), "rawvideo", "bgr24", container="avi")
    content = path.read_bytes()
    for size in ("<II", "<Ii"):  # as both headers have it, and with the picture upside down
        content = content.replace(struct.pack(size, 48, 16 if size == "<II" else -16), struct.pack("<II", width, height))
    path.write_bytes(content)


def write_video(
    path: Path,
    frames: Sequence[Any] | NDArray[np.uint8],
    codec: str = "libx264",
    form: str = "yuv420p",
    options: Mapping[str, str] | None = None,
    *,
    container: str | None = None,
    times: Sequence[int] | None = None,
    key_every: int = 12,
    reordered: int = 0,
    rate: int = RATE,
    turn: tuple[int, bool, bool] = (0, False, False),
    aspect: Fraction = Fraction(1),
    colours: tuple[int, int] = (2, 0),
) -> None:
    """Write a video.

    Parameters
    ----------
    frames : (N, H, W, 3) RGB, or PyAV frames
    codec, form, options : as FFmpeg calls them
    container : of a suffix that does not say it
    times : of each frame, in steps of 1 / `rate` seconds; None is one after the other
    key_every, reordered : frames from one key frame to the next, and frames that are coded after one that is shown later
    turn : degrees to the left, and whether the picture is mirrored across and down after that
    aspect : of a pixel
    colours : matrix and range, as ITU-T H.273 and FFmpeg number them
    """
    with av.open(str(path), "w", format=container) as out:
        stream = out.add_stream(codec, rate=rate, options=dict(options or {}))
        height, width = (frames[0].height, frames[0].width) if isinstance(frames[0], av.VideoFrame) else frames[0].shape[:2]
        stream.width, stream.height, stream.pix_fmt = width, height, form
        context = stream.codec_context
        context.gop_size, context.max_b_frames, context.sample_aspect_ratio = key_every, reordered, aspect
        context.colorspace, context.color_range = colours
        if turn != (0, False, False):
            stream.set_display_rotation(turn[0], hflip=turn[1], vflip=turn[2])
        for k, pixels in enumerate(frames):
            frame = pixels if isinstance(pixels, av.VideoFrame) else av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels))
            frame.pts, frame.time_base = times[k] if times else k, Fraction(1, rate)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))


def numbered(count: int = 60) -> list[NDArray[np.uint8]]:
    """Frames that show their number, in bits of 16 x 16 pixels, white or black, above noise."""
    noise = np.random.default_rng(0).integers(0, 256, (count, 16, 128, 3), dtype=np.uint8)
    bits = np.array([[[255 * ((k >> bit) & 1) for bit in range(8)]] for k in range(count)], dtype=np.uint8)
    upper = bits.repeat(16, 1).repeat(16, 2)[..., None].repeat(3, 3)
    return list(np.concatenate([upper, noise], 1))


def number_of(pixels: NDArray[Any]) -> int:
    """Return the number that a frame of `numbered` shows."""
    return sum(int(pixels[4:12, 16 * bit + 4 : 16 * bit + 12].mean() > 127) << bit for bit in range(8))
