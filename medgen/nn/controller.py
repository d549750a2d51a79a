"""The controller that holds a VAE's KL divergence at a set point by moving the weight of the KL term.

Source: Shao et al., "ControlVAE: Controllable Variational Autoencoder", ICML 2020, https://proceedings.mlr.press/v119/shao20b.html.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import torch
from pydantic import Field, ValidationInfo, field_validator
from torch import Tensor, nn

from medgen.config import Settings

EXP_MAX = 700.0  # exp of much more is no float


class ControllerSettings(Settings):
    """How the weight follows the KL, and how the set point climbs to its target; the defaults are the paper's for dSprites."""

    kp: float = Field(0.01, ge=0)
    ki: float = Field(0.001, ge=0)  # per nat of error and optimizer step
    beta_min: float = Field(0.0, ge=0)
    beta_max: float = Field(1.0, gt=0)
    start: float = Field(0.5, ge=0)  # the first set point in nats; one above the target is cut to it
    step: float = Field(0.15, gt=0)  # nats by which the set point rises
    every: int = Field(5000, ge=1)  # optimizer steps between two rises

    @field_validator("beta_max")
    @classmethod
    def _above_beta_min(cls, value: float, info: ValidationInfo) -> float:
        if value < info.data.get("beta_min", 0.0):
            raise ValueError(f"expected at least beta_min, {info.data['beta_min']}")
        return value


@dataclass(frozen=True, slots=True)
class PIController:
    """Algorithm 1 of the paper, one step at a time: a value that never changes, and `advance` to the next one.

    The error is e = set point - KL. The weight is beta = P + I + beta_min, clipped to [beta_min, beta_max], where
    P = kp / (1 + exp(e)) and I falls by ki * e at each step.

    Anti-windup: the integral is held exactly while the output before clipping lay outside the range and the error would drive it
    further out. The paper holds it while beta(t - 1) is outside. After clipping beta never is, so nothing would ever be held;
    before clipping it can stay outside for good, since P alone is too small to bring it back: a first error above kp / ki would
    leave beta at beta_min. Held outwards and free inwards, the integral agrees with each reading in one direction.

    Attributes
    ----------
    target : where the set point ends, nats
    integral : I after the last step, () float64
    output : P + I of the last step, without beta_min and before clipping, () float64
    steps : optimizer steps done, () int64

    All three are scalar tensors so that a step on a GPU waits for none of them.
    """

    settings: ControllerSettings
    target: float
    integral: Tensor = field(default_factory=lambda: torch.zeros((), dtype=torch.float64))
    output: Tensor = field(default_factory=lambda: torch.zeros((), dtype=torch.float64))
    steps: Tensor = field(default_factory=lambda: torch.zeros((), dtype=torch.int64))

    @property
    def set_point(self) -> Tensor:
        """What the next step steers to, nats: () float64."""
        rises = (self.steps // self.settings.every).double()
        return (self.settings.start + self.settings.step * rises).clamp_max(self.target)

    @property
    def beta(self) -> Tensor:
        """The weight of the KL term after the last step, () float64; beta_min before the first one."""
        return (self.output.clamp_min(0) + self.settings.beta_min).clamp_max(self.settings.beta_max)

    def advance(self, kl: Tensor | float) -> PIController:
        """Return the controller after a step whose KL was `kl` nats."""
        error = self.set_point - kl
        low, high = self.output < 0, self.output + self.settings.beta_min > self.settings.beta_max
        stays = (low & (error > 0)) | (high & (error < 0))
        integral = torch.where(stays, self.integral, self.integral - self.settings.ki * error)
        proportional = torch.full_like(error, self.settings.kp) / (1 + error.clamp_max(EXP_MAX).exp())
        return replace(self, integral=integral, output=proportional + integral, steps=self.steps + 1)


class Controller(nn.Module):
    """A `PIController` whose state is in the checkpoint.

    Parameters
    ----------
    settings : gains, limits and climb
    target : the KL to hold, nats

    Attributes
    ----------
    integral : I after the last step, () float64, whatever precision the module is cast to: steps of ki * e are far smaller
        than what a short float resolves
    output : P + I of the last step, without beta_min and before clipping, () float64
    steps : optimizer steps done, () int64
    """

    integral: Tensor
    output: Tensor
    steps: Tensor

    def __init__(self, settings: ControllerSettings, target: float) -> None:
        super().__init__()
        self.settings = settings
        self.target = target
        self.register_buffer("integral", torch.zeros((), dtype=torch.float64))
        self.register_buffer("output", torch.zeros((), dtype=torch.float64))
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    @property
    def now(self) -> PIController:
        """The controller as a value."""
        return PIController(self.settings, self.target, self.integral, self.output, self.steps)

    @property
    def beta(self) -> Tensor:
        """The weight of the KL term after the last step, () float64; beta_min before the first one."""
        return self.now.beta

    @property
    def set_point(self) -> Tensor:
        """The KL that the next step steers to, nats: () float64."""
        return self.now.set_point

    def step(self, kl: Tensor | float) -> Tensor:
        """Take the KL of a training step, averaged over its frames, in nats, and return the weight for that step's KL term."""
        after = self.now.advance(kl)
        self.integral, self.output, self.steps = after.integral, after.output, after.steps
        return after.beta

    def _apply(self, fn, recurse=True):  # type: ignore[no-untyped-def]
        """Move the state as `fn` says but never cast it."""
        states = {name: value.clone() for name, value in self.named_buffers(recurse=False)}
        super()._apply(fn, recurse)
        for name, value in states.items():
            setattr(self, name, value.to(getattr(self, name).device))
        return self
