"""What a training costs beside its net: the steps of medgen's loop against a bare loop over the same turns, in turn.

python tests/benchmarks/training_overhead.py [ROUNDS [STEPS]]

For each of `endovae`, `gan`, `cyclegan` and `vqvae2`, at small sizes: medgen trains STEPS (2) steps of random frames in memory.
The rival runs the same model on the same batches: forward, backward into the weights of the player whose turn it is, a step of
the same optimizer; it logs, checks and schedules nothing. Both in float32, and in memory that the process keeps once it has it:
otherwise chance decides which of the two pays for fresh pages in each step (`timing.keep_freed_memory`). Rounds are short and
many, as one of them says little on a busy machine: "low" and "high" enclose the median ratio of all such rounds with a
probability of at least 95 %, so that 5 % show. Prints as JSON the seconds of each of ROUNDS (31) rounds and the ratio of the two:
0.95 says that medgen takes 5 % longer.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import torch
from lightning_fabric import Fabric
from timing import in_turn, keep_freed_memory, median_bounds, print_result, ratios, seconds

from medgen import registry
from medgen.contract.backend import Backend
from medgen.engine.device import make_fabric, move_model
from medgen.engine.fit import Fit
from medgen.engine.player import OPTIMIZERS
from medgen.engine.train_settings import TrainSettings
from medgen.types import Batch

SIZES = {"endovae": (64, 8), "gan": (64, 8), "cyclegan": (32, 1), "vqvae2": (32, 8)}  # side of a frame, frames of a batch
EPOCH = 10**6  # steps


class InMemory:
    """The same few random batches again and again, in an epoch that is never over: what ends one is no part of a step."""

    def __init__(self, size: int, count: int) -> None:
        generator = torch.Generator().manual_seed(0)
        frames = [torch.rand(2, count, 3, size, size, generator=generator) for _ in range(4)]
        valid = torch.ones(count, 1, size, size, dtype=torch.bool)
        self.batches = [Batch(image, valid, torch.arange(count), other=other) for image, other in frames]

    def __len__(self) -> int:
        return EPOCH

    def epoch(self, number: int, start: int = 0, device: torch.device | str = "cpu") -> Iterator[Batch]:
        """Yield the batches of an epoch."""
        for step in range(start, EPOCH):
            yield self.batches[step % len(self.batches)]


class Untimed(Fit):
    """A training that writes nothing."""

    def save(self) -> None:
        """Leave the state where it is."""

    def keep(self) -> None:
        """Leave the weights where they are."""


def ours(name: str, data: InMemory, steps: int, fabric: Fabric) -> Callable[[], object]:
    """Return what takes so many steps by medgen's loop."""
    size = data.batches[0].image.shape[-1]
    settings = TrainSettings(epochs=1000, early_stopping=0)
    fit = Untimed(fresh(name, size), data, [], settings, fabric, Path(tempfile.gettempdir()))

    def train() -> None:
        last = fit.position.step + steps
        fit.run(lambda row: None, stop=lambda: fit.position.step >= last)

    return train


def bare(name: str, data: InMemory, steps: int) -> Callable[[], object]:
    """Return what takes the same steps in the fewest lines."""
    model = move_model(fresh(name, data.batches[0].image.shape[-1]), torch.device("cpu"))
    players = {key: player.parameters() for key, player in model.players.items()}
    optimizers = {key: OPTIMIZERS[player.optimizer.name](players[key], player.optimizer) for key, player in model.players.items()}

    def train() -> None:
        model.train()
        for batch in islice(data.epoch(0), steps):
            for key, losses in model.turns(batch, 0.0):
                optimizers[key].zero_grad(set_to_none=True)
                torch.stack(list(losses.values())).sum().backward(inputs=players[key])
                optimizers[key].step()

    return train


def fresh(name: str, size: int) -> Backend:
    """Return a backend with the weights of its seed."""
    torch.manual_seed(0)
    return registry.create(name, {}, size, 3)


def main(rounds: int, steps: int) -> None:
    kept = keep_freed_memory()
    fabric, result = make_fabric("cpu", "float32"), {}
    for name, (size, count) in SIZES.items():
        data = InMemory(size, count)
        took = in_turn({"medgen": ours(name, data, steps, fabric), "bare": bare(name, data, steps)}, rounds)
        result[name] = {
            "size": size,
            "batch": count,
            "medgen_seconds": seconds(took["medgen"]),
            "bare_seconds": seconds(took["bare"]),
            "speed_ratio": ratios(took["medgen"], took["bare"], bounds=median_bounds),
        }
    print_result({"steps": steps, "freed_memory_kept": kept, "backends": result})


if __name__ == "__main__":
    from usage import arguments

    words = arguments(__doc__)
    numbers = [int(number) for number in words]
    main(*(numbers + [31, 2][len(numbers) :]))
