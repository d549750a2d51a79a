"""The flagged regions of a run's maps, as a table in pixels of the original frames, and in mm where these are known."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from medgen.data.dataset import FixedBatches
from medgen.data.scorable import is_scored
from medgen.data.writers.map_to_original import smoothed
from medgen.metrics.regions import region_table
from medgen.runs.localising.lesion_sizes import spacings
from medgen.runs.score_table import ScoreTable

IN_MM = ("area_mm2", "x_mm", "y_mm", "width_mm", "height_mm")
COLUMNS = ("path", "region", "area_px", "x_px", "y_px", "left_px", "top_px", "right_px", "bottom_px", "mean_score", "max_score")


def crop_maps(scored: ScoreTable, smooth: float = 0.0) -> Iterable[NDArray[np.float32]]:
    """Yield the map (S, S) of each frame, NaN where the model was shown no tissue or the frame has no score.

    Parameters
    ----------
    smooth : sigma of a Gaussian over each map, in pixels of the crop
    """
    assert scored.maps is not None
    start = 0
    for batch in FixedBatches(scored.data, scored.rows, scored.run.settings.data):
        valid = batch.valid[:, 0].numpy()
        for score_map in np.where(valid, scored.maps[start : start + len(batch)], np.float32(np.nan)):
            yield smoothed(score_map, smooth)
        start += len(batch)


def flagged_regions(scored: ScoreTable, level: float, smooth: float = 0.0) -> pd.DataFrame:
    """Return the largest regions of each map above a level, one a row; those of a frame together, the largest first.

    Places and boxes are those of the original frame, whose first pixel reaches from 0 to 1. Columns in mm are there where any
    frame states the spacing of its pixels, and empty for others.

    Parameters
    ----------
    scored : frames that have maps
    level : raw score of a pixel
    smooth : sigma of a Gaussian over each map, in pixels of the crop
    """
    spacing = spacings(scored.data, scored.rows)
    tables = []
    scored_frames = is_scored(scored.table)
    for place, score_map in enumerate(crop_maps(scored, smooth)):
        if not scored_frames[place] or not (score_map > level).any():
            continue
        frame = scored.data.index.iloc[scored.rows[place]]
        across, down = ((frame[high] - frame[low]) / score_map.shape[0] for low, high in (("left", "right"), ("top", "bottom")))
        table = on_frame(region_table(score_map, level), float(frame["left"]), float(frame["top"]), across, down)
        table.insert(0, "path", scored.table["path"].iloc[place])
        table.insert(1, "region", np.arange(1, len(table) + 1))
        tables.append(table if spacing is None else in_mm(table, *spacing[place]))
    columns = COLUMNS if spacing is None else (*COLUMNS, *IN_MM)
    return pd.concat(tables, ignore_index=True)[[*columns]] if tables else pd.DataFrame(columns=[*columns])


def on_frame(table: pd.DataFrame, left: float, top: float, across: float, down: float) -> pd.DataFrame:
    """Return regions of a crop in pixels of the frame that it was cut from at (left, top).

    Parameters
    ----------
    across, down : pixels of the frame under one of the crop
    """
    return pd.DataFrame(
        {
            "area_px": table["area"] * across * down,
            "x_px": left + (table["x"] + 0.5) * across,
            "y_px": top + (table["y"] + 0.5) * down,
            "left_px": left + table["left"] * across,
            "top_px": top + table["top"] * down,
            "right_px": left + table["right"] * across,
            "bottom_px": top + table["bottom"] * down,
            "mean_score": table["mean_score"],
            "max_score": table["max_score"],
        }
    )


def in_mm(table: pd.DataFrame, down: float, across: float) -> pd.DataFrame:
    """Return regions in pixels with their sizes and places in mm.

    Parameters
    ----------
    down, across : mm from one row to the next, and from one column to the next; NaN where they are not known
    """
    return table.assign(
        area_mm2=table["area_px"] * down * across,
        x_mm=table["x_px"] * across,
        y_mm=table["y_px"] * down,
        width_mm=(table["right_px"] - table["left_px"]) * across,
        height_mm=(table["bottom_px"] - table["top_px"]) * down,
    )
