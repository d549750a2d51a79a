"""What recalibrating a run changed, on one self-contained page: threshold, false alarms and scores before and after."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from medgen.errors import number_of
from medgen.files import json_values, write_json, write_text
from medgen.metrics.decisions import false_alarms
from medgen.report.figures import score_histogram
from medgen.report.markup import asset, environment, inline
from medgen.report.run_metrics import IntervalValues

FACTS = "recalibration.json"


class Side(TypedDict):
    """Before or after: the threshold, its rate and bound in words, and the share of the frames that is flagged ({} without)."""

    threshold: float | None
    false_alarm_rate: float
    promised: str
    flagged: int | None
    share: IntervalValues


class RecalibrationMetrics(TypedDict):
    """The numbers of the page.

    `run` and `weights` name the run that was recalibrated and the digest of its weights, `source` the frames. `shares` say how
    much of what was moved comes from them, 0 to 1, "model" and components by their names. `exact` says that the threshold's
    promise holds for any frames, since nothing that scores are computed from was moved.
    """

    run: str
    weights: str
    source: str
    normals: int
    groups: int
    by_group: bool
    lowest_rate: float
    shares: Mapping[str, float]
    exact: bool
    before: Side
    after: Side


def side(threshold: float | None, rate: float, flagged: NDArray[np.bool_] | None, promised: str) -> Side:
    """Return what is known before or after; `flagged` (N,) are the decisions on the frames, None without a threshold."""
    if threshold is None or flagged is None:
        return {"threshold": None, "false_alarm_rate": rate, "promised": promised, "flagged": None, "share": {}}
    found = false_alarms(flagged, rate)
    share: IntervalValues = {"value": found.value, "low": found.low, "high": found.high}
    return {"threshold": threshold, "false_alarm_rate": rate, "promised": promised, "flagged": int(flagged.sum()), "share": share}


def promise(metrics: RecalibrationMetrics) -> list[str]:
    """Return what the new threshold promises, what that rests on and what was moved, a sentence each."""
    rate, grouped = metrics["after"]["false_alarm_rate"], metrics["groups"] < metrics["normals"]
    frames = f"{metrics['normals']} normal frames" + (f" of {number_of(metrics['groups'], 'group', 'groups')}" if grouped else "")
    whom = "a normal frame of a new group (patient, video)" if grouped else "another normal frame of this place"
    if metrics["exact"]:
        kind = "hierarchical conformal prediction, each group counts once" if grouped else "split conformal prediction"
        first = f"{whom[0].upper()}{whom[1:]} is flagged with a probability of at most {100 * rate:g} % ({kind})"
    else:
        first = (
            f"The threshold is the conformal one of leave-one-out scores (the jackknife): {whom} is flagged with a probability "
            f"of about {100 * rate:g} % where one {'group' if grouped else 'frame'} moves the scores of others little. There is "
            "no bound that holds for any frames; the jackknife+ of the same scores is bound by twice the rate (Barber et al. "
            "2021, https://doi.org/10.1214/20-AOS1965)"
        )
    lowest = f"{100 * metrics['lowest_rate']:.2f} %"
    rests = f"It rests on {frames}, in the mean over such sets; the lowest rate that so many reach is {lowest}."
    moved = {name: share for name, share in metrics["shares"].items() if share}
    parts = ", ".join(f"{100 * share:.0f} % of the {name.replace('_', ' ')}" for name, share in moved.items())
    return [f"{first}.", rests, f"Moved towards these frames: {parts} comes from them." if moved else "Only the threshold moved."]


def write_recalibration(
    metrics: RecalibrationMetrics, before: NDArray[np.float64], after: NDArray[np.float64], out: Path
) -> Path:
    """Write ``recalibration.html`` and ``recalibration.json`` into the folder of the new run; return the page's path.

    Parameters
    ----------
    before, after : (N,) scores of the frames by the run as it was and, each left out, by the new one

    Raises
    ------
    MedgenError : if `out` cannot be written.
    """
    charts = {
        name: inline(score_histogram(scores, ["normal"] * len(scores), metrics[name]["threshold"]), f"{name}-")  # type: ignore[literal-required]
        for name, scores in (("before", before), ("after", after))
    }
    values = json_values(dict(metrics))
    page = environment().get_template("recalibration.html")
    write_text(
        out / "recalibration.html", page.render(m=values, promise=promise(metrics), charts=charts, style=asset("page.css"))
    )
    write_json(out / FACTS, {**values, "promise": promise(metrics)})
    return out / "recalibration.html"
