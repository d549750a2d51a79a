"""Which backends a comparison can tell apart: mean ranks, and the sets between which the paired test finds no difference.

The diagram is that of Demšar 2006 (JMLR 7, https://www.jmlr.org/papers/v7/demsar06a.html) with one change: his ranks are means
over many data sets, and one critical difference holds for all of them. A comparison has one data set, whose frames are resampled.
So ranks are means over the draws of the bootstrap, and a bar joins entries that the Holm-corrected paired test cannot tell apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from scipy.stats import rankdata

from medgen.metrics.intervals import Floats, percentiles
from medgen.report.evaluate import LEVEL
from medgen.report.study.comparison_metrics import MeanRank, PairMetrics, Ranks

FEWEST = 3  # entries; two are compared by a single test


def rank_entries(drawn: Mapping[str, Floats], pairs: Sequence[PairMetrics], alpha: float) -> Ranks:
    """Return the mean rank of each entry by AUROC, 1 for the best, and the sets that cannot be told apart.

    Parameters
    ----------
    drawn : name -> (D,) AUROC in the same draws
    pairs : of a comparison; those of the measure "auroc" count
    alpha : level of the test that said which pairs differ

    Returns
    -------
    "reason" (why there are no ranks, or ""), "ranks" (best first: name, mean, low, high; the interval is that of the draws) and
    "cliques" (the largest sets of entries without a difference between any two; best first, as names)
    """
    names = list(drawn)
    if len(names) < FEWEST:
        count = "one backend has" if len(names) == 1 else f"{len(names)} backends have"
        return {"reason": f"{count} no use for ranks; it takes {FEWEST}", "ranks": [], "cliques": []}
    values = np.stack([drawn[name] for name in names], axis=1)  # (D, E)
    values = values[~np.isnan(values).any(axis=1)]
    if not len(values):
        reason = "both classes have to come from two groups of frames or more, else nothing can be resampled"
        return {"reason": reason, "ranks": [], "cliques": []}
    in_draws = rankdata(-values, axis=1)  # (D, E)
    ranks: list[MeanRank] = []
    for column, name in enumerate(names):
        low, high = percentiles(in_draws[:, column], LEVEL)
        ranks.append({"name": name, "mean": float(in_draws[:, column].mean()), "low": low, "high": high})
    ranks.sort(key=lambda rank: rank["mean"])
    alike = [(pair["first"], pair["second"]) for pair in pairs if pair["measure"] == "auroc" and not pair["differ"]]
    return {"reason": "", "ranks": ranks, "cliques": cliques([rank["name"] for rank in ranks], alike), "alpha": alpha}


def cliques(names: Sequence[str], alike: Iterable[tuple[str, str]]) -> list[list[str]]:
    """Return the largest sets of two or more names in which every two are alike, by the algorithm of Bron and Kerbosch 1973."""
    neighbours: dict[str, set[str]] = {name: set() for name in names}
    for first, second in alike:
        neighbours[first].add(second)
        neighbours[second].add(first)
    largest: list[set[str]] = []

    def grow(members: set[str], candidates: set[str], done: set[str]) -> None:
        if not candidates and not done and len(members) > 1:
            largest.append(members)
        for name in sorted(candidates, key=names.index):
            grow(members | {name}, candidates & neighbours[name], done & neighbours[name])
            candidates = candidates - {name}
            done = done | {name}

    grow(set(), set(names), set())
    ordered = [sorted(members, key=names.index) for members in largest]
    return sorted(ordered, key=lambda members: [names.index(name) for name in members])
