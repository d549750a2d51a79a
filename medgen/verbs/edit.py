"""Change frames along the direction in which two findings differ in a model's latent space."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from medgen import registry
from medgen.contract.backend import Backend
from medgen.contract.capabilities import Decodes, Embeds, Redraws
from medgen.data.dataset import FixedBatches
from medgen.data.images import read_image
from medgen.data.pixel_format import to_uint8
from medgen.data.prepared import Prepared, evenly_spaced
from medgen.data.scorable import scorable
from medgen.data.writers.map_to_original import to_original
from medgen.engine.device import Device, find_device
from medgen.engine.fixed_shape import in_fixed_shape
from medgen.errors import BackendError, DataError, did_you_mean
from medgen.files import digest_of
from medgen.metrics.detection import auroc
from medgen.outputs.own_files import check_picture, write_picture
from medgen.report.figures import image_grid
from medgen.runs.datasets import open_for, open_trained_on
from medgen.runs.made_of import made_of
from medgen.runs.run import Run, open_run
from medgen.runs.to_image import to_pixels
from medgen.types import Box, OnProgress, Progress, no_progress
from medgen.verbs.figures.crop_steps import square_tile
from medgen.verbs.score import drawn_rows, open_input
from medgen.verbs.subgroups import values_of

STRENGTHS = (-0.5, 0.0, 0.5, 1.0, 1.5)
FARTHEST = 1.5  # strength at the ends of the steps of a photograph
TILE = 192  # pixels in which a drawing or a photograph is shown
MIN_FRAMES = 4  # frames of each finding: half of them learn the direction, half try it
MAX_FRAMES = 2000  # frames of each finding that are looked at


class Edited(NamedTuple):
    """The picture that was written, the frames that the direction was learned from, and how well it tells the others apart."""

    picture: Path
    learned_from: int
    auroc: float


def edit(
    run_folder: Path,
    input_path: Path,
    out: Path,
    *,
    source: str,
    target: str,
    n: int = 6,
    strengths: Sequence[float] = STRENGTHS,
    with_test: bool = False,
    device: Device = "auto",
    on_progress: OnProgress = no_progress,
) -> Edited:
    """Write a picture of frames of one finding, each moved towards another finding by several steps.

    The direction is the difference between the mean latents of the two findings (Larsen et al. 2016,
    https://arxiv.org/abs/1512.09300, section 3.2), learned on every second frame; the others say how well it tells them apart.

    Parameters
    ----------
    input_path : a prepared data set or an archive that has frames of both findings
    out : the picture (PNG): a row for each frame, the frame first, then what the model draws at each strength
    source, target : findings
    n : frames of the source in the picture
    strengths : 0 is the frame as the model sees it, 1 is as far away as the target's mean is from the source's
    with_test : look at frames of the test split, too; then nothing may be measured with them by what is learned here

    Raises
    ------
    BackendError : if the backend cannot draw what it embeds.
    DataError : if there are too few frames of a finding.
    FolderError : if `out` is there and is no picture of this call.

    Examples
    --------
    >>> edited = api.edit(RUN, DATA, OUT / "edited.png", source="normal", target="polyp", n=2, with_test=True)
    >>> edited.learned_from
    28
    """
    run = open_run(run_folder)
    split = "all" if with_test else "train and val"
    of = made_of(out.parent, [run], input_path, split, findings=f"{source} to {target}")
    check_picture(out, of)
    model, data = run.trained_model(), open_for(run, input_path)
    embedder, where = registry.require(model, Embeds), find_device(device)
    model.to(where).eval()
    rows = {name: _rows(run, data, name, with_test) for name in (source, target)}
    with torch.inference_mode():
        latents = {name: _embed(run, embedder, where, data, own, on_progress) for name, own in rows.items()}
        direction = latents[target][::2].mean(0) - latents[source][::2].mean(0)  # (Z,)
        projections = [latents[name][1::2] @ direction for name in (source, target)]
        pictured = latents[source][:n]
        drawn = [to_pixels(_redraw(model, pictured + strength * direction)) for strength in strengths]
    originals = data.frames[rows[source][:n]]
    originals = np.repeat(originals, 3, axis=3) if originals.shape[3] == 1 else originals
    write_picture(out, image_grid([[originals[k], *(column[k] for column in drawn)] for k in range(len(originals))]), of)
    labels = np.repeat([0, 1], [len(projection) for projection in projections])
    area = auroc(labels, torch.cat(projections).cpu().numpy())
    return Edited(out, sum(len(own[::2]) for own in latents.values()), float(area))


def edit_photograph(
    run_folder: Path,
    frame: Path,
    out: Path,
    *,
    along: str,
    steps: int = 7,
    reference: Path | None = None,
    with_test: bool = False,
    device: Device = "auto",
    on_progress: OnProgress = no_progress,
) -> Edited:
    """Write a picture of one photograph that is moved along a direction of the latent space, and returned to the photograph.

    It is prepared as the run's frames were, embedded, moved by `steps` even strengths from -1.5 to 1.5, and drawn. What the
    drawing changes against that of strength 0 is then laid over the photograph, so that what the model cannot draw stays.

    Parameters
    ----------
    frame : the photograph, one file
    out : the picture (PNG): the drawings, and below them the photographs
    along : a finding, towards which the frames of all others point; or a column of the source's manifest, which points from its
        lower half to its upper one where its values are numbers, and else from the first of its two values to the second
    steps : drawings
    reference : data set that the direction is learnt from; None is the one that the run was trained on
    with_test : learn from frames of the test split, too; then nothing may be measured with them by what is learned here

    Raises
    ------
    BackendError : if the backend cannot draw what it embeds.
    DataError : if the photograph shows too little, `along` is no direction, or there are too few frames on a side of it.
    FolderError : if `out` is there and is no picture of this call.

    Examples
    --------
    >>> frame = next(path for path in sorted(FRAMES.rglob("*.jpg")))
    >>> api.edit_photograph(RUN, frame, OUT / "edited.png", along="polyp", reference=DATA, with_test=True).learned_from
    28
    """
    run = open_run(run_folder)
    if not frame.is_file():
        raise DataError(f"'{frame}' is a folder; name one picture in it" if frame.is_dir() else f"there is no file '{frame}'")
    split = "all" if with_test else "train and val"
    of = made_of(out.parent, [run], reference, split, frame=digest_of(frame), along=f"{along} in {steps} steps")
    check_picture(out, of)
    model, where = run.trained_model(), find_device(device)
    data = open_for(run, reference) if reference else open_trained_on(run)
    embedder = registry.require(model, Embeds)
    model.to(where).eval()
    sides = _sides(run, data, along, with_test)
    strengths = np.linspace(-FARTHEST, FARTHEST, steps)
    with torch.inference_mode(), TemporaryDirectory() as scratch:
        low, high = (_embed(run, embedder, where, data, rows, on_progress) for rows in sides)
        direction = high[::2].mean(0) - low[::2].mean(0)  # (Z,)
        own, row, photograph = _photograph(run, frame, Path(scratch), on_progress)
        latent = _embed(run, embedder, where, own, np.array([row]), no_progress)  # (1, Z)
        drawn = [_redraw(model, latent + float(strength) * direction)[0] for strength in (0.0, *strengths)]
        shown = [to_pixels(one[None])[0] for one in drawn]
        valid = np.asarray(own.valid[np.array([row])][0])
        box = _box(own, row, photograph)
        returned = [returned_to(photograph, one.astype(np.int16) - shown[0], valid, box) for one in shown[1:]]
    rows = [[square_tile(one, TILE) for one in pictures] for pictures in (shown[1:], returned)]
    write_picture(out, image_grid(rows, [f"{strength:+.2g}" for strength in strengths], TILE), of)
    labels = np.repeat([0, 1], [len(low[1::2]), len(high[1::2])])
    area = auroc(labels, torch.cat([low[1::2] @ direction, high[1::2] @ direction]).cpu().numpy())
    return Edited(out, len(low[::2]) + len(high[::2]), float(area))


def returned_to(
    photograph: NDArray[np.uint8], change: NDArray[np.int16], valid: NDArray[np.bool_], box: Box
) -> NDArray[np.uint8]:
    """Return a photograph (H, W, C) with the change of its crop, (S, S, C) in grey levels, laid over it where that is valid."""
    planes = [
        to_original(np.where(valid, change[..., channel], np.nan).astype(np.float32), box, photograph.shape[:2])
        for channel in range(change.shape[2])
    ]
    changed = photograph.astype(np.float32) + np.nan_to_num(np.stack(planes, axis=2))
    return changed.round().clip(0, 255).astype(np.uint8)


def _photograph(run: Run, frame: Path, scratch: Path, on_progress: OnProgress) -> tuple[Prepared, int, NDArray[np.uint8]]:
    """Return the photograph as the run looks at it, its row, and its pixels (H, W, 3) as the run's frames are shown."""
    folder = scratch / "frames"
    folder.mkdir()
    shutil.copyfile(frame, folder / frame.name)
    data, rows = open_input(run, folder, scratch / "out", "all", on_progress)
    row = int(drawn_rows(run, data, rows, on_progress)[0])
    settings = data.settings
    pixels = to_uint8(read_image(frame, 0, settings.shown(), settings.axes).pixels)
    return data, row, np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels


def _box(data: Prepared, row: int, photograph: NDArray[np.uint8]) -> Box:
    """Return the crop in pixels of the photograph; all of it, where frames are not cropped."""
    if data.kind:
        return Box(0, 0, photograph.shape[1], photograph.shape[0])
    return Box(*(int(data.index[name].iloc[row]) for name in ("left", "top", "right", "bottom")))


def _sides(run: Run, data: Prepared, along: str, with_test: bool) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows on either side of a direction: other findings and this one, or low and high values of a column."""
    usable = np.flatnonzero((data.index["copy"] == 0) & (with_test | (data.index["split"] != "test")))
    if along in set(data.index["finding"]) - {""}:
        high = (data.index["finding"].iloc[usable] == along).to_numpy()
        known = (data.index["finding"].iloc[usable] != "").to_numpy()
    else:
        high, known = _halves(values_of(data, usable, along), along)
    low, far = (scorable(data, usable[side], run.settings.data.overlay) for side in (known & ~high, known & high))
    if min(len(low), len(far)) < MIN_FRAMES:
        hint = "" if with_test else "; --with-test takes test frames too, which must then not measure what is learned from them"
        raise DataError(f"'{along}' has {len(low)} frames on one side and {len(far)} on the other, {MIN_FRAMES} are needed{hint}")
    return low[evenly_spaced(len(low), MAX_FRAMES)], far[evenly_spaced(len(far), MAX_FRAMES)]


def _halves(values: Sequence[str], name: str) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which of the values of a column are high, and which are known, (N,) each.

    Raises
    ------
    DataError : if they are neither numbers nor of two kinds.
    """
    texts = np.array(values, dtype=str)
    numbers = pd.to_numeric(pd.Series(texts), errors="coerce").to_numpy(dtype=float)
    known, kinds = texts != "", sorted(set(texts) - {""})
    if len(kinds) == 2:
        return texts == kinds[1], known
    if known.any() and np.isfinite(numbers[known]).all():
        return numbers > np.median(numbers[known]), known
    raise DataError(f"'{name}' has {len(kinds)} kinds of values; expected two, or numbers")


def _rows(run: Run, data: Prepared, finding: str, with_test: bool) -> NDArray[np.int64]:
    """Return up to `MAX_FRAMES` rows of a finding, evenly spread."""
    index = data.index
    known = set(index["finding"]) - {""}
    if finding not in known:
        raise DataError(f"'{data.address}' has no finding '{finding}'; {did_you_mean(finding, known)}")
    mine = (index["finding"] == finding) & (index["copy"] == 0)
    rows = np.flatnonzero(mine if with_test else mine & (index["split"] != "test"))
    rows = scorable(data, rows, run.settings.data.overlay)
    if len(rows) < MIN_FRAMES:
        hint = "" if with_test else "; --with-test takes test frames too, which must then not measure what is learned from them"
        raise DataError(
            f"'{data.address}' has {len(rows)} frames of '{finding}' outside the test split, {MIN_FRAMES} are needed{hint}"
        )
    return rows[evenly_spaced(len(rows), MAX_FRAMES)]


def _embed(
    run: Run, model: Embeds, device: torch.device, data: Prepared, rows: NDArray[np.int64], on_progress: OnProgress
) -> Tensor:
    """Return the latents (N, Z) of the frames in `rows`."""
    batches, latents = FixedBatches(data, rows, run.settings.data), []
    for done, batch in enumerate(batches, 1):
        latents.append(in_fixed_shape(model.embed, batch.to(device)).float())
        on_progress(Progress("embed", done, len(batches)))
    return torch.cat(latents)


def _redraw(model: Backend, latents: Tensor) -> Tensor:
    """Return the frames (N, C, S, S) in [0, 1] of latents (N, Z) that the model embedded."""
    if isinstance(model, Redraws):
        return in_fixed_shape(model.redraw, latents)
    if isinstance(model, Decodes):
        return in_fixed_shape(model.decode, latents)
    able = sorted({*registry.having("redraw"), *registry.having("decode")})
    raise BackendError(f"this backend cannot draw what it embeds; these can: {', '.join(able)}")
