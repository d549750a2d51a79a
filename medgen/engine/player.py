"""The optimizer of one player, with its learning rate over time and the moving average of its weights."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LinearLR, ReduceLROnPlateau, StepLR

from medgen.contract.backend import Optimizer, Player
from medgen.engine.compiled import refuse_double_backward
from medgen.errors import ConfigError
from medgen.ranks import ALONE, Ranks

if TYPE_CHECKING:
    from lightning_fabric import Fabric

OPTIMIZERS: Mapping[str, Callable[[list[nn.Parameter], Optimizer], torch.optim.Optimizer]] = {
    "adam": lambda weights, settings: torch.optim.Adam(
        weights,
        settings.lr,
        settings.betas,
        weight_decay=settings.weight_decay,
        fused=True,  # one pass: ten times as fast on a CPU
    ),
    "rmsprop": lambda weights, settings: torch.optim.RMSprop(weights, settings.lr, weight_decay=settings.weight_decay),
    "sgd": lambda weights, settings: torch.optim.SGD(weights, settings.lr, weight_decay=settings.weight_decay),
}


class PlayerOptimizer:
    """Moves the weights of one player and no others.

    Parameters
    ----------
    player : weights, and the settings of their optimizer
    """

    def __init__(self, player: Player) -> None:
        self.settings = settings = player.optimizer
        self.weights = player.parameters()
        self.optimizer = OPTIMIZERS[settings.name](self.weights, settings)
        self.plateau: ReduceLROnPlateau | None = None  # moves with each epoch
        self.schedules: dict[str, LinearLR | StepLR] = {}  # move with each step
        if settings.plateau_epochs:
            self.plateau = ReduceLROnPlateau(
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
        self.averaged = _floats(player) if settings.ema else []  # what the moving average is of
        self.average = [value.detach().clone() for value in self.averaged]
        self.steps = 0  # that the average has taken

    @property
    def lr(self) -> float:
        """The present learning rate."""
        return float(self.optimizer.param_groups[0]["lr"])

    def move(
        self, fabric: Fabric, loss: Tensor, clip: float, done: float = 0.0, slower: float = 1.0, ranks: Ranks = ALONE
    ) -> None:
        """Take one optimizer step; the gradients of other players stay as they are.

        Parameters
        ----------
        fabric : runs backward
        loss : scalar to lower
        clip : largest norm of the gradient; 0 for any
        done : share of the stage that is done, 0 to 1
        slower : what the learning rate is multiplied with in this step; no schedule and no state sees that
        ranks : over which the gradient is averaged

        Raises
        ------
        RunError : if the loss holds the gradient of a net that `torch.compile` has compiled.
        """
        if self.settings.decay_from < 1:  # set in each step: a lengthened run may come back to an earlier share
            left = min(1.0, (1 - done) / (1 - self.settings.decay_from))
            least = min(self.settings.min_lr, self.settings.lr)
            for group in self.optimizer.param_groups:
                group["lr"] = max(least, left * self.settings.lr)
        self.optimizer.zero_grad(set_to_none=True)
        try:
            fabric.backward(loss, inputs=self.weights)
        except RuntimeError as error:
            refuse_double_backward(error)
            raise
        ranks.average([weight.grad for weight in self.weights if weight.grad is not None])
        if clip:
            torch.nn.utils.clip_grad_norm_(self.weights, clip)
        self._step(slower)
        self._update_average()
        for schedule in self.schedules.values():
            schedule.step()

    def _step(self, slower: float) -> None:
        rates = [group["lr"] for group in self.optimizer.param_groups]
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            group["lr"] = slower * rate
        self.optimizer.step()
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            group["lr"] = rate

    @torch.no_grad()
    def _update_average(self) -> None:
        """Move the average towards the weights; at first it forgets faster, or it would keep the weights of the start."""
        if self.average:
            self.steps += 1
            decay = min(self.settings.ema, self.steps / (self.steps + 10))
            torch._foreach_lerp_(self.average, [value.detach() for value in self.averaged], 1 - decay)

    @torch.no_grad()
    def swap(self) -> None:
        """Exchange the weights and their moving average, where there is one."""
        for mean, value in zip(self.average, self.averaged, strict=True):
            weights = value.detach().clone()
            value.copy_(mean)
            mean.copy_(weights)

    @torch.no_grad()
    def average_anew(self) -> None:
        """Restart the moving average from the present weights."""
        self.steps = 0
        for mean, value in zip(self.average, self.averaged, strict=True):
            mean.copy_(value)

    def refuse_idle_plateau(self, name: str, monitor: str) -> None:
        """Raise `ConfigError` if the rate of this player, called `name`, is to wait for a loss that its stage has none of."""
        if self.plateau and not monitor:
            raise ConfigError(
                f"plateau_epochs = {self.settings.plateau_epochs}: the learning rate of {name!r} would wait for a validation "
                "loss, and this part of the training has none; take decay_from or decay_every instead"
            )

    def note_validation(self, loss: float) -> None:
        """Lower the learning rate if the validation loss of the epochs up to this one has not fallen for long enough."""
        if self.plateau:
            self.plateau.step(loss)

    def state(self) -> dict[str, Any]:
        """Return everything that `load_state` needs."""
        optimizer = self.optimizer.state_dict()
        return {
            "moments": optimizer["state"],
            "groups": optimizer["param_groups"],
            "average": dict(enumerate(self.average)),
            "steps": self.steps,
            "schedules": {name: _json_scalars(schedule.state_dict()) for name, schedule in self._all_schedules().items()},
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go back to a state that `state` returned."""
        moments = {
            index: {
                name: value if value.ndim == 0 else torch.empty_like(self.weights[index]).copy_(value)
                for name, value in tensors.items()
            }
            for index, tensors in state["moments"].items()
        }  # laid out in memory as the weights are, which the fused optimizer takes for granted
        self.optimizer.load_state_dict({"state": moments, "param_groups": state["groups"]})
        self.steps = state["steps"]
        for index, mean in enumerate(self.average):
            mean.copy_(state["average"][index])
        for name, schedule in self._all_schedules().items():
            schedule.load_state_dict(dict(state["schedules"][name]))

    def _all_schedules(self) -> dict[str, LinearLR | StepLR | ReduceLROnPlateau]:
        return {**({"plateau": self.plateau} if self.plateau else {}), **self.schedules}


@contextmanager
def averaged(optimizers: Collection[PlayerOptimizer]) -> Iterator[None]:
    """Inside the ``with``, let weights and their moving averages change places, where there are some."""
    for optimizer in optimizers:
        optimizer.swap()
    try:
        yield
    finally:
        for optimizer in optimizers:
            optimizer.swap()


def _floats(player: Player) -> list[Tensor]:
    """Return the weights of a player and the statistics beside them (of batch norm): what an average can be taken of."""
    tensors = [value for module in player.weights for value in (*module.parameters(), *module.buffers())]
    return [value for value in tensors if value.is_floating_point()]


def _json_scalars(state: Mapping[str, Any]) -> dict[str, Any]:
    """Drop what is rebuilt from settings and cannot be written as JSON."""
    return {name: value for name, value in state.items() if isinstance(value, int | float | str | bool | list | type(None))}
