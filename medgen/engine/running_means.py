"""Running means of a training's losses and notes, summed on the device so that no step waits for it."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor


class LogRow(dict[str, float]):
    """One row of the log: epoch, seconds, lr.<player>, train.<loss>, note.<name>, val.<loss>, diagnosis.<name>.

    A row of steps.csv has the columns step, train.<loss> and note.<name>.
    """


class Means:
    """Means of named scalars since the last `clear`, each over the turns that had it."""

    def __init__(self) -> None:
        self.sums: dict[str, Tensor] = {}  # (2,): total and number of turns

    def add(self, columns: Mapping[str, Tensor]) -> None:
        """Add the scalars of one turn by their names."""
        for name, value in columns.items():
            total = value.detach().float()
            turn = torch.stack([total, torch.ones_like(total)])  # (2,)
            self.sums[name] = self.sums[name] + turn if name in self.sums else turn

    def row(self) -> dict[str, float]:
        """Return the mean of each name."""
        return {name: float(total / turns) for name, (total, turns) in self.sums.items()}

    def clear(self) -> None:
        """Forget all turns."""
        self.sums = {}

    def save(self, prefix: str, tensors: dict[str, Tensor]) -> None:
        """Put the state into `tensors`, below `prefix`."""
        tensors |= {f"{prefix}/{name}": value for name, value in self.sums.items()}

    def load(self, prefix: str, tensors: Mapping[str, Tensor]) -> None:
        """Take back the state that `save` put below `prefix`."""
        self.sums = {name.removeprefix(f"{prefix}/"): value for name, value in tensors.items() if name.startswith(f"{prefix}/")}
