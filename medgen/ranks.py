"""Several processes that train one model, each with a device: what a step shares among them, so that it is that of one process.

A step has as many frames, the same random numbers and the same sums whatever the number of processes. Rank r of n takes frames
r, r + n, r + 2 n, ... of its batch. It draws the numbers of all frames, so that the generators of all ranks stay alike, and keeps
those of its own. What is computed over the frames of a batch (the statistics of batch norm, of a codebook) is summed over ranks.
Outside of a step that is divided each function here is the one of PyTorch that its name says.

Shape letters: B frames of a rank, n ranks.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

import torch
from torch import Tensor

T = TypeVar("T")


class Ranks(ABC):
    """The processes of a training, as one of them sees them; what each method does, all of them do at the same place.

    Attributes
    ----------
    rank : of this process, from 0; rank 0 alone writes
    count : how many there are
    """

    rank: int
    count: int

    @property
    def first(self) -> bool:
        """Whether this is the process that writes."""
        return self.rank == 0

    @abstractmethod
    def sum(self, tensor: Tensor) -> Tensor:
        """Return the sum of a tensor over all ranks, the same bits on each; no gradient goes through."""

    @abstractmethod
    def of_first(self, make: Callable[[], T]) -> T:
        """Return what rank 0 makes, on every rank."""

    def any(self, *flags: bool) -> tuple[bool, ...]:
        """Return for each flag whether it is set on any rank."""
        return tuple(bool(flag) for flag in self.sum(torch.tensor(flags, dtype=torch.int64)).tolist())

    def average(self, tensors: Sequence[Tensor]) -> None:
        """Replace tensors of one kind and device by their means over all ranks, all of them in one message."""
        if not tensors:
            return
        means = self.sum(torch.cat([tensor.reshape(-1) for tensor in tensors])) / self.count
        for tensor, mean in zip(tensors, means.split([tensor.numel() for tensor in tensors]), strict=True):
            tensor.copy_(mean.view(tensor.shape))


class Alone(Ranks):
    """One process, which waits for nobody."""

    rank, count = 0, 1

    def sum(self, tensor: Tensor) -> Tensor:
        return tensor

    def of_first(self, make: Callable[[], T]) -> T:
        return make()

    def any(self, *flags: bool) -> tuple[bool, ...]:
        return flags

    def average(self, tensors: Sequence[Tensor]) -> None:
        pass


ALONE = Alone()
_PRESENT: ContextVar[Ranks] = ContextVar("ranks", default=ALONE)


@contextmanager
def divided(ranks: Ranks) -> Iterator[None]:
    """Within the block, frames are the share of this rank of a batch that is divided among `ranks`."""
    token = _PRESENT.set(ranks)
    try:
        yield
    finally:
        _PRESENT.reset(token)


def count() -> int:
    """Return among how many ranks the present batch is divided."""
    return _PRESENT.get().count


def collects() -> bool:
    """Tell whether this rank keeps what is gathered over a training for all of them."""
    return _PRESENT.get().first


class _Sum(torch.autograd.Function):
    """A sum over ranks; what flows back is summed too, as the losses of all ranks depend on it."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor, ranks: Ranks) -> Tensor:
        ctx.ranks = ranks  # in the backward of a GPU, another thread, there is no present one
        return ranks.sum(tensor.contiguous())

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor, None]:
        return _Sum.apply(slope, ctx.ranks), None


def total(tensor: Tensor) -> Tensor:
    """Return the sum of a tensor over the ranks; gradients, and gradients of gradients, go through."""
    ranks = _PRESENT.get()
    return tensor if ranks.count == 1 else _Sum.apply(tensor, ranks)


def mean(tensor: Tensor) -> Tensor:
    """Return the mean of a tensor over the ranks; gradients go through."""
    return tensor if count() == 1 else total(tensor) / count()


def all_rows(tensor: Tensor) -> Tensor:
    """Return the rows of all ranks, (n B, ...), in the order of the whole batch, of own ones (B, ...); gradients go through."""
    ranks = _PRESENT.get()
    if ranks.count == 1:
        return tensor
    kind = torch.uint8 if tensor.dtype == torch.bool else tensor.dtype
    whole = tensor.new_zeros((ranks.count * len(tensor), *tensor.shape[1:]), dtype=kind)
    whole[ranks.rank :: ranks.count] = tensor.to(kind)
    return total(whole).to(tensor.dtype)


def own_rows(tensor: Tensor, dim: int = 0) -> Tensor:
    """Return the rows of this rank, of those of the whole batch along a dimension."""
    ranks = _PRESENT.get()
    return tensor if ranks.count == 1 else tensor[(slice(None),) * dim + (slice(ranks.rank, None, ranks.count),)]


def first_rows(tensor: Tensor, number: int) -> Tensor:
    """Return those of the own rows that are among the first ones of the whole batch, so many in all."""
    ranks = _PRESENT.get()
    return tensor[: -(-(number - ranks.rank) // ranks.count)] if number > ranks.rank else tensor[:0]


def mean_over(values: Tensor, number: int) -> Tensor:
    """Return a scalar whose mean over ranks is that of the values (., ...) of `number` rows, which are unevenly divided."""
    return values.mean() if count() == 1 else values.sum() * (count() / (number * values[0].numel() if len(values) else number))


def rows_of_all(tensor: Tensor, rows: Tensor, cells: int) -> Tensor:
    """Return rows (K, ...) of those of all ranks, by their numbers (K,) among n B `cells`; own ones are (B cells, ...)."""
    ranks = _PRESENT.get()
    if ranks.count == 1:
        return tensor[rows]
    frame, cell = rows // cells, rows % cells
    own = (frame % ranks.count == ranks.rank).view(-1, *[1] * (tensor.ndim - 1))
    return total(torch.where(own, tensor[frame // ranks.count * cells + cell], 0))


def whole_size(shape: Sequence[int], dim: int = 0) -> tuple[int, ...]:
    """Return the shape that a tensor of the whole batch has, whose share of this rank has `shape`, with frames along `dim`."""
    return (*shape[:dim], count() * shape[dim], *shape[dim + 1 :])


def rand(shape: Sequence[int], device: torch.device | str | None = None, dim: int = 0) -> Tensor:
    """Draw evenly from [0, 1), (...) with frames along `dim`."""
    return own_rows(torch.rand(whole_size(shape, dim), device=device), dim)


def randn(shape: Sequence[int], device: torch.device | str | None = None, dim: int = 0) -> Tensor:
    """Draw from N(0, 1), (...) with frames along `dim`."""
    return own_rows(torch.randn(whole_size(shape, dim), device=device), dim)


def randint(high: int, shape: Sequence[int], device: torch.device | str | None = None, low: int = 0, dim: int = 0) -> Tensor:
    """Draw whole numbers from `low` to below `high`, (...) int64 with frames along `dim`."""
    return own_rows(torch.randint(low, high, whole_size(shape, dim), device=device), dim)


def randn_like(tensor: Tensor) -> Tensor:
    """Draw from N(0, 1) for each number of frames (B, ...)."""
    whole = whole_like(tensor)
    # Filled as one row of numbers: a CPU draws frames whose channels are last one number at a time, six times as slowly
    whole.as_strided((whole.numel(),), (1,)).normal_()
    return own_rows(whole)


def whole_like(tensor: Tensor) -> Tensor:
    """Return an empty tensor for the frames of all ranks, laid out like the own ones: draws follow memory."""
    strided = torch.empty_strided(whole_size(tensor.shape), tensor.stride(), dtype=tensor.dtype, device="meta")
    return torch.empty_like(strided, device=tensor.device)
