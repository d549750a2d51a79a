"""Change frames along the direction in which two findings differ in a model's latent space."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medgen import registry
from medgen.contract.backend import Backend
from medgen.contract.capabilities import Decodes, Embeds, Redraws
from medgen.data.dataset import FixedBatches
from medgen.data.prepared import Prepared, evenly_spaced
from medgen.data.scorable import scorable
from medgen.engine.device import Device, find_device
from medgen.engine.fixed_shape import in_fixed_shape
from medgen.errors import BackendError, DataError, did_you_mean
from medgen.metrics.detection import auroc
from medgen.outputs.own_files import check_picture, write_picture
from medgen.report.figures import image_grid
from medgen.runs.datasets import open_for
from medgen.runs.made_of import made_of
from medgen.runs.run import Run, open_run
from medgen.runs.to_image import to_pixels
from medgen.types import OnProgress, Progress, no_progress

STRENGTHS = (-0.5, 0.0, 0.5, 1.0, 1.5)
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
    able = [name for name in registry.names() if hasattr(registry.load(name), "redraw") or hasattr(registry.load(name), "decode")]
    raise BackendError(f"this backend cannot draw what it embeds; these can: {', '.join(able)}")
