"""Rows of an array that stay on a device, once a batch has brought them there.

Frames that travel anew in each epoch are gathered in host memory and sent step after step; where all of them fit on a GPU, each
needs to travel only once.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medgen.types import sent

SHARE = 0.25  # of the free memory of a GPU that training frames may take: the rest is for weights and for what a step computes


class Held:
    """An array that is read row by row like its source, and whose rows can be taken on a device.

    Parameters
    ----------
    source : (N, ...) an array, or an object that is indexed like one
    rows : (n,) int64, the only rows that are taken
    device : where they stay
    """

    def __init__(self, source: Any, rows: NDArray[np.int64], device: torch.device) -> None:
        self.source, self.shape = source, source.shape
        self.places = np.zeros(len(source), np.int64)  # of each row among those that are held
        self.places[rows] = np.arange(len(rows))
        self.there = np.zeros(len(rows), bool)
        kind = torch.from_numpy(source[rows[:1]]).dtype
        self.tensor = torch.empty((len(rows), *source.shape[1:]), dtype=kind, device=device)

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, rows: Any) -> NDArray[Any]:
        return self.source[rows]  # type: ignore[no-any-return]

    def take(self, rows: NDArray[np.int64]) -> Tensor:
        """Return rows (B, ...) on the device; those that are not there yet are read and sent."""
        places, device = self.places[rows], self.tensor.device
        if (new := ~self.there[places]).any():
            self.tensor.index_copy_(0, _sent(places[new], device), _sent(self.source[rows[new]], device))
            self.there[places] = True
        return self.tensor[_sent(places, device)]


def taken(array: Any, rows: NDArray[np.int64], device: torch.device | str) -> Tensor:
    """Return rows (B, ...) of an array on a device, from there where they are held."""
    return array.take(rows) if isinstance(array, Held) else _sent(array[rows], device)


def fits(count: int, device: torch.device) -> bool:
    """Tell whether so many bytes are less than `SHARE` of the free memory of a GPU; on a CPU nothing is gained, so none fit."""
    return device.type == "cuda" and count < SHARE * torch.cuda.mem_get_info(device)[0]


def _sent(values: NDArray[Any], device: torch.device | str) -> Tensor:
    return sent(torch.from_numpy(values), device)
