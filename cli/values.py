"""What the tables of `tables` say as plain values, for --json: results of `medgen.api` come in; nested values go out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from medgen.data.source_file import file_and_frame

from .answer import records

if TYPE_CHECKING:
    import pandas as pd

    from medgen.data.prepared import Prepared
    from medgen.data.preparing.inspect import Inspection


def prepared_counts(data: Prepared) -> pd.DataFrame:
    """Return the frames of each finding and label (rows) in each split (columns), copies aside; "-" where there is no finding."""
    originals = data.index[data.index["copy"] == 0]
    named = originals.assign(finding=originals["finding"].replace("", "-"), label=originals["label"].replace("", "unlabelled"))
    return named.groupby(["finding", "label", "split"]).size().unstack(fill_value=0).reset_index()


def files_read(data: Prepared) -> int:
    """Return how many files the frames of a data set are from, copies aside."""
    return len({file_and_frame(path)[0] for path in data.index["path"][data.index["copy"] == 0]})


def prepared_values(data: Prepared) -> dict[str, Any]:
    """Return what `prepared_table` says of a data set."""
    passed_over = data.passed_over()["kind"].value_counts()
    return {
        "frames": records(prepared_counts(data)),
        "copies": int((data.index["copy"] != 0).sum()),
        "near_duplicates_across_splits": len(data.leaks()),
        "divided_groups": data.divided_groups()["reason"].value_counts().to_dict(),
        "files": {"read": files_read(data), "rejected": len(data.rejected()), "ignored": len(data.ignored())},
        "left_out": {kind: int(passed_over.get(kind, 0)) for kind in ("blurred", "alike")},
        "shown": list(data.shown),
        "data": data.folder,
    }


def inspection_values(inspection: Inspection) -> dict[str, Any]:
    """Return what `inspection_tables` says of a source, with all its sizes, files and duplicates."""
    tables = ("classes", "sizes", "groups", "rejected", "duplicates")
    said = {"layout": inspection.layout, "intensity": inspection.intensity, "understood": inspection.understood}
    read = {"read": inspection.read, "warnings": inspection.warnings}
    return {**said, **read, **{name: records(getattr(inspection, name)) for name in tables}}


def video_values(path: Path) -> list[dict[str, Any]]:
    """Return for each video of a ``timeline.csv`` its frames, how many are above the threshold, and when some stand out.

    Times are in seconds; `above` is None where the run has no threshold.
    """
    from medgen.data.prepared import SECONDS, read_table

    return [
        {
            "video": video,
            "frames": len(frames),
            "above": int((frames["abnormal"] == True).sum()) if "abnormal" in frames else None,  # noqa: E712
            "stand_out_at": frames[SECONDS][frames["stands_out"] == 1].tolist(),
        }
        for video, frames in read_table(path).groupby("video", sort=False)
    ]
