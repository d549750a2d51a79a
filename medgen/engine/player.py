"""One player's optimizer and learning rate."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from lightning.fabric import Fabric
from torch import Tensor, nn
from torch.optim.lr_scheduler import LinearLR, ReduceLROnPlateau, StepLR

from medgen.contract.backend import Optimizer, Player

MAKE: Mapping[str, Callable[[list[nn.Parameter], Optimizer], torch.optim.Optimizer]] = {
    "adam": lambda weights, of: torch.optim.Adam(
        weights,
        of.lr,
        of.betas,
        weight_decay=of.weight_decay,
        fused=True,  # one pass: ten times as fast on a CPU
    ),
    "rmsprop": lambda weights, of: torch.optim.RMSprop(weights, of.lr, weight_decay=of.weight_decay),
    "sgd": lambda weights, of: torch.optim.SGD(weights, of.lr, weight_decay=of.weight_decay),
}


class PlayerOptimizer:
    """Moves the weights of one player and nobody else's."""

    def __init__(self, player: Player) -> None:
        self.settings = settings = player.optimizer
        self.weights = player.parameters()
        self.optimizer = MAKE[settings.name](self.weights, settings)
        self.schedules: dict[str, LinearLR | ReduceLROnPlateau | StepLR] = {}
        if settings.plateau_epochs:
            self.schedules["plateau"] = ReduceLROnPlateau(
                self.optimizer,
                factor=settings.plateau_factor,
                patience=settings.plateau_epochs - 1,  # PyTorch counts the epochs it lets pass
                threshold=0.0,
                min_lr=settings.min_lr,
            )
        if settings.warmup_steps:
            self.schedules["warmup"] = LinearLR(self.optimizer, 1 / settings.warmup_steps, total_iters=settings.warmup_steps)
        if settings.decay_every:
            self.schedules["decay"] = StepLR(self.optimizer, settings.decay_every, settings.decay_factor)
        self.followed = _floats(player) if settings.ema else []
        self.average = [value.detach().clone() for value in self.followed]
        self.steps = 0  # that the average has followed

    @property
    def lr(self) -> float:
        return float(self.optimizer.param_groups[0]["lr"])

    def move(self, fabric: Fabric, loss: Tensor, clip: float, done: float = 0.0) -> None:
        """Take one step down `loss`, with `done` of the stage behind it; the gradients of other players stay as they are."""
        if self.settings.decay_from < 1:  # set anew each time: a lengthened run may come back to an earlier share
            left = min(1.0, (1 - done) / (1 - self.settings.decay_from))
            for group in self.optimizer.param_groups:
                group["lr"] = max(self.settings.min_lr, left * self.settings.lr)
        self.optimizer.zero_grad(set_to_none=True)
        fabric.backward(loss, inputs=self.weights)
        if clip:
            torch.nn.utils.clip_grad_norm_(self.weights, clip)
        self.optimizer.step()
        self._follow()
        for name in self.schedules.keys() & {"warmup", "decay"}:
            self.schedules[name].step()  # type: ignore[call-arg]

    @torch.no_grad()
    def _follow(self) -> None:
        """Let the moving average follow; at first it forgets faster, or it would keep the weights of the start."""
        if self.average:
            self.steps += 1
            decay = min(self.settings.ema, self.steps / (self.steps + 10))
            torch._foreach_lerp_(self.average, [value.detach() for value in self.followed], 1 - decay)

    @torch.no_grad()
    def swap(self) -> None:
        """Exchange the weights and their moving average, where there is one."""
        for kept, value in zip(self.average, self.followed, strict=True):
            held = value.detach().clone()
            value.copy_(kept)
            kept.copy_(held)

    @torch.no_grad()
    def average_anew(self) -> None:
        """Begin the moving average again, at the weights as they are."""
        self.steps = 0
        for kept, value in zip(self.average, self.followed, strict=True):
            kept.copy_(value)

    def note_validation(self, loss: float) -> None:
        """Hear the validation loss of an epoch."""
        if "plateau" in self.schedules:
            self.schedules["plateau"].step(loss)  # type: ignore[arg-type]

    def state(self) -> dict[str, Any]:
        """Return everything that `load_state` needs."""
        optimizer = self.optimizer.state_dict()
        return {
            "moments": optimizer["state"],
            "groups": optimizer["param_groups"],
            "average": dict(enumerate(self.average)),
            "steps": self.steps,
            "schedules": {name: _json_scalars(schedule.state_dict()) for name, schedule in self.schedules.items()},
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Undo `state`."""
        moments = {
            place: {
                name: value if value.ndim == 0 else torch.empty_like(self.weights[place]).copy_(value)
                for name, value in of.items()
            }
            for place, of in state["moments"].items()
        }  # in memory as the weights are, which the fused optimizer takes for granted
        self.optimizer.load_state_dict({"state": moments, "param_groups": state["groups"]})
        self.steps = state["steps"]
        for place, kept in enumerate(self.average):
            kept.copy_(state["average"][place])
        for name, schedule in self.schedules.items():
            schedule.load_state_dict(dict(state["schedules"][name]))


def _floats(player: Player) -> list[Tensor]:
    """Return the weights of a player and the statistics beside them (of batch norm): what an average can be taken of."""
    tensors = [value for module in player.weights for value in (*module.parameters(), *module.buffers())]
    return [value for value in tensors if value.is_floating_point()]


def _json_scalars(state: Mapping[str, Any]) -> dict[str, Any]:
    """Drop what is rebuilt from settings and cannot be written as JSON."""
    return {name: value for name, value in state.items() if isinstance(value, int | float | str | bool | list | type(None))}
