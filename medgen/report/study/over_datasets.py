"""A study of several data sets and training sizes in numbers: ranks over data sets, curves over sizes, and what so few allow.

All of it is computed from ``metrics.json`` of the studies that it is made of, each of one data set and one size.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from medgen.files import csv_text, json_values
from medgen.metrics.comparing.over_datasets import critical_difference, friedman, ranks_in_datasets, wilcoxon
from medgen.metrics.comparing.paired import holm
from medgen.metrics.intervals import Floats
from medgen.report.evaluate import LEVEL
from medgen.report.study.ranks import FEWEST, cliques
from medgen.report.study.summary import ALPHA
from medgen.report.study.tables import tex, words

FORMAT = "medgen-datasets-1"
MEASURE = "auroc"
FEWEST_DATASETS = 2


class PartResult(NamedTuple):
    """What the study of one data set and one training size found.

    Attributes
    ----------
    dataset, shots : names of both
    frames : training frames that there are of this size
    page : of that study, as seen from the whole one
    metrics : its ``metrics.json``; {} where nothing could be compared
    reason : why not, or ""
    """

    dataset: str
    shots: str
    frames: int
    page: str
    metrics: Mapping[str, Any]
    reason: str = ""


def metrics_over_datasets(
    title: str, entries: Sequence[str], parts: Sequence[PartResult], study: Mapping[str, Any], commands: Sequence[str]
) -> dict[str, Any]:
    """Return every number of the page as plain values.

    Parameters
    ----------
    entries : names that were asked for
    parts : each data set with each size; the sizes of a data set from the largest to the smallest
    study, commands : what repeats it
    """
    names = [*dict.fromkeys(part.dataset for part in parts)]
    sizes = [*dict.fromkeys(part.shots for part in parts)]
    cells = [cell for part in parts for cell in _cells(part)]
    values = pd.DataFrame(
        [(cell["dataset"], cell["entry"], cell["value"]) for cell in cells if cell["shots"] == sizes[0]],
        columns=["dataset", "entry", "value"],
    ).pivot(index="dataset", columns="entry", values="value")
    values = values.reindex(index=names, columns=list(entries)).astype(float)
    return json_values(
        {
            "format": FORMAT,
            "purpose": "research only, never diagnosis or the care of a patient",
            "title": title,
            "measure": MEASURE,
            "level": LEVEL,
            "datasets": [_dataset(name, parts) for name in names],
            "sizes": sizes,
            "entries": list(entries),
            "cells": cells,
            "ranks": rank_over_datasets(values) | {"shots": sizes[0]},
            "missing": [missing for part in parts for missing in _missing(part, entries)],
            "study": study,
            "commands": list(commands),
        }
    )


def rank_over_datasets(values: pd.DataFrame, alpha: float = ALPHA) -> dict[str, Any]:
    """Return ranks over data sets with their tests.

    Parameters
    ----------
    values : rows are data sets, columns are entries; an entry without a value of each data set is left out
    alpha : level of the tests

    Returns
    -------
    "reason" (why there are none, or ""), "left_out", "ranks" (best first: mean, and the lowest and highest of a data set),
    "by_dataset", "friedman", "critical_difference", "cliques" (that Nemenyi's test does not tell apart), "pairs" (Wilcoxon with
    Holm) and "limits" (what so few data sets allow, sentences)
    """
    whole = values.dropna(axis="columns")
    left_out = [name for name in values if name not in whole]
    n, k = whole.shape
    found: dict[str, Any] = {"reason": "", "left_out": left_out, "alpha": alpha, "ranks": [], "cliques": [], "pairs": []}
    if n < FEWEST_DATASETS or k < FEWEST:
        counts = f"{k} {'entry has a' if k == 1 else 'entries have a'} value of each of {n} data {'set' if n == 1 else 'sets'}"
        return found | {"reason": f"{counts}; ranks take {FEWEST} entries and {FEWEST_DATASETS} data sets"}
    scores: Floats = whole.to_numpy(dtype=np.float64)
    ranks = ranks_in_datasets(scores)
    means = dict(zip(map(str, whole), ranks.mean(axis=0).tolist(), strict=True))
    order = sorted(means, key=lambda name: means[name])
    ends = {name: (float(low), float(high)) for name, low, high in zip(whole, ranks.min(axis=0), ranks.max(axis=0), strict=True)}
    difference = critical_difference(n, k, alpha)
    both: list[tuple[str, str]] = [*itertools.combinations(order, 2)]
    raw = [wilcoxon((whole[first] - whole[second]).to_numpy(dtype=np.float64)) for first, second in both]
    return found | {
        "ranks": [{"name": name, "mean": means[name], "low": ends[name][0], "high": ends[name][1]} for name in order],
        "by_dataset": {
            str(dataset): dict(zip(whole, row.tolist(), strict=True)) for dataset, row in zip(whole.index, ranks, strict=True)
        },
        "friedman": friedman(scores)._asdict(),
        "critical_difference": difference,
        "cliques": cliques(order, [pair for pair in both if abs(means[pair[0]] - means[pair[1]]) < difference]),
        "pairs": [
            {
                "first": first,
                "second": second,
                "value": float((whole[first] - whole[second]).mean()),
                "rank_difference": means[second] - means[first],
                "p": p,
                "p_holm": float(adjusted),
                "differ": bool(adjusted <= alpha),
            }
            for (first, second), p, adjusted in zip(both, raw, holm(raw), strict=True)
        ],
        "limits": limits(n, k, alpha),
    }


def limits(n: int, k: int, alpha: float) -> list[str]:
    """Return what `n` data sets allow to say of `k` entries, sentences with the numbers."""
    difference, pairs = critical_difference(n, k, alpha), k * (k - 1) // 2
    nemenyi = (
        f"With {n} data sets and {k} entries, mean ranks have to differ by {difference:.2f} for Nemenyi's test at {alpha:g}; "
        f"they can differ by {k - 1} at most"
    )
    if difference > k - 1:
        nemenyi += ": this test can tell no two entries apart"
    smallest = 2.0 ** (1 - n)
    needed = next(count for count in itertools.count(1) if pairs * 2.0 ** (1 - count) <= alpha)
    wilcoxon_says = (
        f"The smallest p that Wilcoxon's test of {n} data sets can give is {smallest:.3g}, {min(1.0, pairs * smallest):.3g} "
        f"after Holm's correction for {pairs} pairs"
    )
    if n < needed:
        wilcoxon_says += f": it can call no pair different. That takes {needed} data sets or more."
    else:
        wilcoxon_says += "."
    return [f"{nemenyi}.", wilcoxon_says]


def _cells(part: PartResult) -> list[dict[str, Any]]:
    return [
        {
            "dataset": part.dataset,
            "shots": part.shots,
            "train_frames": part.frames,
            "entry": entry["name"],
            **entry["summary"][MEASURE],
            "runs": len(entry["runs"]),
            "page": part.page,
        }
        for entry in part.metrics.get("entries", [])
    ]


def _dataset(name: str, parts: Sequence[PartResult]) -> dict[str, Any]:
    own = [part for part in parts if part.dataset == name]
    known = next((part.metrics for part in own if part.metrics), {})
    return {"name": name, "frames": known.get("frames"), "caution": known.get("caution", ""), "train_frames": own[0].frames}


def _missing(part: PartResult, entries: Sequence[str]) -> list[dict[str, str]]:
    where = {"dataset": part.dataset, "shots": part.shots}
    if part.reason:
        return [where | {"name": ", ".join(entries), "reason": part.reason}]
    return [where | failure for failure in part.metrics["failures"]]


def datasets_csv(metrics: Mapping[str, Any]) -> str:
    """Return one row for each data set, size and entry: AUROC, interval over frames and spread over seeds, in full precision."""
    rows = [
        {key: value for key, value in cell.items() if key not in ("seeds", "page")}
        | {f"seed_{key}": cell["seeds"].get(key) for key in ("low", "high", "std")}
        for cell in metrics["cells"]
    ]
    return csv_text(pd.DataFrame(rows).dropna(axis="columns", how="all"))


def datasets_tex(metrics: Mapping[str, Any]) -> str:
    """Return the table for a paper: AUROC of each entry on each data set at the largest size, and its mean rank; booktabs."""
    ranks, names = metrics["ranks"], [dataset["name"] for dataset in metrics["datasets"]]
    mean = {rank["name"]: rank["mean"] for rank in ranks["ranks"]}
    value = {(cell["entry"], cell["dataset"]): cell["value"] for cell in metrics["cells"] if cell["shots"] == ranks["shots"]}
    caption = tex(f"{metrics['title']}. AUROC, mean over seeds, and mean rank. " + " ".join(ranks.get("limits", [])), 1000)
    lines = [
        "% Written by medgen; for research only. Needs \\usepackage{booktabs,textcomp}.",
        "\\begin{table}",
        f"\\caption{{{caption}}}",
        f"\\centering\\begin{{tabular}}{{l{'r' * (len(names) + 1)}}}",
        "\\toprule",
        " & ".join(["Backend", *(tex(name) for name in names), "Mean rank"]) + " \\\\",
        "\\midrule",
    ]
    for entry in metrics["entries"]:
        cells = [words(value.get((entry, name)), "ratio") for name in names]
        cells.append(f"{mean[entry]:.2f}" if entry in mean else "--")
        lines.append(" & ".join([tex(entry), *(cell if cell[0].isdigit() else "--" for cell in cells)]) + " \\\\")
    return "\n".join([*lines, "\\bottomrule", "\\end{tabular}", "\\end{table}", ""])
