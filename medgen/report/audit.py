"""The shortcut audit: how well trivial traits tell normal frames from abnormal ones, and what is left of a model without them.

It reads the labels of test frames, and nothing it finds goes anywhere but into a report.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from medgen.data.shortcut_features import TRAITS
from medgen.metrics.detection import Floats, Interval, auroc, bootstrap
from medgen.report.evaluate import LEVEL
from medgen.report.plot_style import ABNORMAL, INK, MUTED, NORMAL, STYLE, new_figure, to_svg
from medgen.types import LABELS

WARN = 0.65  # a trait with a larger AUROC gets a warning, and models are looked at without it
EASY = 0.95  # a trait that reaches this AUROC makes the task too easy to say anything about a model
FEW = 3  # traits that models are looked at without, where none gets a warning
BINS = 4  # strata of a trait with more values than that
TAIL = 0.05  # of each class that may lie on either side of the common support
BASELINE = "distance from the mean normal frame"


def measure_shortcuts(
    frames: pd.DataFrame,
    traits: pd.DataFrame,
    baseline: ArrayLike,
    scores: Mapping[str, ArrayLike],
    pairs: pd.DataFrame,
    n_bootstrap: int = 2000,
) -> dict[str, Any]:
    """Return everything that the audit says, as plain values.

    Parameters
    ----------
    frames : one row per test frame: id, path, label ("normal", "abnormal" or ""), group ("": a group of its own)
    traits : their traits row by row, columns of `TRAITS`; NaN where a frame has none
    baseline : (N,) distance from the mean of the normal training frames, NaN where unknown; no trait, but a probe for "too easy"
    scores : name of a model -> (N,) raw scores
    pairs : near-duplicates across splits: kind, path, split, other, other_split
    n_bootstrap : of the bootstrap over groups

    Returns
    -------
    "reason" (why nothing could be measured, or ""), "frames", "traits" (as `separation`, biggest first), "baseline", "warnings"
    (a sentence for each trait over `WARN`), "too_easy" (one for each that reaches `EASY`), "models" (as `examine`), "duplicates".
    """
    counts = {label: int((frames["label"] == label).sum()) for label in LABELS}
    boot = {"draws": n_bootstrap, "level": LEVEL, "by": "group"}
    found: dict[str, Any] = {"reason": "", "frames": counts, "duplicates": pairs.to_dict("records"), "bootstrap": boot}
    names = [str(name) for name in traits]
    if not all(counts.values()):
        lacking = " and no ".join(label for label, count in counts.items() if not count)
        reason = f"there are no {lacking} frames among them, so it cannot be measured how well traits tell them apart"
        found |= {"baseline": {}, "warnings": [], "too_easy": [], "models": {}}
        return found | {"reason": reason, "traits": [{"trait": name, "title": TRAITS[name]} for name in names]}
    kept = frames["label"].isin(LABELS).to_numpy()
    frames, traits = frames[kept].reset_index(drop=True), traits[kept].reset_index(drop=True)
    labels = frames["label"].map(LABELS.index).to_numpy(dtype=int)
    groups = frames["group"].mask(frames["group"] == "", "frame " + frames["id"]).to_numpy(dtype=str)
    leaked = frames["path"].isin({*pairs["path"], *pairs["other"]}).to_numpy()
    measured = [{"trait": name, "title": TRAITS[name]} | separation(labels, traits[name], groups, n_bootstrap) for name in names]
    measured.sort(key=lambda entry: -(entry["auroc"]["value"] or 0))
    probe = {"title": BASELINE} | separation(labels, np.asarray(baseline, dtype=float)[kept], groups, n_bootstrap)
    strong = [entry["trait"] for entry in measured if (entry["auroc"]["value"] or 0) > WARN]
    chosen = traits[strong or [entry["trait"] for entry in measured[:FEW]]]
    models = {
        name: examine(labels, np.asarray(score, dtype=float)[kept], groups, chosen, leaked, n_bootstrap)
        for name, score in scores.items()
    }
    easy = [entry for entry in (*measured, probe) if (entry["auroc"]["value"] or 0) >= EASY]
    return found | {
        "traits": measured,
        "baseline": probe,
        "warnings": [_warn(entry) for entry in measured if entry["trait"] in strong],
        "too_easy": [_too_easy(entry) for entry in easy],
        "models": models,
    }


def separation(labels: NDArray[np.int_], values: ArrayLike, groups: NDArray, n_bootstrap: int = 2000) -> dict[str, Any]:
    """Return how well one trait alone tells the classes apart, whichever class has more of it.

    The AUROC is direction-free, the larger of AUROC and 1 - AUROC, so never below 0.5. Its interval is that of the direction so
    chosen: where it reaches below 0.5, the trait may as well tell nothing.

    Parameters
    ----------
    labels : (N,) 0 normal, 1 abnormal
    values : (N,); frames without the trait (NaN) are left out
    groups : (N,)

    Returns
    -------
    "auroc" (value, low, high; None where a class has no frame with the trait), "more" (the class with larger values; "" for
    neither), "normal" and "abnormal" (frames that it rests on)
    """
    numbers = np.asarray(values, dtype=float)
    known = ~np.isnan(numbers)
    labels, numbers, groups = labels[known], numbers[known], groups[known]
    value = float(auroc(labels, numbers))
    sign = -1 if value < 0.5 else 1
    interval = bootstrap(auroc, labels, sign * numbers, groups, n_bootstrap, LEVEL)
    return {
        "auroc": _interval_values(interval),
        "more": "" if np.isnan(value) or value == 0.5 else LABELS[int(value > 0.5)],
        **{label: int((labels == code).sum()) for code, label in enumerate(LABELS)},
    }


def examine(
    labels: NDArray[np.int_],
    scores: Floats,
    groups: NDArray,
    traits: pd.DataFrame,
    leaked: NDArray[np.bool_],
    n_bootstrap: int = 2000,
) -> dict[str, Any]:
    """Return a model's AUROC on all frames, and on comparisons that a trait cannot decide.

    Parameters
    ----------
    labels, scores, groups : (N,)
    traits : the traits to look at, N rows
    leaked : (N,) bool, frames that have a near-duplicate in another split

    Returns
    -------
    "auroc" on all frames; "without_duplicates", the same on frames that are not leaked, {} where all are; "strata", for each
    trait: "auroc" within its strata (`stratified_auroc`), "pairs" (the share of all pairs of a normal and an abnormal frame that
    are compared there) and "matched" (AUROC on the frames `alike` in it, {} where these lack a class)
    """

    def measure(rows: NDArray[np.bool_]) -> dict[str, Any]:
        interval = bootstrap(auroc, labels[rows], scores[rows], groups[rows], n_bootstrap, LEVEL)
        counts = {label: int((labels[rows] == code).sum()) for code, label in enumerate(LABELS)}
        return {"auroc": _interval_values(interval), **counts}

    subgroups = []
    for name in map(str, traits):
        values = traits[name].to_numpy(dtype=float)
        matched, places = alike(labels, values), bins(values)
        area = _interval_values(_within(labels, scores, places, groups, n_bootstrap))
        entry = {"trait": name, "title": TRAITS[name], "auroc": area, "pairs": _comparable(labels, places)}
        subgroups.append(entry | {"matched": {"where": matched[1], **measure(matched[0])} if matched else {}})
    return {
        "auroc": measure(np.ones(len(labels), dtype=bool))["auroc"],
        "without_duplicates": measure(~leaked) if leaked.any() else {},
        "strata": subgroups,
    }


def stratified_auroc(
    labels: ArrayLike, scores: ArrayLike, subgroups: ArrayLike, weights: ArrayLike | None = None
) -> float | Floats:
    """Return the AUROC of comparisons within strata: the mean over strata, each weighted by its pairs of normal and abnormal.

    That is the share of such pairs in which the abnormal frame scores higher, ties counting half: van Elteren's rank sum (1960)
    on the scale of an AUROC. A score that sees nothing but the stratum is at 0.5.

    Parameters
    ----------
    labels, scores : (N,), as in `medgen.metrics.detection.roc`
    subgroups : (N,), equal for frames that may be compared
    weights : (N,) or (D, N); 1 each if not given

    Returns
    -------
    In [0, 1]; () or (D,); NaN where no stratum holds both classes.
    """
    truth, values, places = np.asarray(labels), np.asarray(scores, dtype=float), np.asarray(subgroups)
    weight = np.ones(truth.shape) if weights is None else np.asarray(weights, dtype=float)
    right, pairs = np.zeros(weight.shape[:-1]), np.zeros(weight.shape[:-1])
    for stratum in np.unique(places):
        rows = places == stratum
        normal, abnormal = (weight[..., rows & (truth == code)].sum(axis=-1) for code in (0, 1))
        area = np.nan_to_num(auroc(truth[rows], values[rows], weight[..., rows]))
        right, pairs = right + area * normal * abnormal, pairs + normal * abnormal
    return np.divide(right, pairs, out=np.full(np.shape(pairs), np.nan), where=pairs > 0)[()]


def bins(values: Floats) -> NDArray[np.int64]:
    """Return the stratum of each frame: of a trait with few values one for each, else one for each quarter of all frames.

    Frames without the trait (NaN) are a stratum of their own, -1. Equal values share a stratum.
    """
    known = values[~np.isnan(values)]
    distinct = np.unique(known)
    edges = distinct[1:] if len(distinct) <= BINS else np.unique(np.quantile(known, np.arange(1, BINS) / BINS))
    return np.where(np.isnan(values), -1, np.searchsorted(edges, values, side="right"))


def alike(labels: NDArray[np.int_], values: Floats) -> tuple[NDArray[np.bool_], str] | None:
    """Return the frames in which a trait is alike in both classes, and in words which; None where these do not hold both.

    Of a trait with few values: the frames with the one that allows most pairs of a normal and an abnormal frame. Of any other,
    those in common support: between the larger of the classes' 5th percentiles and the smaller of their 95th.
    """
    normal, abnormal = (values[(labels == code) & ~np.isnan(values)] for code in (0, 1))
    if not normal.size or not abnormal.size:
        return None
    distinct = np.unique(values[~np.isnan(values)])
    if len(distinct) <= BINS:
        value = max(distinct, key=lambda value: (normal == value).sum() * (abnormal == value).sum())
        binary = len(distinct) == 2 and {*distinct} == {0, 1}
        rows, where = values == value, ("with it" if value else "without it") if binary else f"at {_short(value)}"
    else:
        low = max(np.quantile(part, TAIL) for part in (normal, abnormal))
        high = min(np.quantile(part, 1 - TAIL) for part in (normal, abnormal))
        rows, where = (values >= low) & (values <= high), f"from {_short(low)} to {_short(high)}"
    return (rows, where) if len(set(labels[rows])) == 2 else None


def headlines(found: Mapping[str, Any]) -> list[str]:
    """Return what of an audit belongs on top of a report: every "too easy", and how many traits got a warning."""
    lines = list(found.get("too_easy", ()))
    if count := len(found.get("warnings", ())):
        first = found["traits"][0]
        what = "1 trivial trait alone tells" if count == 1 else f"{count} trivial traits, each alone, tell"
        lines.append(
            f"{what} normal from abnormal test frames with an AUROC over {WARN}, most of all the {first['title']} "
            f"({first['auroc']['value']:.2f}); the shortcut audit below lists them and what is left of the model without them."
        )
    return lines


def trait_chart(entries: Sequence[Mapping[str, Any]]) -> bytes:
    """Draw the AUROC of each trait as a bar from 0.5 on, with its interval, biggest first; SVG.

    `entries` are as `separation` gives them, each with a "title"; those without an AUROC are left out.
    """
    drawn = [entry for entry in entries if entry["auroc"]["value"] is not None][::-1]
    value = np.array([entry["auroc"]["value"] for entry in drawn])
    with matplotlib.rc_context(STYLE):
        figure, (axes,) = new_figure(1, (3.9, 0.8 + 0.2 * len(drawn)))
        axes.barh(np.arange(len(drawn)), value - 0.5, left=0.5, height=0.62, alpha=0.55,
                  color=[ABNORMAL if area > WARN else NORMAL for area in value])  # fmt: skip
        for place, entry in enumerate(drawn):
            low, high = entry["auroc"]["low"], entry["auroc"]["high"]
            if low is not None and high is not None:
                axes.plot([low, high], [place, place], color=INK, linewidth=1.2)
        axes.axvline(WARN, color=MUTED, linestyle="--", linewidth=1)
        axes.axvline(EASY, color=MUTED, linestyle=":", linewidth=1)
        axes.set_yticks(np.arange(len(drawn)), [entry["title"] for entry in drawn])
        axes.grid(axis="y", visible=False)
        axes.set(xlim=(0.4, 1), ylim=(-0.6, len(drawn) - 0.4), xlabel="AUROC of the trait alone")
        return to_svg(figure)


def _within(
    labels: NDArray[np.int_], values: Floats, subgroups: NDArray[np.int64], groups: NDArray, n_bootstrap: int
) -> Interval:
    """Return the stratified AUROC with its interval. The bootstrap sorts frames by score, so it gets their places as scores."""

    def statistic(labels: ArrayLike, scores: ArrayLike, *, weights: ArrayLike | None = None) -> float | Floats:
        places = np.asarray(scores).astype(int)
        return stratified_auroc(labels, values[places], subgroups[places], weights)

    return bootstrap(statistic, labels, np.arange(len(labels)), groups, n_bootstrap, LEVEL)


def _comparable(labels: NDArray[np.int_], subgroups: NDArray[np.int64]) -> float:
    """Return the share of all pairs of a normal and an abnormal frame that lie in one stratum."""
    _, places = np.unique(subgroups, return_inverse=True)
    normal, abnormal = (np.bincount(places[labels == code], minlength=places.max() + 1) for code in (0, 1))
    return float((normal * abnormal).sum() / (normal.sum() * abnormal.sum()))


def _warn(entry: Mapping[str, Any]) -> str:
    area = entry["auroc"]
    sure = "" if area["low"] is None else f" ({area['low']:.2f} to {area['high']:.2f})"
    return (
        f"The {entry['title']} alone tells normal from abnormal test frames with an AUROC of {area['value']:.2f}{sure}; "
        f"{entry['more']} frames have more of it."
    )


def _too_easy(entry: Mapping[str, Any]) -> str:
    return (
        f"Too easy: the {entry['title']} alone reaches an AUROC of {entry['auroc']['value']:.2f} on these test frames, so that a "
        "high AUROC here says little about a model."
    )


def _short(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _interval_values(interval: Interval) -> dict[str, float | None]:
    return {name: float(value) if np.isfinite(value) else None for name, value in interval._asdict().items()}
