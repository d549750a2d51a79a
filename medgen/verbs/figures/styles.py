"""Figures of a generator that draws a frame from styles: what they mix to, what noise adds, what truncation takes away."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medgen.contract.capabilities import Styles
from medgen.nn.adversarial.path_length import perceptual_path_length
from medgen.nn.features.extractors import EFFICIENTNET, available, load_extractor
from medgen.report.figures import image_grid
from medgen.report.run_metrics import PathLength
from medgen.report.run_report_data import ExtraFigure
from medgen.runs.to_image import to_pixels

N_SOURCES, N_DESTINATIONS = 2, 6  # frames whose styles are copied at each scale, and frames that get them
SCALES = ("coarse", "middle", "fine")
N_DRAWS = 32  # of the noise for one style
PSIS = (1.0, 0.7, 0.5, 0.0, -0.5, -1.0)
N_PATHS = 128  # pairs of styles that the path length is the mean of
AT_ONCE = 16
EPSILON = 1e-2  # of the way: float32 frames do not show the paper's 1e-4

Rows = list[list[NDArray[np.uint8] | None]]


def style_figures(model: Styles) -> Iterator[ExtraFigure]:
    """Yield the figures of Karras et al. 2019 (figures 3, 4 and 8) of a model on the CPU."""
    yield ExtraFigure(
        "style-mixing",
        "Style mixing",
        "Grid of frames that take some of their styles from another frame",
        "The top row gives all styles but those of some scales; these come from the frames on the left: two rows each with "
        "coarse, middle and fine styles. Coarse ones should change shape, fine ones colour.",
        image_grid(_mixed(model), side=64),
    )
    yield ExtraFigure(
        "noise",
        "What noise adds",
        "One frame, the mean and the standard deviation of frames that differ in noise alone",
        f"Each column is one style: a frame, the mean of {N_DRAWS} draws of the noise, and their standard deviation, five times "
        "as bright as it is.",
        image_grid(_noise(model), side=64),
    )
    yield ExtraFigure(
        "truncation",
        "Truncation",
        "Frames whose styles are moved towards the mean style and beyond it",
        f"Each row is one style at {', '.join(f'{psi:g}' for psi in PSIS)} of its distance from the mean style.",
        image_grid(_truncated(model), side=64),
    )


def path_length(model: Styles) -> PathLength:
    """Return the mean perceptual path length in w and what measured it; {} where no extractor is installed.

    Squared distances of features, over the features' mean squared length, stand in for the paper's perceptual distance: compare
    values of the same extractor only.
    """
    if EFFICIENTNET not in available():
        return {}
    net = load_extractor(EFFICIENTNET)

    def distance(before: Tensor, after: Tensor) -> Tensor:
        first, second = net(before), net(after)
        return (first - second).square().sum(1) / first.square().sum(1)

    distances = [
        perceptual_path_length(model.draw_styles, model.styles(AT_ONCE), model.styles(AT_ONCE), distance, EPSILON)
        for _ in range(N_PATHS // AT_ONCE)
    ]
    return {"value": float(torch.cat(distances).mean()), "extractor": EFFICIENTNET, "pairs": N_PATHS, "epsilon": EPSILON}


def _mixed(model: Styles) -> Rows:
    top, left = model.styles(N_DESTINATIONS), model.styles(N_SOURCES * len(SCALES))
    drawn = to_pixels(model.draw_styles(top))
    rows: Rows = [[None, *drawn]]
    borders = np.linspace(0, model.layers, len(SCALES) + 1).round().astype(int)
    for k, source in enumerate(left):
        scale = k // N_SOURCES
        mixed = top[:, None].repeat(1, model.layers, 1)  # (n, L, Z)
        mixed[:, borders[scale] : borders[scale + 1]] = source
        rows.append([to_pixels(model.draw_styles(source[None]))[0], *to_pixels(model.draw_styles(mixed))])
    return rows


def _noise(model: Styles) -> Rows:
    columns = []
    for style in model.styles(N_DESTINATIONS):
        draws = model.draw_styles(style[None].expand(N_DRAWS, -1), "random")  # (n, C, S, S)
        deviation = 5 * draws.std(0).mean(0, keepdim=True).expand(draws.shape[1], -1, -1)  # (C, S, S)
        columns.append(to_pixels(torch.stack([draws[0], draws.mean(0), deviation])))
    return [[column[row] for column in columns] for row in range(3)]


def _truncated(model: Styles) -> Rows:
    styles = model.styles(N_DESTINATIONS)
    columns = [to_pixels(model.draw_styles(model.truncate(styles, psi))) for psi in PSIS]
    return [[column[row] for column in columns] for row in range(N_DESTINATIONS)]
