"""Figures of what a backend decodes from its latent space."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medgen.data.prepared import evenly_spaced
from medgen.report.figures import image_grid
from medgen.report.latent import TRAVERSED, latent_plane, traversals
from medgen.report.run_report_data import ExtraFigure
from medgen.runs.to_image import to_pixels

SIDE = 10  # frames along each side of a latent plane
N_LATENTS = 10  # that a traversal changes, a row each
N_PAIRS, N_STEPS = 5, 8  # interpolations, and frames decoded on the way of each

Decode = Callable[[Tensor], Tensor]
Latents = NDArray[np.float32]


def decoded(decode: Decode, latents: Latents) -> Iterator[ExtraFigure]:
    """Draw the plane of two latents, or how a frame changes along each of its latents that carry most."""
    if latents.shape[1] == 2:
        yield ExtraFigure(
            "latent-plane",
            "The latent plane",
            "Frames decoded from a grid over the two latents",
            "Frames decoded from a grid over the two latents, from the 5 % to the 95 % quantile of the prior.",
            _square(decode, latent_plane(SIDE)),
        )
        yield ExtraFigure(
            "latent-plane-data",
            "The latent plane over the range of the data",
            "Frames decoded from a grid over the range of the latents of the test frames",
            "Frames decoded from a grid over the two latents, from the least to the largest that a test frame has. Where no "
            "frame lies, nothing has taught the decoder what to draw.",
            _square(decode, latent_plane(SIDE, latents)),
        )
        return
    centre = np.median(latents, axis=0)
    start = latents[np.square(latents - centre).sum(axis=1).argmin()]
    most = np.argsort(-latents.var(axis=0), kind="stable")[:N_LATENTS]
    steps = len(TRAVERSED)
    chosen = traversals(start).reshape(latents.shape[1], steps, -1)[most].reshape(-1, latents.shape[1])
    drawn = to_pixels(decode(torch.from_numpy(chosen)))
    yield ExtraFigure(
        "traversals",
        "Latent traversals",
        "Frames decoded while one latent at a time is changed",
        "Each row changes one latent of the test frame nearest to the median from -3 to 3 and keeps the others; the latents "
        "whose means vary most between frames come first.",
        image_grid([list(drawn[row : row + steps]) for row in range(0, len(drawn), steps)], side=64),
    )


def _square(decode: Decode, plane: Latents) -> bytes:
    drawn = to_pixels(decode(torch.from_numpy(plane)))
    return image_grid([list(drawn[start : start + SIDE]) for start in range(0, SIDE**2, SIDE)], side=64)


def between(decode: Decode, latents: Latents, originals: NDArray[np.uint8]) -> Iterator[ExtraFigure]:
    """Draw what lies on the straight line between the latents (N, Z) of two frames (N, S, S, C) each."""
    pairs = [(k, k + len(latents) // 2) for k in evenly_spaced(len(latents) // 2, N_PAIRS)]
    way = np.linspace(0, 1, N_STEPS, dtype=np.float32)[:, None]
    rows = []
    for first, last in pairs:
        drawn = to_pixels(decode(torch.from_numpy((1 - way) * latents[first] + way * latents[last])))
        rows.append([originals[first], *drawn, originals[last]])
    yield ExtraFigure(
        "interpolations",
        "Interpolations",
        "Frames decoded on the way from one test frame to another",
        "Each row goes in a straight line through the latent space from the test frame on its left to the one on its right; both "
        "ends are the frames themselves, next to them their reconstructions. Frames on the way should look like frames.",
        image_grid(rows, side=64),
    )
