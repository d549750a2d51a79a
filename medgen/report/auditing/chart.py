"""The chart of the shortcut audit."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib
import numpy as np

from medgen.report.audit_metrics import Separation
from medgen.report.auditing.audit import EASY, WARN
from medgen.report.plot_style import ABNORMAL, INK, MUTED, NORMAL, STYLE, new_figure, to_svg


def trait_chart(traits: Sequence[Separation]) -> bytes:
    """Draw the AUROC of each trait as a bar from 0.5 on, with its interval, biggest first; SVG.

    `traits` have a title and an AUROC; those whose AUROC is None are left out.
    """
    drawn = [trait for trait in traits if trait["auroc"]["value"] is not None][::-1]
    value = np.array([trait["auroc"]["value"] for trait in drawn], dtype=float)
    with matplotlib.rc_context(STYLE):
        figure, (axes,) = new_figure(1, (3.9, 0.8 + 0.2 * len(drawn)))
        axes.barh(np.arange(len(drawn)), value - 0.5, left=0.5, height=0.62, alpha=0.55,
                  color=[ABNORMAL if area > WARN else NORMAL for area in value])  # fmt: skip
        for row, trait in enumerate(drawn):
            low, high = trait["auroc"]["low"], trait["auroc"]["high"]
            if low is not None and high is not None:
                axes.plot([low, high], [row, row], color=INK, linewidth=1.2)
        axes.axvline(WARN, color=MUTED, linestyle="--", linewidth=1)
        axes.axvline(EASY, color=MUTED, linestyle=":", linewidth=1)
        axes.set_yticks(np.arange(len(drawn)), [trait["title"] for trait in drawn])
        axes.grid(axis="y", visible=False)
        axes.set(xlim=(0.4, 1), ylim=(-0.6, len(drawn) - 0.4), xlabel="AUROC of the trait alone")
        return to_svg(figure)
