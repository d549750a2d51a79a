"""Figures of classifiers: which classes they take for which, and frames with their true and predicted names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from medgen.contract.capabilities import Classifies
from medgen.data.dataset import FixedBatches
from medgen.data.prepared import Prepared, evenly_spaced
from medgen.data.scorable import scorable
from medgen.report.plot_style import ABNORMAL, INK, STYLE, new_figure, plot_text, to_png, to_svg
from medgen.report.run_report_data import ExtraFigure
from medgen.runs.datasets import open_second
from medgen.runs.run import Run
from medgen.runs.score_table import ScoreTable

CLASSIFIED = 10_000  # test frames of a domain in a matrix
SHOWN, ACROSS, SIDE = 24, 8, 72  # frames in a panel, in a row of it, and their side in pixels
NUMBERED = 12  # classes up to which the cells of a matrix are numbered


class Named(NamedTuple):
    """Test frames of one domain: their rows, true names (N,), and the names that each classifier gives them."""

    domain: str
    data: Prepared
    rows: NDArray[np.int64]
    truth: NDArray[np.str_]
    predicted: Mapping[str, NDArray[np.str_]]


def classified_figures(run: Run, model: Classifies, scored: ScoreTable) -> Iterator[ExtraFigure]:
    """Yield the matrices of confusion of each classifier in each domain, and a panel of each domain."""
    domains = [_named(run, model, "own domain", scored.data, scored.rows)]
    if (second := open_second(run.settings, scored.data)) is not None:
        domains.append(_named(run, model, "second domain", second, second.rows("test")))
    domains = [domain for domain in domains if len(domain.rows)]
    if domains:
        yield ExtraFigure(
            "confusion",
            "Which class is taken for which",
            "Matrices of confusion of each classifier in each domain",
            "Each row is a true class and each column a predicted one; cells are shares of the row, of test frames whose finding "
            "is one of the classes. The share of all frames that are named rightly stands above.",
            confusion_chart(domains, model.classes),
        )
    for number, domain in enumerate(domains):
        best = next(iter(domain.predicted))
        yield ExtraFigure(
            f"named-{number}",
            f"Frames of the {domain.domain} and their names",
            f"Test frames of the {domain.domain} with their true and predicted classes",
            f"Under each frame its true class and what the classifier “{best}” says; red where the two differ.",
            _panel(domain, best),
        )


def _named(run: Run, model: Classifies, domain: str, data: Prepared, rows: NDArray[np.int64]) -> Named:
    known = rows[data.index["finding"].iloc[rows].isin(model.classes).to_numpy()]
    known = scorable(data, known, run.settings.data.overlay)  # the others count in no measure
    known = known[evenly_spaced(len(known), CLASSIFIED)] if len(known) else known
    names = np.array(model.classes)
    found: dict[str, list[NDArray[np.str_]]] = {}
    for batch in FixedBatches(data, known, run.settings.data):
        for classifier, probabilities in model.classify(batch).items():
            found.setdefault(classifier, []).append(names[probabilities.argmax(1).numpy()])
    predicted = {classifier: np.concatenate(parts) for classifier, parts in found.items()}
    return Named(domain, data, known, data.index["finding"].iloc[known].to_numpy(dtype=str), predicted)


def confusion(truth: Sequence[str] | NDArray, predicted: Sequence[str] | NDArray, classes: Sequence[str]) -> NDArray[np.int64]:
    """Return how many frames of each true class (rows) are given each name (columns), (K, K)."""
    table = pd.crosstab(np.asarray(truth), np.asarray(predicted))
    return table.reindex(index=[*classes], columns=[*classes], fill_value=0).to_numpy(dtype=np.int64)


def confusion_chart(domains: Sequence[Named], classes: Sequence[str]) -> bytes:
    """Draw the matrix of each classifier in each domain as SVG."""
    import matplotlib

    panes = [(domain, name) for domain in domains for name in domain.predicted]
    with matplotlib.rc_context({**STYLE, "axes.grid": False}):
        figure, all_axes = new_figure(len(panes), (3.4, 3.4), columns=max(len(domain.predicted) for domain in domains))
        for axes, (domain, name) in zip(all_axes, panes, strict=True):
            counts = confusion(domain.truth, domain.predicted[name], classes)
            shares = counts / counts.sum(1, keepdims=True).clip(1)
            axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
            for (row, column), share in np.ndenumerate(shares) if len(classes) <= NUMBERED else ():
                if share >= 0.005:
                    axes.text(column, row, f"{100 * share:.0f}", ha="center", va="center", size=6,
                              color="white" if share > 0.5 else INK)  # fmt: skip
            right = np.trace(counts) / max(counts.sum(), 1)
            axes.set(title=f"{domain.domain}, {name}: {right:.1%} of {counts.sum()}", xlabel="predicted", ylabel="true")
            ticks, names = np.arange(len(classes)), [plot_text(label, 12) for label in classes]
            axes.set_xticks(ticks, names, rotation=90 if max(map(len, names)) > 2 else 0)
            axes.set_yticks(ticks, names)
        return to_svg(figure)


def _panel(domain: Named, classifier: str) -> bytes:
    """Return test frames with their true and predicted names below them, as PNG."""
    places = evenly_spaced(len(domain.rows), SHOWN)
    captions = [(domain.truth[place], domain.predicted[classifier][place]) for place in places]
    return captioned(domain.data.frames[domain.rows[places]], captions)


def captioned(frames: NDArray[np.uint8], captions: Sequence[tuple[str, str]]) -> bytes:
    """Lay frames (N, S, S, C) out with two lines below each, what is true and what is said; return a PNG."""
    gap, line = 6, 14
    across = min(ACROSS, len(frames))
    cell, height = SIDE + gap, SIDE + 2 * line + gap
    canvas = Image.new("RGB", (across * cell + gap, -(-len(frames) // across) * height + gap), "white")
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(11)
    for place, (frame, (truth, said)) in enumerate(zip(frames, captions, strict=True)):
        left, top = gap + place % across * cell, gap + place // across * height
        picture = Image.fromarray(frame.repeat(3, axis=2) if frame.shape[2] == 1 else frame)
        canvas.paste(picture.resize((SIDE, SIDE), Image.Resampling.NEAREST if picture.width < SIDE else Image.Resampling.BOX),
                     (left, top))  # fmt: skip
        draw.text((left, top + SIDE + 1), plot_text(f"true {truth}", 13), fill=INK, font=font)
        draw.text((left, top + SIDE + line), plot_text(f"said {said}", 13), fill=INK if said == truth else ABNORMAL, font=font)
    return to_png(canvas)
