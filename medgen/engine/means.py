"""Running means of what a training reports, without waiting for the device at every step."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor


class Epoch(dict[str, float]):
    """One row of the log: epoch, seconds, lr.<player>, train.<loss>, note.<name>, val.<loss>, diagnosis.<name>.

    A row of steps.csv has the columns step, train.<loss> and note.<name>.
    """


class Means:
    """Means of named scalars over the steps since the last `clear`; where a step lacks a name, it counts as 0."""

    def __init__(self) -> None:
        self.steps, self.sums = 0, dict[str, Tensor]()

    def add(self, columns: Mapping[str, Tensor]) -> None:
        """Add to the sums."""
        for name, value in columns.items():
            self.sums[name] = self.sums.get(name, torch.zeros((), device=value.device)) + value.detach().float()

    def row(self) -> dict[str, float]:
        """Return the means."""
        return {name: float(total) / max(self.steps, 1) for name, total in self.sums.items()}

    def clear(self) -> None:
        """Begin again."""
        self.steps, self.sums = 0, {}

    def save(self, prefix: str, tensors: dict[str, Tensor]) -> None:
        """Put the state into `tensors`, below `prefix`."""
        tensors[f"{prefix}.steps"] = torch.tensor(self.steps)
        tensors |= {f"{prefix}/{name}": value for name, value in self.sums.items()}

    def load(self, prefix: str, tensors: Mapping[str, Tensor]) -> None:
        """Undo `save`."""
        self.steps = int(tensors[f"{prefix}.steps"])
        self.sums = {name.removeprefix(f"{prefix}/"): value for name, value in tensors.items() if name.startswith(f"{prefix}/")}
