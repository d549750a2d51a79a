"""The table of frames of a comparison by columns, what JSON says in fewest bytes: as many rows as a number of bytes holds."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TypedDict

import numpy as np

from medgen.files import json_values
from medgen.report.markup import escape_hidden
from medgen.report.study.comparison import Comparison
from medgen.report.study.frame_ranks import RankedFrames, by_disagreement
from medgen.types import LABELS

ROW_BYTES = 4_000_000  # of all rows


class EntryColumns(TypedDict):
    """What one backend says of each listed frame."""

    name: str
    score: list[float | None]
    quantile: list[float | None]
    flagged: list[int]  # 1 flagged, 0 not, -1 no decision


class FrameTable(TypedDict):
    """The listed frames."""

    total: int  # frames, listed or not
    labels: list[str]
    findings: list[str]
    row: list[int]  # in the scores
    path: list[str]
    label: list[int]  # index in `labels`
    finding: list[int]  # index in `findings`
    disagreement: list[float]
    entries: list[EntryColumns]


def frame_table(
    comparison: Comparison, names: Sequence[str], ranked: RankedFrames, first: Sequence[int], budget: int = ROW_BYTES
) -> FrameTable:
    """Return the frames with pictures, then those that the entries disagree about most, while the budget lasts.

    Parameters
    ----------
    comparison : whose frames are listed
    names : of its entries
    ranked : scores of its frames
    first : rows that are listed whatever they take, as they have pictures
    budget : bytes of all rows as JSON
    """
    table = comparison.entries[0].runs[0].scores
    label, finding = (table[column].fillna("").astype(str).to_numpy() for column in ("label", "finding"))
    kinds, codes = np.unique(finding, return_inverse=True)
    paths = [escape_hidden(path) for path in table["path"]]
    sizes = 16 + 20 * len(names) + np.array([len(json.dumps(path, ensure_ascii=False).encode()) for path in paths], dtype=int)
    disputed = by_disagreement(ranked)
    order = np.array([*first, *disputed[~np.isin(disputed, first)]], dtype=int)
    listed = np.sort(order[: max(len(first), int(np.searchsorted(np.cumsum(sizes[order]), budget, side="right")))])
    return json_values(
        {
            "total": len(table),
            "labels": [*LABELS, "unlabelled"],
            "findings": [escape_hidden(kind) or "(none given)" for kind in kinds],
            "row": listed,
            "path": [paths[row] for row in listed],
            "label": [LABELS.index(label[row]) if label[row] in LABELS else len(LABELS) for row in listed],
            "finding": codes[listed],
            "disagreement": ranked.disagreement[listed].round(4),
            "entries": [
                {
                    "name": escape_hidden(name),
                    "score": [float(f"{value:.4g}") for value in scores[listed]],
                    "quantile": quantiles[listed].round(4),
                    "flagged": flagged[listed],
                }
                for name, scores, quantiles, flagged in zip(names, ranked.scores, ranked.quantiles, ranked.flagged, strict=True)
            ],
        }
    )
