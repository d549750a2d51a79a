"""Which backends a comparison can tell apart: mean ranks, and the sets between which the paired test finds no difference.

The diagram is that of Demšar 2006 (JMLR 7, https://www.jmlr.org/papers/v7/demsar06a.html) with one change: his ranks are means
over many data sets, and one critical difference holds for all of them. A comparison has one data set, whose frames are resampled.
So ranks are means over the draws of the bootstrap, and a bar joins entries that the Holm-corrected paired test cannot tell apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from scipy.stats import rankdata

from medgen.metrics.detection import Floats, percentiles
from medgen.report.evaluate import LEVEL
from medgen.report.plot_style import INK, MUTED, plot_text

FEWEST = 3  # entries; two are compared by a single test


def rank_entries(drawn: Mapping[str, Floats], pairs: Sequence[Mapping[str, Any]], alpha: float) -> dict[str, Any]:
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
    places = rankdata(-values, axis=1)
    ranks: list[dict[str, Any]] = []
    for column, name in enumerate(names):
        low, high = percentiles(places[:, column], LEVEL)
        ranks.append({"name": name, "mean": float(places[:, column].mean()), "low": low, "high": high})
    ranks.sort(key=lambda entry: entry["mean"])
    alike = [(pair["first"], pair["second"]) for pair in pairs if pair["measure"] == "auroc" and not pair["differ"]]
    return {"reason": "", "ranks": ranks, "cliques": cliques([entry["name"] for entry in ranks], alike), "alpha": alpha}


def cliques(names: Sequence[str], alike: Iterable[tuple[str, str]]) -> list[list[str]]:
    """Return the largest sets of two or more names in which every two are alike, by the algorithm of Bron and Kerbosch 1973."""
    near: dict[str, set[str]] = {name: set() for name in names}
    for first, second in alike:
        near[first].add(second)
        near[second].add(first)
    found: list[set[str]] = []

    def grow(members: set[str], open_to: set[str], seen: set[str]) -> None:
        if not open_to and not seen and len(members) > 1:
            found.append(members)
        for name in sorted(open_to, key=names.index):
            grow(members | {name}, open_to & near[name], seen & near[name])
            open_to = open_to - {name}
            seen = seen | {name}

    grow(set(), set(names), set())
    return sorted((sorted(each, key=names.index) for each in found), key=lambda each: [names.index(name) for name in each])


def draw_ranks(axes: Axes, found: Mapping[str, Any]) -> None:
    """Draw the diagram: names from best to worst at their mean ranks with intervals, bars below that join what is alike."""
    ranks, bars = found["ranks"], found["cliques"]
    places = {entry["name"]: (entry["mean"], -row) for row, entry in enumerate(ranks)}
    for entry in ranks:
        mean, row = places[entry["name"]]
        axes.plot([entry["low"], entry["high"]], [row, row], color=MUTED, linewidth=1.2)
        axes.plot(mean, row, "o", color=INK, markersize=5)
    for level, members in enumerate(bars):
        y = -len(ranks) - 0.2 - 0.5 * level
        axes.plot([places[members[0]][0], places[members[-1]][0]], [y, y], color=INK, linewidth=3)
        for mean, row in (places[name] for name in members):
            axes.plot([mean, mean], [row, y], color=MUTED, linewidth=0.7, linestyle=":", zorder=0)
            axes.plot(mean, y, "o", color=INK, markersize=6)
    axes.set_yticks([-row for row in range(len(ranks))], [plot_text(entry["name"], 28) for entry in ranks])
    axes.grid(axis="y", visible=False)
    axes.set(xlim=(0.8, len(ranks) + 0.2), ylim=(-len(ranks) - 0.4 - 0.5 * len(bars), 0.6))
    axes.set_xticks(range(1, len(ranks) + 1))
    axes.set_xlabel("mean rank by AUROC over the draws of the bootstrap, 1 is best")
