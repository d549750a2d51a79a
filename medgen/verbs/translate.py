"""Carry frames from one domain into the other with a trained run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Literal, NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medgen import registry
from medgen.contract.backend import check_direction
from medgen.contract.capabilities import Translates
from medgen.data.dataset import FixedBatches
from medgen.data.images import read_images
from medgen.data.native.addresses import is_address
from medgen.data.pixel_format import to_uint8, with_channels
from medgen.data.prepared import PrepareSettings, is_prepared
from medgen.data.sources import list_source
from medgen.engine.device import Device, find_device
from medgen.engine.fixed_shape import in_fixed_shape
from medgen.errors import DataError, ImageError
from medgen.outputs.folder import output_folder
from medgen.outputs.own_files import own_files
from medgen.runs.datasets import open_for
from medgen.runs.made_of import made_of
from medgen.runs.run import Run, open_run
from medgen.runs.scores import picture_name
from medgen.runs.to_image import png, to_pixels
from medgen.types import Batch, OnProgress, Progress, no_progress
from medgen.verbs.score import Split, chosen_rows, drawn_rows

Fit = Literal["resize", "tile"]
Write = Callable[[str, bytes], None]  # what takes a picture by its name
TILES_AT_ONCE = 16  # tiles that go through the model at once


def translate(
    run_folder: Path,
    input_path: Path,
    out: Path,
    *,
    direction: str = "AtoB",
    fit: Fit = "resize",
    split: Split | None = None,
    device: Device = "auto",
    on_progress: OnProgress = no_progress,
) -> int:
    """Write each frame in the other domain as PNG under its own name, raw frames at their own size; return how many.

    Parameters
    ----------
    run_folder : a trained run
    input_path : a folder of raw frames, of which all is translated, the border around the field of view too, or a data set (its
        test split, or `split`)
    out : folder for the pictures
    direction : "AtoB", from the domain of the training frames to the second one, or "BtoA"
    fit : of raw frames: "resize" brings the whole frame to the side S of the training frames and back, "tile" cuts it into
        squares of side S that overlap by half, and blends them; no detail is lost then, but each square is seen alone
    split : of a data set: "train", "val", "test" or "all"
    device : "auto" takes a GPU where there is one

    Raises
    ------
    BackendError : if the backend does not translate, or not in this direction.
    DataError, RunError : if there is nothing to read, no file of all can be read, or the frames do not fit the run.

    Examples
    --------
    >>> api.translate(TRANSLATOR, FRAMES / "polyp", OUT / "translated")
    8
    """
    run = open_run(run_folder)
    model = run.trained_model()
    translates = registry.require(model, Translates)
    check_direction(translates, direction)
    chosen = find_device(device)
    model.to(chosen).eval()
    translator = _Translator(translates, chosen, direction, run.origin.prepare.size)
    is_set = is_prepared(input_path) or is_address(input_path)
    if split is not None and not is_set:
        raise DataError(f"only a data set has a split '{split}'; leave it away for raw frames")
    of = made_of(out, [run], input_path, split, direction=direction)
    with output_folder(out, "translate", of=of), own_files(out) as write:
        if is_set:
            return _data_set(run, translator, input_path, write, split, on_progress)
        return _raw_frames(translator, input_path, write, run.origin.prepare, fit, on_progress)


class _Translator(NamedTuple):
    """A model on its device that translates in one direction, frames of `side` x `side`."""

    model: Translates
    device: torch.device
    direction: str
    side: int

    def batch(self, batch: Batch) -> Tensor:
        """Return (B, C, S, S) in [0, 1]."""
        with torch.inference_mode():
            return self.model.translate(batch.to(self.device), self.direction)

    def pixels(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return (n, C, S, S) in [0, 1] of frames (n, S, S, C), all of whose pixels are valid."""
        image = torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 255  # (n, C, S, S)
        valid = torch.ones(len(frames), 1, *frames.shape[1:3], dtype=torch.bool)
        return self.batch(Batch(image, valid, torch.arange(len(frames)))).float().cpu().numpy()


