"""The KL controller: Algorithm 1 by hand, its limits, its climb and its state."""

from __future__ import annotations

from math import log
from pathlib import Path

import pytest
import torch

from medgen.engine import checkpoint
from medgen.errors import ConfigError
from medgen.nn.controller import Controller, ControllerSettings, PIController

STEADY = ControllerSettings(start=100.0)  # the set point is the target from the first step on


def after(errors: list[float], settings: ControllerSettings = STEADY, target: float = 10.0) -> PIController:
    """Return the controller after steps with the given errors."""
    controller = PIController(settings, target)
    for error in errors:
        controller = controller.advance(controller.set_point - error)
    return controller


def test_steps_equal_those_computed_by_hand() -> None:
    # e = 0:      P = 0.01 / (1 + 1)     = 0.005;   I = 0 - 0.001 * 0 = 0;                   beta = 0.005
    # e = -ln 3:  P = 0.01 / (1 + 1 / 3) = 0.0075;  I = 0 + 0.001 * 1.0986 = 0.0010986;      beta = 0.0085986
    # e = -20:    P = 0.01 / (1 + 2e-9)  = 0.01;    I = 0.0010986 + 0.02 = 0.0210986;        beta = 0.0310986
    # e = ln 3:   P = 0.01 / (1 + 3)     = 0.0025;  I = 0.0210986 - 0.0010986 = 0.02;        beta = 0.0225
    errors = [0.0, -log(3), -20.0, log(3)]
    betas = [after(errors[:count]).beta for count in (1, 2, 3, 4)]
    assert betas == pytest.approx([0.005, 0.0085986, 0.0310986, 0.0225], abs=1e-7)


def test_beta_min_is_added_once() -> None:
    # e = -ln 3: P + I + beta_min = 0.0075 + 0.0010986 + 0.5
    settings = ControllerSettings(start=100.0, beta_min=0.5)
    assert after([-log(3)], settings).beta == pytest.approx(0.5085986, abs=1e-7)


@pytest.mark.parametrize("beta_min", [0.0, 0.5])
def test_before_the_first_step_beta_is_its_least(beta_min: float) -> None:
    assert PIController(ControllerSettings(beta_min=beta_min), 8.0).beta == beta_min


def test_beta_is_clipped_above() -> None:
    assert after([-2000.0]).beta == 1.0  # I = 2


def test_beta_is_clipped_below() -> None:
    settings = ControllerSettings(start=100.0, beta_min=0.25)
    assert after([50.0], settings, target=60.0).beta == 0.25  # I = -0.05


@pytest.mark.parametrize("error", [-1e6, 1e6])
def test_huge_errors_do_not_overflow(error: float) -> None:
    # P tends to kp = 0.01 for a KL far too high and to 0 for one far too low; I = -0.001 e
    assert after([error]).output == pytest.approx((0.01 if error < 0 else 0.0) - 0.001 * error)


def test_above_the_range_the_integral_is_held_while_the_kl_is_too_high() -> None:
    # first I = 1.2, output 1.21 > 1; then e = -5 would drive it further out
    assert after([-1200.0, -5.0, -5.0]).integral == pytest.approx(1.2)


def test_above_the_range_the_integral_falls_while_the_kl_is_too_low() -> None:
    # first I = 1.2, output 1.21 > 1; then e = 5 brings it back: 1.2 - 2 * 0.005 = 1.19
    assert after([-1200.0, 5.0, 5.0]).integral == pytest.approx(1.19)


def test_below_the_range_the_integral_is_held_while_the_kl_is_too_low() -> None:
    # first I = -0.02 and P = 2e-11, output < 0; then e = 20 would drive it further out
    assert after([20.0, 20.0, 20.0], target=30.0).integral == pytest.approx(-0.02)


