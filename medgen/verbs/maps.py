"""Write the maps of a run on the frames as the camera made them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from medgen.data.dataset import FixedBatches
from medgen.data.images import read_images
from medgen.data.pixel_format import to_uint8, with_channels
from medgen.data.sampling import Sampling
from medgen.data.scorable import is_scored, left_out
from medgen.data.writers.deidentify import deidentified
from medgen.data.writers.export import (
    RESEARCH,
    MapFormat,
    Scale,
    format_of,
    read_header,
    save_dicom,
    save_nifti,
    save_png,
    scale_between,
)
from medgen.data.writers.map_to_original import Original, find_originals, outlines, overlay, smoothed, to_original
from medgen.engine.device import Device, find_device
from medgen.engine.runtime import Runtime
from medgen.errors import BackendError, DataError, ImageError
from medgen.files import disk_name, write_bytes, write_csv, write_json
from medgen.outputs.folder import check_apart, output_folder
from medgen.outputs.own_files import remove_earlier
from medgen.report.figures import heat
from medgen.report.page import REGIONS
from medgen.runs.localising.regions import flagged_regions
from medgen.runs.made_of import made_of
from medgen.runs.run import Run, open_run
from medgen.runs.score_table import ScoreTable
from medgen.runs.scores import map_high, picture_name, score_rows
from medgen.runs.to_image import png
from medgen.types import Box, OnProgress, Progress, no_progress
from medgen.verbs.map_level import normal_level, parsed
from medgen.verbs.score import MAPPED, Split, open_input

Format = Literal["auto", "png", "dicom", "nifti"]
STRENGTH = 0.6  # of the heat, where its colours end
MAPS = (
    *MAPPED,
    REGIONS,
    "original",
    "overlays",
)  # what is left of a call before goes in this order: without the first it is unfinished
NAMES = {"dicom": "DICOM", "nifti": "NIfTI"}
_Numbered = tuple[int, Original]  # index among the maps, and its original


@dataclass(frozen=True)
class Maps:
    """What `maps` wrote, and how it is to be read; ``maps.json`` says the same.

    Attributes
    ----------
    frames : how many maps there are
    at_crop : how many of them have the side of the crop, as there is no original frame
    rejected : files of the input that could not be read; ``rejected.csv`` names them
    level, level_is : raw score of a pixel that the contours run at, and where it is from
    high : raw score of a pixel at which the colours end
    """

    frames: int
    at_crop: int
    rejected: int
    level: float
    level_is: str
    high: float


class _Look(NamedTuple):
    """What all maps of one call share."""

    run: Run
    scored: ScoreTable
    out: Path
    scale: Scale
    level: float
    high: float
    smooth: float
    weights: str

    def original(self, name: str) -> Path:
        return self.out / "original" / name


def maps(
    run_folder: Path,
    input_path: Path,
    out: Path,
    *,
    form: Format = "auto",
    level: str = "",
    smooth: float = 0.0,
    split: Split | None = None,
    label: str = "",
    device: Device = "auto",
    deidentify: bool = False,
    blank_text: bool | None = None,
    runtime: Runtime = "torch",
    on_progress: OnProgress = no_progress,
) -> Maps:
    """Write the map of each frame on the original frame to ``original/``, and laid over it, with contours, to ``overlays/``.

    The regions within the contours are in ``regions.csv``. All are in `out`, with the scores as `score` writes them; a frame
    without a score has none in any pixel. Where raw frames are gone, and for archives, maps have the side of the crop. All share
    one scale, from their lowest to their highest score.

    Parameters
    ----------
    run_folder : a trained run
    input_path : a prepared data set or an archive (its test split, or `split`) or raw frames (all of them)
    out : folder for what is written
    form : "auto" writes DICOM for frames of DICOM files, NIfTI for slices of NIfTI volumes, 16-bit PNG for all others
    level : of the contours: a raw score, or, as "99%", the default, the share of pixels of normal validation frames below
    smooth : sigma of a Gaussian over each map, in pixels of the crop
    split : of a data set: "train", "val", "test" or "all"
    label : class of which every frame is said to be, for a backend that can be told; "" lets it choose
    device : "auto" takes a GPU where there is one
    deidentify : write copies of DICOM files without names to ``deidentified/`` first, and make maps of these
    blank_text : blank burned-in text in the copies; None does so for ultrasound and endoscopy
    runtime : what runs the nets, see `engine/runtime.py`

    Raises
    ------
    BackendError : if the backend draws no maps.
    ConfigError : if the level is none, or a library is not there.
    RunError, DataError : if the run is not trained, the frames do not fit it, or a file is not of the format asked for.
    FolderError : if `out` holds something else, or another process writes into it; with `deidentify`, if it lies in the input.

    Examples
    --------
    >>> api.maps(RUN, DATA, OUT / "maps").frames
    16
    """
    run = open_run(run_folder)
    share, raw = parsed(level)
    find_device(device)  # one that is not there is refused before frames are prepared for it
    if deidentify:
        check_apart(input_path, out)
    of = made_of(out, [run], input_path, split, label=label, deidentified="yes" if deidentify else "no")
    with output_folder(out, "maps", MAPPED, of=of):
        if deidentify:
            input_path = deidentified(input_path, out, blank_text, (*MAPS, "prepared"))
        data, rows = open_input(run, input_path, out, split, on_progress)
        originals = find_originals(data, rows)
        kinds = _kinds(originals, form)
        scored = score_rows(run, data, rows, out, label=label, device=device, runtime=runtime, on_progress=on_progress)
        if not is_scored(scored.table).any():
            raise DataError(f"there is nothing to draw a map of: {left_out(len(rows), len(rows), 'frames')}")
        if scored.maps is None:
            raise BackendError(f"'{run.settings.backend}' scores whole frames and draws no maps; see '{out / 'scores.csv'}'")
        given = None if raw is None else (raw, "as given")
        raw, level_is = given or normal_level(run, share, smooth, out, device, runtime, on_progress)
        high = 2 * raw if raw > 0 else map_high(run)  # contours run where the colours are half way
        scale = scale_between(float(np.nanmin(scored.maps)), float(np.nanmax(scored.maps)))
        look = _Look(run, scored, out, scale, raw, high, smooth, run.weights_digest())
        at_crop = _write_all(look, originals, kinds, on_progress)
        write_csv(out / REGIONS, flagged_regions(scored, raw, smooth))
        written = Maps(len(rows), at_crop, len(data.rejected()), raw, level_is, high)
        made_by = {"smooth": smooth, "weights": look.weights, "meaning": f"raw scores, {RESEARCH}"}
        write_json(out / MAPPED[0], asdict(written) | made_by)
        return written


def _write_all(look: _Look, originals: list[Original], kinds: Mapping[Path | None, MapFormat], on_progress: OnProgress) -> int:
    """Write the map of each frame, file by file; return how many have the side of the crop."""
    at_crop = 0
    remove_earlier(look.out, *MAPS)
    for file, group in groupby(enumerate(originals), key=lambda item: item[1].file):
        numbered = list(group)
        unread = _write_file(look, file, numbered, kinds.get(file, "png"), on_progress) if file else numbered
        for index, original in unread:
            score_map = _on_crop(look.run, look.scored, index, look.smooth)
            save_png(look.original(picture_name(original.path)), score_map, look.scale)
            _write_overlay(look, original, look.scored.data.frames[original.row], score_map)
        at_crop += len(unread)
        on_progress(Progress("maps", numbered[-1][0] + 1, len(originals)))
    return at_crop


def _kinds(originals: list[Original], form: Format) -> dict[Path | None, MapFormat]:
    """Return the format in which the maps of each file are written, where it is not PNG.

    Raises
    ------
    DataError : if a file is not of the format that is asked for.
    """
    if form == "png":
        return {}
    kinds: dict[Path | None, MapFormat] = {file: format_of(file) for file in {original.file for original in originals} if file}
    for original in originals:
        if form != "auto" and kinds.get(original.file) != form:
            what = f"is no {NAMES[form]} file" if original.file else "has no original file"
            raise DataError(f"'{original.path}' {what}; take --format auto or png, as {NAMES[form]} holds maps of such alone")
    return kinds


def _write_file(look: _Look, file: Path, numbered: list[_Numbered], kind: MapFormat, on_progress: OnProgress) -> list[_Numbered]:
    """Write the maps of the frames of one file; return those whose original cannot be had."""
    unread = {original.number: (index, original) for index, original in numbered}
    header = read_header(file) if kind == "dicom" else None
    planes: dict[int, NDArray[np.float32]] = {}
    try:
        settings = look.scored.data.settings
        for image in read_images(file, settings.shown(), Sampling(numbers=tuple(unread)), settings.axes):
            number = image.number
            if number in unread:
                index, original = unread[number]
                pixels = to_uint8(image.pixels)
                score_map = _on_original(look, index, original, pixels.shape[:2])
                if header is not None:
                    path = look.original(disk_name(original.path) + ".dcm")
                    save_dicom(path, score_map, look.scale, header, number, look.weights, look.high)
                elif kind == "nifti":
                    planes[number] = score_map
                else:
                    save_png(look.original(picture_name(original.path)), score_map, look.scale)
                _write_overlay(look, original, pixels, score_map)
                del unread[number]
            if not unread:
                break
    except ImageError as error:
        on_progress(Progress("maps", 0, 0, {}, f"maps of '{file}' keep the side of the crop: {error}"))
    if planes:
        save_nifti(look.original(disk_name(numbered[0][1].name) + ".nii.gz"), planes, file)
    return [*unread.values()]


def _on_crop(run: Run, scored: ScoreTable, index: int, smooth: float) -> NDArray[np.float32]:
    """Return one map (S, S), NaN where the model was shown no tissue."""
    assert scored.maps is not None
    (batch,) = FixedBatches(scored.data, scored.rows[index : index + 1], run.settings.data)
    return smoothed(np.where(batch.valid[0, 0].numpy(), scored.maps[index], np.float32(np.nan)), smooth)


def _on_original(look: _Look, index: int, original: Original, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Return one map (H, W).

    Raises
    ------
    ImageError : if the original has another size than it had.
    """
    known = look.scored.data.index.iloc[original.row]
    height, width = shape
    if (height, width) != (known["height"], known["width"]):
        raise ImageError(f"it is {width} x {height}, the data set was made of {known['width']} x {known['height']}")
    box = Box(*(int(known[side]) for side in Box._fields))
    if not 0 < max(box.width, box.height) <= 2 * max(shape):
        raise ImageError(f"its crop of {box.width} x {box.height} pixels is no part of a frame of {width} x {height}")
    return to_original(_on_crop(look.run, look.scored, index, look.smooth), box, (height, width))


def _write_overlay(look: _Look, original: Original, pixels: NDArray[np.uint8], score_map: NDArray[np.float32]) -> None:
    drawn = overlaid(pixels, score_map, look.high, look.level)
    write_bytes(look.out / "overlays" / picture_name(original.path), png(drawn))


def overlaid(pixels: NDArray[np.uint8], score_map: NDArray[np.float32], high: float, level: float) -> NDArray[np.uint8]:
    """Return a frame (H, W, 3) uint8 with its map in colours over it.

    Parameters
    ----------
    pixels : (H, W, C) uint8
    score_map : (H, W) float32, NaN where there is no score
    high : the score at which the colours end
    level : the score that contours run at
    """
    strength = STRENGTH * np.clip(score_map / high, 0, 1)  # NaN where there is no score
    colours = heat(score_map, np.isfinite(score_map), high)
    return overlay(with_channels(pixels, 3), strength, colours, outlines(score_map, level))
