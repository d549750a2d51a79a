"""The critical-difference diagram of a comparison."""

from __future__ import annotations

from matplotlib.axes import Axes

from medgen.report.plot_style import INK, MUTED, plot_text
from medgen.report.study.comparison_metrics import Ranks

OVER_DRAWS = "mean rank by AUROC over the draws of the bootstrap, 1 is best"


def draw_ranks(axes: Axes, ranks: Ranks, meaning: str = OVER_DRAWS) -> None:
    """Draw names from best to worst at their mean ranks with intervals, and below them bars that join what is alike."""
    entries, bars = ranks["ranks"], ranks["cliques"]
    points = {entry["name"]: (entry["mean"], -row) for row, entry in enumerate(entries)}
    for entry in entries:
        mean, row = points[entry["name"]]
        axes.plot([entry["low"], entry["high"]], [row, row], color=MUTED, linewidth=1.2)
        axes.plot(mean, row, "o", color=INK, markersize=5)
    for level, members in enumerate(bars):
        y = -len(entries) - 0.2 - 0.5 * level
        axes.plot([points[members[0]][0], points[members[-1]][0]], [y, y], color=INK, linewidth=3)
        for mean, row in (points[name] for name in members):
            axes.plot([mean, mean], [row, y], color=MUTED, linewidth=0.7, linestyle=":", zorder=0)
            axes.plot(mean, y, "o", color=INK, markersize=6)
    axes.set_yticks([-row for row in range(len(entries))], [plot_text(entry["name"], 28) for entry in entries])
    axes.grid(axis="y", visible=False)
    axes.set(xlim=(0.8, len(entries) + 0.2), ylim=(-len(entries) - 0.4 - 0.5 * len(bars), 0.6))
    axes.set_xticks(range(1, len(entries) + 1))
    axes.set_xlabel(meaning)