def test_below_the_range_the_integral_rises_while_the_kl_is_too_high() -> None:
    # first I = -0.02, output < 0; then e = -5 brings it back: -0.02 + 0.005 = -0.015
    assert after([20.0, -5.0], target=30.0).integral == pytest.approx(-0.015)


def test_a_first_error_above_kp_over_ki_does_not_hold_beta_at_its_least_for_ever() -> None:
    # kp / ki = 10; first I = -0.02, and P <= 0.01 alone can never lift the output above 0.
    # Then e = -10: I = -0.01 and P = 0.01 / (1 + exp(-10)) < 0.01, still below 0; then I = 0; then I = 0.01, beta = 0.02 - 4.5e-7
    betas = [after([20.0] + [-10.0] * count, target=30.0).beta for count in (0, 1, 3)]
    assert betas[:2] == [0.0, 0.0] and betas[2] == pytest.approx(0.02, abs=1e-6)


@pytest.mark.parametrize(("steps", "expected"), [(0, 0.5), (4999, 0.5), (5000, 0.65), (9999, 0.65), (10_000, 0.8), (20_000, 1.0)])
def test_the_set_point_climbs_by_steps_and_stops_at_the_target(steps: int, expected: float) -> None:
    # 0.5 + 0.15 * (steps // 5000), at most 1
    assert PIController(ControllerSettings(), 1.0, steps=torch.tensor(steps)).set_point == pytest.approx(expected)


def test_a_start_above_the_target_is_cut_to_it() -> None:
    assert PIController(ControllerSettings(start=9.0), 8.0).set_point == 8.0


def test_it_holds_a_plant_at_its_target() -> None:
    """A plant that forgets a tenth of its KL a step and strives for 1 / (beta + 0.02) nats: 14 nats take beta = 1 / 14 - 0.02."""
    controller, kl = PIController(STEADY, 14.0), 0.0
    for _ in range(3000):
        controller = controller.advance(kl)
        kl += 0.1 * (1 / (controller.beta + 0.02) - kl)
    assert kl == pytest.approx(14, rel=1e-3) and controller.beta == pytest.approx(1 / 14 - 0.02, rel=1e-2)


def test_the_module_takes_the_same_steps() -> None:
    module, expected = Controller(STEADY, 10.0), after([-3.0, 2.0])
    assert [module.step(13.0), module.step(8.0)] == [after([-3.0]).beta, expected.beta]
    assert module.now == expected and module.beta == expected.beta


def test_the_module_climbs_with_its_own_steps() -> None:
    module = Controller(ControllerSettings(every=2, step=1.0, start=1.0), 9.0)
    seen = [(module.set_point, module.step(0.0))[0] for _ in range(5)]
    assert seen == [1.0, 1.0, 2.0, 2.0, 3.0]


def test_state_survives_a_checkpoint(tmp_path: Path) -> None:
    module, other = Controller(STEADY, 10.0), Controller(STEADY, 10.0)
    module.step(1 / 3)
    checkpoint.save(tmp_path / "w.safetensors", module.state_dict(), {})
    checkpoint.load_weights(other, tmp_path / "w.safetensors")
    assert other.now == module.now and module.now.steps == 1


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_casts_leave_the_state_as_it_is(dtype: torch.dtype) -> None:
    module = Controller(STEADY, 10.0)
    module.step(1 / 3)
    before = module.now
    torch.nn.Sequential(torch.nn.Linear(1, 1), module).to(dtype)
    assert module.now == before
    assert module.step(2.0) == before.advance(2.0).beta
    assert module.state_dict()["integral"].dtype == torch.float64


def test_the_state_moves_with_the_module() -> None:
    module = torch.nn.Sequential(Controller(STEADY, 10.0)).to("meta")
    assert {value.device.type for value in module.state_dict().values()} == {"meta"}


def test_limits_the_wrong_way_round_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"'beta_max' is 0\.1.*at least beta_min, 0\.5"):
        ControllerSettings.parse({"beta_min": 0.5, "beta_max": 0.1})
