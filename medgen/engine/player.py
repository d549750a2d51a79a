"""One player's optimizer and learning rate."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from lightning.fabric import Fabric
from torch import Tensor, nn
from torch.optim.lr_scheduler import LinearLR, ReduceLROnPlateau

from medgen.backends._base import Optimizer, Player

MAKE: Mapping[str, Callable[[list[nn.Parameter], Optimizer], torch.optim.Optimizer]] = {
    "adam": lambda weights, of: torch.optim.Adam(weights, of.lr, of.betas, weight_decay=of.weight_decay),
    "rmsprop": lambda weights, of: torch.optim.RMSprop(weights, of.lr, weight_decay=of.weight_decay),
    "sgd": lambda weights, of: torch.optim.SGD(weights, of.lr, weight_decay=of.weight_decay),
}


class Hand:
    """Moves the weights of one player and nobody else's."""

    def __init__(self, player: Player) -> None:
        settings = player.optimizer
        self.weights = player.parameters()
        self.optimizer = MAKE[settings.name](self.weights, settings)
        self.schedules: dict[str, LinearLR | ReduceLROnPlateau] = {}
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

    @property
    def lr(self) -> float:
        return float(self.optimizer.param_groups[0]["lr"])

    def move(self, fabric: Fabric, loss: Tensor, clip: float) -> None:
        """Take one step down `loss`; the gradients of other players stay as they are."""
        self.optimizer.zero_grad(set_to_none=True)
        fabric.backward(loss, inputs=self.weights)
        if clip:
            torch.nn.utils.clip_grad_norm_(self.weights, clip)
        self.optimizer.step()
        if "warmup" in self.schedules:
            self.schedules["warmup"].step()  # type: ignore[call-arg]

    def see(self, loss: float) -> None:
        """Hear the validation loss of an epoch."""
        if "plateau" in self.schedules:
            self.schedules["plateau"].step(loss)  # type: ignore[arg-type]

    def state(self) -> dict[str, Any]:
        """Return everything that `load_state` needs."""
        optimizer = self.optimizer.state_dict()
        return {
            "moments": optimizer["state"],
            "groups": optimizer["param_groups"],
            "schedules": {name: _plain(schedule.state_dict()) for name, schedule in self.schedules.items()},
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Undo `state`."""
        self.optimizer.load_state_dict({"state": state["moments"], "param_groups": state["groups"]})
        for name, schedule in self.schedules.items():
            schedule.load_state_dict(dict(state["schedules"][name]))


def _plain(state: Mapping[str, Any]) -> dict[str, Any]:
    """Drop what is rebuilt from settings and cannot be written as JSON."""
    return {name: value for name, value in state.items() if isinstance(value, int | float | str | bool | list | type(None))}
