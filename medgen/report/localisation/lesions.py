"""Finding by finding: how many a map marks at how many false marks per frame, and how large those are that it finds."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medgen.metrics.decisions import binomial
from medgen.metrics.froc import RATES, Marks, draw_sensitivities, sensitivities
from medgen.metrics.intervals import Floats, Interval, percentiles
from medgen.report.evaluate import LEVEL
from medgen.report.localisation.local_metrics import LesionMetrics, LesionSize
from medgen.report.run_metrics import interval_values

DRAWS = 1000
SIZES = (0.0, 5.0, 10.0, 20.0)  # mm, lower ends of the classes; polyps up to 5 mm are called diminutive, from 10 mm on large


def measure_lesions(
    marks: Marks,
    frames: int,
    units: ArrayLike,
    level: float,
    diameters: Floats | None = None,
    n_bootstrap: int = DRAWS,
    seed: int = 0,
) -> LesionMetrics:
    """Return the numbers of findings that a map marks; {} where there is no finding.

    Parameters
    ----------
    marks : of the frames
    frames : how many there are, N
    units : (N,) the statistical unit of each
    level : at which maps were cut
    diameters : (L,) of the findings in mm, NaN where the spacing is not known; None where it is of none
    """
    if not marks.lesion.size:
        return {}
    rates = [*RATES, np.inf]
    values = sensitivities(marks, np.ones((1, frames)), rates)[0]
    draws = draw_sensitivities(marks, units, rates, n_bootstrap, seed)
    intervals = [
        interval_values(Interval(float(value), *percentiles(draws[:, place], LEVEL))) for place, value in enumerate(values)
    ]
    return {
        "lesions": int(marks.lesion.size),
        "frames": frames,
        "level": level,
        "froc": [{"false_marks": rate, "sensitivity": interval} for rate, interval in zip(RATES, intervals, strict=False)],
        "all_marks": {"false_marks": marks.false.size / frames, "sensitivity": intervals[-1]},
        "sizes": [] if diameters is None else _by_size(marks.lesion > -np.inf, diameters),
    }


def _by_size(found: NDArray[np.bool_], diameters: Floats) -> list[LesionSize]:
    """Return how many of each size are found by any mark."""
    rows: list[LesionSize] = []
    for low, high in zip(SIZES, [*SIZES[1:], np.inf], strict=True):
        inside = (diameters >= low) & (diameters < high)
        if not inside.any():
            continue
        name = f"{low:g} to {high:g} mm" if np.isfinite(high) else f"{low:g} mm and more"
        share = interval_values(binomial(int(found[inside].sum()), int(inside.sum()), LEVEL))
        rows.append({"size": name, "found": int(found[inside].sum()), "of": int(inside.sum()), "share": share})
    return rows
