"""How well a run's score maps point at findings, beside maps that no model made of the same frames and valid pixels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from medgen.data.prepared import Prepared
from medgen.data.scorable import is_scored
from medgen.errors import MedgenError
from medgen.files import cache_folder, replacing, short_digest
from medgen.metrics.froc import Marks, find_marks, joined
from medgen.metrics.units import statistical_units
from medgen.outputs.leftovers import OLD, remove_dead
from medgen.report.localisation.baselines import MeasuredMaps, compare_maps, measure_maps, pack, unpack
from medgen.report.localisation.lesions import measure_lesions
from medgen.report.localisation.local_metrics import LesionMetrics, LocalisationMetrics
from medgen.runs.datasets import open_trained_on
from medgen.runs.localising.lesion_sizes import diameters
from medgen.runs.localising.no_model_maps import NoModelMap, no_model_maps, normal_levels
from medgen.runs.run import Run
from medgen.runs.score_table import ScoreTable
from medgen.runs.versions import made_by
from medgen.types import OnProgress, Progress, no_progress

BLOCK = 256  # maps read at once
NO_NORMALS = "No row tells of normal frames or synthetic anomalies, as no normal training frames are there to take them from."
KEPT = 2**29  # bytes of frames that are kept in memory where they are not mapped from disk

Maps = Iterator[tuple[NDArray, NDArray, NDArray]]


def with_known_truth(scored: ScoreTable) -> NDArray[np.int64]:
    """Return the positions of the scored frames whose truth is known everywhere, (n,): annotated ones and normals.

    Empty where the run draws no maps or the data set has no masks.
    """
    data, rows = scored.data, scored.rows
    if scored.maps is None or data.masks is None:
        return np.empty(0, dtype=np.int64)
    known = (data.index["annotated"].iloc[rows].to_numpy() == 1) | (scored.table["label"].to_numpy() == "normal")
    return np.flatnonzero(known & is_scored(scored.table))


def score_maps(scored: ScoreTable, positions: NDArray[np.int64]) -> Maps:
    """Yield maps, truth masks and valid pixels of the frames at these positions, (B, S, S) each."""
    assert scored.maps is not None and scored.data.masks is not None  # of frames with a known truth
    for start in range(0, len(positions), BLOCK):
        block = positions[start : start + BLOCK]
        rows = scored.rows[block]
        yield scored.maps[block], scored.data.masks[rows], scored.data.valid[rows]


def localise(
    run: Run, scored: ScoreTable, values: Mapping[str, float | None], on_progress: OnProgress = no_progress
) -> LocalisationMetrics:
    """Return intervals of a run's pixel measures, and the same measures of maps that no model made; {} without pixel measures.

    What those maps have to know of normal frames they take from the training of the run, where it is still there, else from the
    training frames of the data set itself.

    Parameters
    ----------
    values : the section "pixel" of the run's metrics
    """
    if not values:
        return {}
    positions = with_known_truth(scored)
    rows = scored.rows[positions]
    units = statistical_units(scored.data.index["group"].iloc[rows])
    pixels = len(rows) * scored.data.size**2
    normals = _normals(run, scored.data)
    level = run.threshold().get("pixel_level")
    model = measure_maps("the model", lambda: score_maps(scored, positions), units, pixels, (level, None))
    baselines = cached_baselines(scored.data, normals, rows, units, on_progress)
    lacking = "" if "prior" in baselines else NO_NORMALS
    return compare_maps(model, baselines, left_out=lacking)


def find_lesions(run: Run, scored: ScoreTable) -> LesionMetrics:
    """Return which findings the maps of a run mark where they are cut at the level of its calibration; {} where that lacks."""
    level, positions = run.threshold().get("pixel_level"), with_known_truth(scored)
    if level is None or not len(positions):
        return {}
    parts: list[Marks] = []
    done = 0
    for maps, masks, valid in score_maps(scored, positions):
        parts.append(find_marks(maps, masks, valid, level, done))
        done += len(maps)
    marks, rows = joined(parts), scored.rows[positions]
    units = statistical_units(scored.data.index["group"].iloc[rows])
    return measure_lesions(marks, len(rows), units, level, diameters(scored.data, rows[marks.lesion_frame], marks.pixels))


def cached_baselines(
    data: Prepared, normals: Prepared, rows: NDArray[np.int64], units: NDArray[np.str_], on_progress: OnProgress = no_progress
) -> dict[str, MeasuredMaps]:
    """Return how well maps that no model made find the pixels of these rows; kept on disk for the next report.

    They lie below the folder in MEDGEN_CACHE, by default ``~/.cache/medgen``, under a digest of both data sets and the rows: all
    runs on a data set share them, and those of other code are not used.
    """
    parts = (data.digest, data.settings.digest(), normals.digest, normals.settings.digest())
    valid = np.asarray(data.valid[rows[:1]]).tobytes()  # the same of all frames, where a run lays one mask over them
    key = short_digest(f"{made_by('baselines')} {' '.join(parts)}", rows.tobytes(), valid)
    path = cache_folder("baselines") / f"{key}.npz"
    if path.is_file():
        with np.load(path) as arrays:
            return unpack(arrays)
    stored = pack(measure_baselines(data, normals, rows, units, on_progress))
    remove_dead(path.parent, OLD)
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **stored)  # type: ignore[arg-type]
    return unpack(stored)  # as they will be read


def measure_baselines(
    data: Prepared, normals: Prepared, rows: NDArray[np.int64], units: NDArray[np.str_], on_progress: OnProgress = no_progress
) -> dict[str, MeasuredMaps]:
    """Measure maps that no model made.

    Parameters
    ----------
    data : with masks
    normals : the data set of a training, whose normal frames say what is normal
    rows : (n,) of `data`, whose truth is known
    units : (n,) their statistical units
    """
    if data.kind and len(rows) * data.size**2 * data.channels <= KEPT:
        data = in_memory(data, rows)
        rows = np.arange(len(rows))
    measured = {}
    ways = no_model_maps(normals)
    for done, way in enumerate(ways, start=1):
        read, levels = partial(_drawn, way, data, rows), normal_levels(way, normals)
        measured[way.name] = measure_maps(way.title, read, units, len(rows) * data.size**2, levels, way.opposite)
        on_progress(Progress("baselines", done, len(ways)))
    return measured


def in_memory(data: Prepared, rows: NDArray[np.int64]) -> Prepared:
    """Return these rows of a data set whose frames are decoded when they are asked for, read once: each map asks again."""
    assert data.masks is not None
    index, valid, masks = data.index.iloc[rows].reset_index(drop=True), np.asarray(data.valid[rows]), np.asarray(data.masks[rows])
    return replace(data, index=index, frames=data.frames[rows], valid=valid, masks=masks)


def _drawn(way: NoModelMap, data: Prepared, rows: NDArray[np.int64]) -> Maps:
    """Yield maps that no model made with truth masks and valid pixels, (B, S, S) each."""
    assert data.masks is not None  # of frames with a known truth
    for start in range(0, len(rows), BLOCK):
        block = rows[start : start + BLOCK]
        valid = np.asarray(data.valid[block])
        yield way.draw(data.frames[block], valid), data.masks[block], valid


def _normals(run: Run, data: Prepared) -> Prepared:
    """Return the data set of a run's training, or `data` where that is not to be had."""
    if data.digest == run.origin.data_digest:
        return data
    try:
        return open_trained_on(run)
    except MedgenError:
        return data
