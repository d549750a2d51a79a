"""The level at which maps are cut: a raw score, or that of a share of the pixels of normal validation frames."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from medgen.data.scorable import scorable
from medgen.engine.device import Device
from medgen.engine.runtime import Runtime
from medgen.errors import ConfigError, DataError, MedgenError
from medgen.runs.calibrating.calibrate import PIXELS_BELOW
from medgen.runs.calibrating.normal_frames import MAX_PIXELS
from medgen.runs.datasets import open_trained_on
from medgen.runs.localising.regions import crop_maps
from medgen.runs.run import Run
from medgen.runs.scores import map_high, score_rows, scores_folder
from medgen.types import OnProgress


def parsed(level: str) -> tuple[float | None, float | None]:
    """Return the share in per cent, or the raw score, that a level names; neither for ""."""
    if not level:
        return None, None
    try:
        value = float(level.removesuffix("%"))
    except ValueError:
        value = float("nan")
    if level.endswith("%") and 0 < value < 100:
        return value, None
    if not level.endswith("%") and np.isfinite(value):
        return None, value
    raise ConfigError(f"the level '{level}' is none; expected a raw score like 0.02, or a share of normal pixels like 99%")


def normal_level(
    run: Run, share: float | None, smooth: float, out: Path, device: Device, runtime: Runtime, on_progress: OnProgress
) -> tuple[float, str]:
    """Return the score below which `share` per cent of the pixels of normal validation frames lie, and words for that."""
    known, fitted = run.threshold().get("pixel_level"), run.settings.scoring.leaves_out
    if fitted and known is not None and share in (None, PIXELS_BELOW):
        return known, f"{PIXELS_BELOW:g} % of the pixels of the normal frames that were fitted to lie below"
    try:
        data = open_trained_on(run)
        rows = scorable(data, data.rows("val"), run.settings.data.overlay)
        if fitted or not len(rows):
            raise DataError(f"'{data.folder}' has no validation frames" + (" that were not fitted to" if fitted else ""))
        folder = scores_folder(run, data, "val", out)
        scored = score_rows(run, data, rows, folder, device=device, runtime=runtime, on_progress=on_progress)
    except MedgenError as error:
        if share is not None:
            raise DataError(f"a level of {share:g}% rests on normal validation frames: {error}; give a raw score") from None
        return map_high(run) / 2, f"half of the end of the colour scale, as there are no normal validation frames: {error}"
    assert scored.maps is not None
    step, share = -(-scored.maps.size // MAX_PIXELS), share or PIXELS_BELOW
    pooled = np.concatenate([score_map[~np.isnan(score_map)][::step] for score_map in crop_maps(scored, smooth)])
    return float(np.percentile(pooled, share)), f"{share:g} % of the pixels of {len(rows)} normal validation frames lie below"
