"""How well a controlled signal follows its set point.

The measures are those of a step response in K. Ogata, Modern Control Engineering, 5th edition 2010, section 5-3, with the final
set point instead of the final value.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from medgen.errors import MedgenError

SMOOTHING = 0.01  # length of the running mean, as a share of the samples
TAIL = 0.1  # share of the samples over which the steady state is measured


def running_mean(values: ArrayLike) -> NDArray[np.float64]:
    """Return the centred running mean over `SMOOTHING` of the samples, at least one; at the ends over those there are.

    (N,) to (N,). A loss that is measured on one batch at a time is too noisy to be judged sample by sample.
    """
    series = pd.Series(np.asarray(values, dtype=np.float64))
    return series.rolling(max(1, round(SMOOTHING * len(series))), center=True, min_periods=1).mean().to_numpy()


def step_response(values: ArrayLike, set_points: ArrayLike, tolerance: float = 0.02) -> dict[str, float | int | None]:
    """Measure steady-state error, overshoot and settling time of a signal against its final set point.

    Parameters
    ----------
    values : (N,) the signal, at training steps equally far apart
    set_points : (N,) what it should have been; the last one, above 0, is the final set point
    tolerance : half the width of the band in which the signal counts as settled, as a share of the final set point

    Returns
    -------
    steady_state_error : mean of the last tenth of the samples minus the final set point, in the signal's unit
    relative_error : the same as a share of the final set point
    overshoot : how far the highest running mean exceeds the final set point, as a share of it; 0 if it does not. Only samples
        from `final_from` on count: what went before answered other set points
    peak : the highest running mean at any time, in the signal's unit
    settling_step : first sample from which the running mean stays within the band to the end; None if it does not
    final_from : first sample from which the set point is the final one; settling_step less this is the settling time

    Raises
    ------
    MedgenError : if there are no samples, lengths differ, a number is not finite or the final set point is not above 0.
    """
    signal, wanted = np.asarray(values, dtype=np.float64), np.asarray(set_points, dtype=np.float64)
    if signal.ndim != 1 or signal.shape != wanted.shape or not signal.size:
        raise MedgenError(f"step_response got values {signal.shape} and set points {wanted.shape}; expected (N,) of both, N > 0")
    if not (np.isfinite(signal).all() and np.isfinite(wanted).all()) or wanted[-1] <= 0:
        raise MedgenError(
            f"step_response got a final set point of {wanted[-1]:g}; expected finite values and set points, the last one above 0"
        )
    final, smooth = float(wanted[-1]), running_mean(signal)
    error = float(signal[-max(1, round(TAIL * signal.size)) :].mean()) - final
    final_from = _after_last(wanted != final)
    settled = _after_last(np.abs(smooth - final) > tolerance * final)
    return {
        "steady_state_error": error,
        "relative_error": error / final,
        "overshoot": max(0.0, float(smooth[final_from:].max()) / final - 1),
        "peak": float(smooth.max()),
        "settling_step": settled if settled < signal.size else None,
        "final_from": final_from,
    }


def _after_last(outside: NDArray[np.bool_]) -> int:
    """Return the index after the last True, 0 if there is none."""
    return int(np.flatnonzero(outside)[-1]) + 1 if outside.any() else 0