def _data_set(
    run: Run, translator: _Translator, input_path: Path, write: Write, split: Split | None, on_progress: OnProgress
) -> int:
    data = open_for(run, input_path)
    rows = drawn_rows(run, data, chosen_rows(data, input_path, split), on_progress)
    batches = FixedBatches(data, rows, run.settings.data)
    for done, batch in enumerate(batches, start=1):
        for row, pixels in zip(batch.index.tolist(), to_pixels(in_fixed_shape(translator.batch, batch)), strict=True):
            write(picture_name(data.index["path"].iloc[row]), png(pixels))
        on_progress(Progress("translate", done, len(batches)))
    return len(rows)


def _raw_frames(
    translator: _Translator, input_path: Path, write: Write, settings: PrepareSettings, fit: Fit, on_progress: OnProgress
) -> int:
    listing = list_source(input_path, modality=settings.modality)
    entries, axes = listing.entries, settings.of(listing.axes).axes
    names = Counter(PurePosixPath(entry.file).with_suffix("") for entry in entries)
    translate_frame = _resized if fit == "resize" else _tiled
    written = 0
    for done, entry in enumerate(entries, start=1):
        name = PurePosixPath(entry.file)
        unique = names[name.with_suffix("")] == 1  # a.jpg becomes a.png, but beside an a.bmp a.jpg.png
        try:
            for image in read_images(entry.path, settings.shown(), axes=axes):
                if entry.frame not in (None, image.number):
                    continue
                number = image.source.removeprefix(str(entry.path))  # "#k" in a file of several frames, else ""
                drawn = translate_frame(translator, with_channels(to_uint8(image.pixels), settings.channels))
                write(picture_name(f"{name.with_suffix('') if unique else name}{number}"), png(drawn))
                written += 1
        except ImageError as error:
            on_progress(Progress("translate", 0, 0, {}, f"left out '{entry.file}': {error}"))
        on_progress(Progress("translate", done, len(entries)))
    if not written:
        raise DataError(f"none of the {len(entries)} files in '{input_path}' can be read")
    return written


def _resized(translator: _Translator, frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Translate the whole of (H, W, C) at side x side; (H, W, 3)."""
    side = translator.side
    height, width = frame.shape[:2]
    way = cv2.INTER_AREA if min(height, width) > side else cv2.INTER_LINEAR
    small = np.asarray(cv2.resize(frame, (side, side), interpolation=way), np.uint8).reshape(1, side, side, -1)
    drawn = to_pixels(torch.from_numpy(translator.pixels(small)))[0]  # (S, S, 3)
    return np.asarray(cv2.resize(drawn, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def _tiled(translator: _Translator, frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Translate (H, W, C) in squares that overlap by half or more, weighted towards their middles; (H, W, 3)."""
    side = translator.side
    height, width = frame.shape[:2]
    room = [(0, max(0, side - height)), (0, max(0, side - width)), (0, 0)]
    whole = np.pad(frame, room, mode="edge")  # a side shorter than a square is filled up
    corners = [(top, left) for top in _starts(whole.shape[0], side) for left in _starts(whole.shape[1], side)]
    ramp = np.minimum(np.arange(1, side + 1), np.arange(side, 0, -1)).astype(np.float32)
    weight = np.outer(ramp, ramp)  # (S, S)
    total, weights = np.zeros((frame.shape[2], *whole.shape[:2]), np.float32), np.zeros(whole.shape[:2], np.float32)
    for start in range(0, len(corners), TILES_AT_ONCE):
        part = corners[start : start + TILES_AT_ONCE]
        squares = np.stack([whole[top : top + side, left : left + side] for top, left in part])
        for (top, left), square in zip(part, translator.pixels(squares), strict=True):
            total[:, top : top + side, left : left + side] += square * weight
            weights[top : top + side, left : left + side] += weight
    return to_pixels(torch.from_numpy(total / weights)[None])[0, :height, :width]  # (H, W, 3)


def _starts(length: int, side: int) -> Iterator[int]:
    """Yield where squares begin along an axis: half a square apart at the most, the last one at the end."""
    count = 1 + -(-2 * (length - side) // side)
    return (round(start) for start in np.linspace(0, length - side, count))
