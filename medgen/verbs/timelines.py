"""Scores of videos against time, on disk: one table, and a figure of each video."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from medgen.data.prepared import SECONDS
from medgen.files import write_bytes, write_csv
from medgen.outputs.own_files import remove_earlier
from medgen.runs.run import Run
from medgen.runs.score_table import ScoreTable
from medgen.runs.scores import picture_name

COLUMNS = ["id", "path", SECONDS, "score", "quantile", "abnormal", "status"]  # of the scores; those that there are


def write_timelines(run: Run, scored: ScoreTable, out: Path) -> pd.DataFrame | None:
    """Write ``timeline.csv`` and ``timelines/VIDEO.png`` of each video among the scored frames.

    Parameters
    ----------
    run : the run that scored them
    scored : its scores
    out : folder

    Returns
    -------
    The table: video, frame (its number in the video), seconds, then what the scores say of it, and stands_out (0 or 1); in the
    order of video and time. None where no frame is of a video.
    """
    remove_earlier(out, "timeline.csv", "timelines")
    table = scored.table.assign(row=np.arange(len(scored.table)))
    if SECONDS not in table or table[SECONDS].isna().all():
        return None
    from medgen.report.timeline import standing_out, timeline_figure  # they bring matplotlib, and most frames are of no video

    table = table[table[SECONDS].notna()]
    parts = table["path"].str.rpartition("#")
    table = table.assign(video=parts[0], frame=parts[2].astype(np.int64)).sort_values(["video", SECONDS], ignore_index=True)
    table["stands_out"] = 0
    threshold = run.calibration().get("value")
    for name, frames in table.groupby("video", sort=False):
        seconds, score = (frames[column].to_numpy(dtype=np.float64) for column in (SECONDS, "score"))
        chosen = standing_out(seconds, score, threshold)
        table.loc[frames.index[chosen], "stands_out"] = 1
        pictures = scored.data.frames[scored.rows[frames["row"].to_numpy()[chosen]]]
        picture = timeline_figure(PurePosixPath(str(name)).name, seconds, score, threshold, chosen, pictures)
        write_bytes(out / "timelines" / picture_name(str(name)), picture)
    table = table[["video", "frame", *[name for name in COLUMNS if name in table], "stands_out"]]
    write_csv(out / "timeline.csv", table)
    return table
