"""Step responses against control theory."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.signal import step

from medgen.errors import MedgenError
from medgen.metrics.control import running_mean, step_response

N = 10_000


def second_order(zeta: float, seconds: float = 30.0) -> NDArray[np.float64]:
    """Return the unit step response of 1 / (s^2 + 2 zeta s + 1)."""
    _, response = step(([1.0], [1.0, 2 * zeta, 1.0]), T=np.linspace(0, seconds, N))
    return response


@pytest.mark.parametrize("zeta", [0.2, 0.4, 0.6])
def test_overshoot_of_a_second_order_system_is_its_closed_form(zeta: float) -> None:
    measured = step_response(14 * second_order(zeta), np.full(N, 14.0))
    assert measured["overshoot"] == pytest.approx(np.exp(-np.pi * zeta / np.sqrt(1 - zeta**2)), rel=0.01)


def test_a_critically_damped_system_has_no_overshoot() -> None:
    assert step_response(second_order(1.0), np.ones(N))["overshoot"] == 0


@pytest.mark.parametrize("tolerance", [0.02, 0.05])
def test_settling_of_a_first_order_system_takes_the_logarithm_of_the_tolerance(tolerance: float) -> None:
    _, response = step(([1.0], [1.0, 1.0]), T=np.linspace(0, 30, N))
    settled = step_response(response, np.ones(N), tolerance)["settling_step"]
    assert settled == pytest.approx(-np.log(tolerance) * N / 30, rel=0.01)


def test_settling_of_a_critically_damped_system_takes_5_83_time_constants() -> None:
    # (1 + t) exp(-t) = 0.02 at t = 5.834
    assert step_response(second_order(1.0), np.ones(N))["settling_step"] == pytest.approx(5.834 * N / 30, rel=0.01)


def test_a_signal_that_leaves_the_band_again_settles_after_that() -> None:
    values = np.full(50, 8.0)
    values[[0, 1, 30]] = 7.0
    assert step_response(values, np.full(50, 8.0))["settling_step"] == 31


def test_a_signal_in_the_band_all_along_is_settled_from_the_start() -> None:
    assert step_response([8.1, 7.9, 8.0], [8.0, 8.0, 8.0])["settling_step"] == 0


def test_a_signal_outside_the_band_at_the_end_has_not_settled() -> None:
    assert step_response([8.0, 8.0, 9.0], [8.0, 8.0, 8.0])["settling_step"] is None


def test_steady_state_error_is_over_the_last_tenth() -> None:
    values = np.r_[np.full(90, 100.0), np.full(10, 7.6)]
    measured = step_response(values, np.full(100, 8.0))
    assert measured["steady_state_error"] == pytest.approx(-0.4) and measured["relative_error"] == pytest.approx(-0.05)


def test_overshoot_counts_from_the_final_set_point_on_and_the_peak_at_any_time() -> None:
    measured = step_response([2.0, 40.0, 5.0, 8.0, 10.0, 8.0], [4.0, 4.0, 4.0, 8.0, 8.0, 8.0])
    assert (measured["final_from"], measured["overshoot"], measured["peak"]) == (3, 0.25, 40.0)


def test_noise_around_the_set_point_does_not_unsettle_a_long_signal() -> None:
    values = 8 * (second_order(1.0) + np.random.default_rng(0).normal(0, 0.05, N))
    assert step_response(values, np.full(N, 8.0))["settling_step"] == pytest.approx(5.834 * N / 30, rel=0.1)


def test_the_running_mean_is_numpys_inside_and_over_what_there_is_at_the_ends() -> None:
    values = np.random.default_rng(0).random(300)
    np.testing.assert_allclose(running_mean(values)[1:-1], np.convolve(values, np.full(3, 1 / 3), "valid"))
    assert running_mean(values)[[0, -1]] == pytest.approx([values[:2].mean(), values[-2:].mean()])


@pytest.mark.parametrize(
    ("values", "set_points"),
    [([], []), ([1.0], [1.0, 1.0]), ([[1.0]], [[1.0]]), ([np.nan], [1.0]), ([1.0], [0.0]), ([1.0], [np.inf])],
)
def test_what_cannot_be_measured_is_refused(values: list[float], set_points: list[float]) -> None:
    with pytest.raises(MedgenError, match=r"step_response got .* expected"):
        step_response(values, set_points)
