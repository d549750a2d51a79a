"""Rows of a data set that are read only when they are asked for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T", bound=np.generic)
T_co = TypeVar("T_co", bound=np.generic, covariant=True)


class Rows(Protocol[T_co]):
    """An array, or an object that is indexed like one and reads its rows only then."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __len__(self) -> int: ...

    def __getitem__(self, rows: Any, /) -> NDArray[T_co]: ...


Frames = Rows[np.uint8]  # (N, S, S, C) in [0, 255]
Flags = Rows[np.bool_]  # (N, S, S)


class LazyRows(ABC, Generic[T]):
    """Rows that are read only when they are indexed; the index is any that an array takes along its first axis.

    Parameters
    ----------
    shape : (N, S, S, C) of frames, (N, S, S) of flags
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape
        self._rows = np.arange(shape[0])

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any, /) -> NDArray[T]:
        numbers = self._rows[rows]
        return self._read(np.ravel(numbers)).reshape(*np.shape(numbers), *self.shape[1:])

    @abstractmethod
    def _read(self, rows: NDArray[np.int64]) -> NDArray[T]:
        """Return the rows of these numbers (n,), each in [0, N), as (n, S, S, C) or (n, S, S)."""
