"""Several ranks in one process: threads of which one runs at a time, each with a random state as of a process of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, TypeVar

import tiny
import torch
from torch import Tensor

from medgen.contract.backend import Backend
from medgen.engine.checkpoint import random_states, restore_random_states
from medgen.engine.device import make_fabric
from medgen.engine.fit import Fit
from medgen.engine.train_settings import TrainSettings
from medgen.ranks import ALONE, Ranks
from medgen.types import Batch

T = TypeVar("T")
FRAMES = 8  # of a whole batch


@contextmanager
def double_precision() -> Iterator[None]:
    """Inside the ``with``, all is computed in double precision, also where the code says float32."""
    single, frames = torch.Tensor.float, tiny.training_batch

    def doubled(n: int, seed: int) -> Batch:
        batch = frames(n, seed)
        assert batch.other is not None
        return replace(batch, image=batch.image.double(), other=batch.other.double())

    torch.set_default_dtype(torch.float64)
    torch.Tensor.float, tiny.training_batch = torch.Tensor.double, doubled
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)
        torch.Tensor.float, tiny.training_batch = single, frames


class World:
    """Hands the turn from rank to rank wherever they wait for each other."""

    def __init__(self, count: int) -> None:
        self.count, self.turn, self.dead = count, 0, False
        self.brought: list[Any] = [None] * count
        self.moved = threading.Condition()

    def exchange(self, rank: int, value: Any) -> list[Any]:
        """Return what all ranks brought; each of them brings something."""
        self.brought[rank] = value
        states = random_states()
        self._pass(rank)
        found = list(self.brought)
        self._pass(rank)  # all have it before one brings the next
        restore_random_states(states)
        return found

    def _pass(self, rank: int) -> None:
        with self.moved:
            self.turn = (rank + 1) % self.count
            self.moved.notify_all()
            self.wait(rank)

    def wait(self, rank: int) -> None:
        with self.moved:
            self.moved.wait_for(lambda: self.dead or self.turn == rank, timeout=60)
            if self.dead or self.turn != rank:
                raise RuntimeError("another rank has ended")


class OneOf(Ranks):
    """A rank of a world."""

    def __init__(self, world: World, rank: int) -> None:
        self.world, self.rank, self.count = world, rank, world.count

    def sum(self, tensor: Tensor) -> Tensor:
        return torch.stack([*self.world.exchange(self.rank, tensor.detach().clone())]).sum(0, dtype=tensor.dtype)

    def of_first(self, make: Callable[[], T]) -> T:
        found: T = self.world.exchange(self.rank, make() if self.first else None)[0]
        return found


def in_world(count: int, work: Callable[[Ranks], T]) -> list[T]:
    """Return what `work` returns on each of `count` ranks, which all begin with the present random state."""
    world, states = World(count), random_states()
    results: list[Any] = [None] * count
    errors: list[BaseException] = []

    def run(rank: int) -> None:
        try:
            world.wait(rank)
            restore_random_states(states)
            results[rank] = work(OneOf(world, rank))
        except BaseException as error:  # it is raised below
            errors.append(error)
            world.dead = True
        with world.moved:
            world.turn = (rank + 1) % count
            world.moved.notify_all()

    threads = [threading.Thread(target=run, args=(rank,)) for rank in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return results


class Shares:
    """Training and validation batches that can be divided."""

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def __len__(self) -> int:
        return self.steps

    def divides(self, step: int, count: int) -> bool:
        return FRAMES % count == 0

    def epoch(self, number: int, start: int = 0, device: object = "cpu", part: tuple[int, int] = (0, 1)) -> Iterator[Batch]:
        for step in range(start, self.steps):
            yield tiny.training_batch(FRAMES, 1000 * number + step).part(*part)

    def __iter__(self) -> Iterator[Batch]:
        yield tiny.training_batch(FRAMES, seed=7)
        yield tiny.training_batch(3, seed=8)


def curve(
    fresh: Callable[[], Backend], folder: Any, steps: int, ranks: Ranks = ALONE, epochs: int = 2, slower: float = 1.0
) -> Sequence[dict[str, float]]:
    """Return the rows of steps.csv of a training, one a step, and those of its epochs behind them."""
    settings = TrainSettings(epochs=epochs, precision="float32", log_steps=1)
    rows: list[dict[str, float]] = []
    torch.manual_seed(0)
    data = Shares(steps)
    fit = Fit(fresh(), data, data, settings, make_fabric("cpu", "float32"), folder, ranks)
    for hand in fit.optimizers.values():
        hand.settings = hand.settings.model_copy(update={"lr": slower * hand.settings.lr})
        for group in hand.optimizer.param_groups:
            group["lr"] *= slower
    fit.run(lambda row: rows.append(dict(row)), on_steps=lambda row: rows.append(dict(row)))
    return rows
