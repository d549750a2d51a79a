"""What the threshold of a run promises, and what that rests on, in words: for pages and for the command."""

from __future__ import annotations

from medgen.errors import number_of
from medgen.metrics.cross_conformal import most_false_alarms
from medgen.report.run_metrics import Threshold

NAMES = {"cv+": "CV+", "jackknife+": "jackknife+"}
MOVED = "jackknife"  # method of a recalibrated run whose scores moved: of it no bound holds for any frames


def bound(threshold: Threshold) -> float:
    """Return the highest chance, 0 to 1, with which a normal frame like those of the threshold is flagged."""
    rate = threshold["false_alarm_rate"]
    if not threshold.get("method"):
        return rate
    counted = threshold["groups"] if threshold["by_group"] else threshold["normals"]
    return most_false_alarms(rate, counted, threshold["folds"])


def promised(threshold: Threshold) -> str:
    """Return the promised rate: "at most 5 %", "about 5 %, at most 10 %" where that is the bound, "about 5 %" without any."""
    rate = f"{100 * threshold['false_alarm_rate']:.3g} %"
    if threshold.get("method") == MOVED:
        return f"about {rate}"
    return f"about {rate}, at most {100 * bound(threshold):.3g} %" if threshold.get("method") else f"at most {rate}"


def guarantee(threshold: Threshold) -> str:
    """Return by which method the threshold was set, what it promises and on how many frames and groups that rests, a sentence."""
    normals, groups = threshold.get("normals"), threshold.get("groups")
    of_groups = f" of {number_of(groups, 'group', 'groups')}" if normals and groups and groups < normals else ""
    method, once = threshold.get("method"), ", each group counts once" if threshold.get("by_group") else ""
    if not method:
        frames = f"the {normals} normal validation frames{of_groups}" if normals else "the normal validation frames"
        how = f"{'hierarchical' if once else 'split'} conformal prediction{once}"
    elif method == MOVED:
        frames = f"the {normals} normal frames{of_groups} (each scored by what the others made of the run)"
        how = f"{MOVED}{once}, of which no bound holds for any frames"
    else:
        frames = f"the {normals} normal frames{of_groups} (fitted to, each scored without its fold)"
        how = f"{NAMES[method]} of {threshold['folds']} folds{once}"
    return (
        f"Of normal frames like {frames} that it rests on, {promised(threshold)} are flagged ({how}, in the mean over such sets)."
    )
