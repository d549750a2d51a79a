"""Figures of a latent space: where frames lie in it, how its KL was controlled, and how often the codes of a codebook are used.

Latents, curves or counts come in, SVG goes out, for the page of a run. `latent_plane` and `traversals` return the latents that a
backend is to decode for figures of frames.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import cycle

import matplotlib
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from medgen.errors import MedgenError
from medgen.report.plot_style import GREEN, INK, NORMAL, STYLE, UNKNOWN, log_axis, new_figure, plot_text, to_svg

Floats = NDArray[np.float32]
DRAWN = 4000  # points of a scatter; more would make a page heavy
BINS = 600  # points of a curve over training
MAX_KL = 3  # a KL chart ends at so many times the highest set point, so that the approach to it can be seen
TRAVERSED = tuple(np.linspace(-3, 3, 9).tolist())
# ten colours that stay apart under the three kinds of colour blindness, each with a mark of its own; apart from the ink they are
# not the theme's, whose dark variants would be harder to tell apart
LOOKS = (
    ("#0173b2", "o"),
    ("#d45e00", "^"),
    ("#029e73", "s"),
    ("#cc79a7", "D"),
    (INK, "+"),
    ("#e69f00", "v"),
    ("#56b4e9", "x"),
    ("#882255", "*"),
    ("#999933", "<"),
    ("#117733", ">"),
)


def latent_scatter(latents: ArrayLike, names: Sequence[str]) -> bytes:
    """Draw where frames lie in a latent space, coloured and marked by class, as SVG.

    Parameters
    ----------
    latents : (N, Z), Z at least 2; rows that are not finite are left out. The axes are the latents themselves for Z = 2, else the
        first two principal components of the points drawn
    names : (N,) class of each frame. The ten largest classes have a colour and mark of their own, the rest are grey. The legend
        counts all frames; of more than `DRAWN` frames a fixed random choice is drawn

    Raises
    ------
    MedgenError : if the shapes do not fit.
    """
    points, labels = np.asarray(latents, dtype=np.float64), np.asarray(names, dtype=object)
    if points.ndim != 2 or points.shape[1] < 2 or labels.shape != points.shape[:1]:
        raise MedgenError(f"latent_scatter got latents {points.shape} and names {labels.shape}; expected (N, Z), Z > 1, and (N,)")
    finite = np.isfinite(points).all(axis=1)
    points, labels = points[finite], labels[finite]
    count = Counter(labels.tolist())
    rows = np.sort(np.random.default_rng(0).permutation(len(points))[:DRAWN])
    flat, axis_names = _project(points[rows])  # (M, 2)
    with matplotlib.rc_context(STYLE):
        figure, (axes,) = new_figure(1, (6.2, 4.4))
        for key, chosen, colour, mark in _classes(count):
            inside = np.isin(labels[rows], chosen)
            total = sum(count[name] for name in chosen)
            edge, layer = (0.8 if mark in "+x" else 0), (1.9 if mark == "." else 2)
            (line,) = axes.plot(*flat[inside].T, mark, color=colour, markersize=3.2, label=f"{key} ({total})")
            line.set(markeredgewidth=edge, zorder=layer)
        title = f"{len(rows)} of {len(points)} frames drawn" if len(rows) < len(points) else ""
        axes.set(xlabel=axis_names[0], ylabel=axis_names[1], title=title)
        if count:
            figure.legend(loc="outside right upper", markerscale=2)
        return to_svg(figure)


def _classes(count: Counter[str]) -> list[tuple[str, list[str], str, str]]:
    """Return key, names, colour and mark of each class to draw, in the order of the legend."""
    first = sorted(name for name, _ in sorted(count.items(), key=lambda item: (-item[1], item[0]))[: len(LOOKS)])
    rest = [name for name in count if name not in first]
    other = [(f"other: {len(rest)} classes", rest, UNKNOWN, ".")] if rest else []
    return [(plot_text(name) or "unknown", [name], *look) for name, look in zip(first, LOOKS, strict=False)] + other


def _project(points: NDArray[np.float64]) -> tuple[NDArray[np.float64], list[str]]:
    """Return (M, Z) points in two dimensions (M, 2), and the names of the two axes."""
    if points.shape[1] == 2 or len(points) < 2:
        return points[:, :2], ["latent 1", "latent 2"]
    _, singular_values, axes = np.linalg.svd(points - points.mean(axis=0), full_matrices=False)
    axes *= np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)])[:, None]  # the sign of a component is arbitrary
    share = 100 * singular_values**2 / max((singular_values**2).sum(), 1e-300)
    return points @ axes[:2].T, [f"principal component {k + 1} ({share[k]:.0f} % of the variance)" for k in (0, 1)]


def latent_plane(side: int, latents: ArrayLike | None = None) -> Floats:
    """Return a grid of latents that covers a plane, row by row as the frames are to be laid out.

    Parameters
    ----------
    side : points along each axis
    latents : (N, 2), whose range is covered at even steps; None covers an N(0, I) prior

    Returns
    -------
    (side * side, 2): of the prior the normal quantiles from 5 to 95 % (Kingma and Welling 2013, figure 4). The first latent rises
    to the right and the second one upwards, so the first row has the highest second latent.
    """
    if latents is None:
        across = upwards = ndtri(np.linspace(0.05, 0.95, side))
    else:
        points = np.asarray(latents, dtype=np.float64)
        across, upwards = np.linspace(points.min(axis=0), points.max(axis=0), side).T
    right, up = np.meshgrid(across, upwards[::-1])
    return np.stack([right.ravel(), up.ravel()], axis=1).astype(np.float32)


def class_ranges(latents: ArrayLike, names: Sequence[str], most: int = 10) -> list[list[str]]:
    """Return the range of each class in each latent as a table.

    Parameters
    ----------
    latents : (N, Z)
    names : (N,) class of each frame
    most : latents in the table, the first ones

    Returns
    -------
    Rows of cells: headings, then one row a class by name, with its frames and the least and largest value in each latent.
    """
    points, labels = np.asarray(latents, dtype=np.float64)[:, :most], np.asarray(names, dtype=str)
    rows = [["class", "frames", *(f"latent {k + 1}" for k in range(points.shape[1]))]]
    for name in np.unique(labels):
        mine = points[labels == name]
        bounds = [f"{low:.3g} to {high:.3g}" for low, high in zip(mine.min(axis=0), mine.max(axis=0), strict=True)]
        rows.append([str(name) or "unknown", str(len(mine)), *bounds])
    return rows


def traversals(latent: ArrayLike, values: ArrayLike = TRAVERSED) -> Floats:
    """Return latents that each differ from one frame's in one dimension.

    Parameters
    ----------
    latent : (Z,) the mean embedding of a frame
    values : (V,) what each dimension is set to in turn; -3 to 3 standard deviations of an N(0, I) prior

    Returns
    -------
    (Z * V, Z): V latents for the first dimension, then V for the second, and so on.
    """
    centre, steps = np.asarray(latent, dtype=np.float32), np.asarray(values, dtype=np.float32)
    rows = np.tile(centre, (centre.size, steps.size, 1))  # (Z, V, Z)
    rows[np.arange(centre.size), :, np.arange(centre.size)] = steps
    return rows.reshape(-1, centre.size)


def control_chart(steps: ArrayLike, kl: ArrayLike, set_points: ArrayLike, beta: ArrayLike) -> bytes:
    """Draw the KL and its set point over the training, and the weight of the KL term below, as SVG.

    Parameters
    ----------
    steps : (N,) training steps, rising
    kl : (N,) nats; samples whose KL is not finite are left out
    set_points : (N,) nats, the KL that the controller aims at
    beta : (N,) weight of the KL term

    Where there are more than `BINS` samples the lines are means of neighbours and a band spans their least and largest KL. The
    axis of the KL ends at `MAX_KL` times the highest set point; its title then says how far the KL went.
    """
    columns = np.stack([np.asarray(part, dtype=np.float64) for part in (steps, kl, set_points, beta)])  # (4, N)
    columns = columns[:, np.isfinite(columns[1])]
    starts = np.unique(np.linspace(0, columns.shape[1], min(BINS, columns.shape[1]), endpoint=False).astype(int))
    step, mean, set_point, weight = _binned(np.add, columns, starts) / np.diff(starts, append=columns.shape[1])  # (4, bins)
    low, high = (_binned(reduce, columns[1:2], starts)[0] for reduce in (np.minimum, np.maximum))
    with matplotlib.rc_context(STYLE):
        figure, (above, below) = new_figure(2, (6.2, 2.1), columns=1)
        above.sharex(below)
        above.tick_params(labelbottom=False)
        if len(starts) < columns.shape[1]:
            above.fill_between(step, low, high, color=NORMAL, alpha=0.22, linewidth=0, label="least to largest")
        above.plot(step, mean, color=NORMAL, linewidth=1.3, label="KL")
        above.plot(step, set_point, color=INK, linewidth=1.2, linestyle="--", drawstyle="steps-post", label="set point")
        if len(starts) and high.max() > (top := MAX_KL * set_point.max()) > 0:
            above.set(ylim=(0, top), title=f"the KL went up to {high.max():.4g} nats, above this chart")
        above.set(ylabel="KL, nats")
        above.legend()
        below.plot(step, weight, color=GREEN, linewidth=1.3)
        below.set(xlabel="training step", ylabel="weight of the KL term")
        return to_svg(figure)


def code_chart(counts: Mapping[str, NDArray[np.int64]]) -> bytes:
    """Draw the share of each code by its rank, for each codebook, as SVG.

    Parameters
    ----------
    counts : name of a codebook -> (K,) how often each of its codes is used
    """
    shares = {name: np.sort(count[count > 0])[::-1] / max(count.sum(), 1) for name, count in counts.items()}
    plotted = np.concatenate([*shares.values(), np.empty(0)])
    with matplotlib.rc_context(STYLE):
        figure, (axes,) = new_figure(1, (6.2, 3.2))
        for (name, share), (colour, _), line in zip(shares.items(), LOOKS, cycle(("-", "--", ":"))):
            perplexity = float(np.exp(-(share * np.log(share)).sum()))
            label = f"{plot_text(name)}: {len(share)} of {len(counts[name])} used, perplexity {perplexity:.1f}"
            axes.plot(np.arange(1, len(share) + 1), share, color=colour, linestyle=line, linewidth=1.5, label=label)
        axes.set(xlabel="rank of the code", ylabel="share of all codes")
        log_axis(axes, "x", max(map(len, shares.values()), default=0))
        log_axis(axes, "y", plotted.max() / plotted.min() if len(plotted) else 0)
        figure.legend(loc="outside upper left")
        return to_svg(figure)


def _binned(reduce: np.ufunc, columns: NDArray[np.float64], starts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Reduce (K, N) to (K, bins); a bin goes from its start to the start of the next one."""
    return reduce.reduceat(columns, starts, axis=1) if len(starts) else columns
