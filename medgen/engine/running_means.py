"""Running means of a training's losses and notes, summed on the device so that no step waits for it."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from medgen.engine.divergence import DivergedError


class LogRow(dict[str, float]):
    """One row of the log: epoch, seconds, lr.<player>, train.<loss>, player.<name>, note.<name>, val.<loss>, diagnosis.<name>.

    player.<name> is the sum of the losses of one of several players. A row of steps.csv has the columns step, epoch,
    train.<loss>, player.<name> and note.<name>.
    """


def turn_columns(player: str, losses: Mapping[str, Tensor], total: Tensor) -> dict[str, Tensor]:
    """Return what is logged of a turn: each loss, and their sum by the player's name; "" for the only player there is."""
    columns = {f"train.{loss}": value for loss, value in losses.items()}
    return {**columns, f"player.{player}": total} if player else columns


class Means:
    """Means of named scalars since the last `clear`, each over the turns that had it."""

    def __init__(self) -> None:
        self.totals: dict[str, Tensor] = {}  # float32 scalars, each on the device of what it sums
        self.turns: dict[str, int] = {}

    def add(self, columns: Mapping[str, Tensor]) -> None:
        """Add the scalars of one turn by their names."""
        values = {name: value.detach().float() for name, value in columns.items()}
        known = [name for name in values if name in self.totals]
        if known:
            totals = [self.totals[name].to(values[name].device) for name in known]  # a resumed training has them on the CPU
            torch._foreach_add_(totals, [values[name] for name in known])
            self.totals |= dict(zip(known, totals, strict=True))
        for name, value in values.items():
            self.turns[name] = self.turns.get(name, 0) + 1
            if self.turns[name] == 1:
                self.totals[name] = value.clone()

    def row(self) -> dict[str, float]:
        """Return the mean of each name; whoever asks waits for the device."""
        if not self.totals:
            return {}
        totals = torch.stack([total.cpu() for total in self.totals.values()])
        return dict(zip(self.totals, (totals / torch.tensor([*self.turns.values()])).tolist(), strict=True))

    def loss(self, where: str) -> float:
        """Return the sum of the means of the losses ("train.<loss>").

        Raises
        ------
        DivergedError : if one is no longer a finite number; the message says `where` in the training that is.
        """
        values = {name.removeprefix("train."): value for name, value in self.row().items() if name.startswith("train.")}
        if broken := [name for name, value in values.items() if not math.isfinite(value)]:
            raise DivergedError(f"the loss '{broken[0]}' became {values[broken[0]]} in {where}")
        return sum(values.values())

    def clear(self) -> None:
        """Forget all turns."""
        self.totals, self.turns = {}, {}

    def save(self, prefix: str, tensors: dict[str, Tensor]) -> None:
        """Put the state into `tensors`, below `prefix`: (2,) total and number of turns of each name."""
        tensors |= {
            f"{prefix}/{name}": torch.stack([total, torch.full_like(total, self.turns[name])])
            for name, total in self.totals.items()
        }

    def load(self, prefix: str, tensors: Mapping[str, Tensor]) -> None:
        """Take back the state that `save` put below `prefix`."""
        own = {name.removeprefix(f"{prefix}/"): pair for name, pair in tensors.items() if name.startswith(f"{prefix}/")}
        self.totals = {name: pair[0].clone() for name, pair in own.items()}
        self.turns = {name: int(pair[1]) for name, pair in own.items()}
