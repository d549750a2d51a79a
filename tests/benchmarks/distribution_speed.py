"""Speed and memory of the measures on generated samples.

python tests/benchmarks/distribution_speed.py [ROWS] [IMAGES]

Prints the seconds that the Fréchet distance of ROWS (10,000) against as many cached features of 2,048 takes, moments included;
the speed of extraction from 64 px images by inception-2015 (efficientnet-lite0 where it is not installed) as a share of the bare
net's on tensors that are prepared already, in turns in one run; and the peak memory of a process that takes the moments of
IMAGES (64) images, and of one that takes those of four times as many.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import torch
from memory_use import peak_megabytes
from torch import Tensor
from usage import arguments

from medgen.metrics.distribution import extract, extract_moments
from medgen.metrics.moments import Moments, frechet_distance
from medgen.nn.features.extractors import INCEPTION, available, load_extractor

BATCH, ROUNDS, WIDTH = 16, 3, 2048


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def images(count: int) -> Iterator[Tensor]:
    for start in range(0, count, BATCH):
        yield torch.rand(min(BATCH, count - start), 3, 64, 64, generator=torch.Generator().manual_seed(start))


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def distance(rows: int) -> None:
    sides = [torch.rand(rows, WIDTH, generator=torch.Generator().manual_seed(seed)) for seed in (0, 1)]

    def measure() -> None:
        moments = Moments(), Moments()
        for side, features in zip(moments, sides, strict=True):
            side.add(features)
        frechet_distance(*moments)

    threads = torch.get_num_threads()
    say(f"Fréchet distance of {rows:,} against {rows:,} x {WIDTH:,}: {seconds(measure):.2f} s on {threads} threads")


def extraction(name: str, count: int) -> None:
    extractor = load_extractor(name)
    batches = list(images(count))
    prepared = [extractor.prepare(batch) for batch in batches]

    def bare() -> None:
        with torch.no_grad():
            for batch in prepared:
                extractor.net(batch)

    bare()
    turns = [(seconds(bare), seconds(lambda: extract(extractor, batches))) for _ in range(ROUNDS)]
    net, whole = (min(column) for column in zip(*turns, strict=True))
    say(f"extraction by {name}: {count / whole:.1f} images per second, {net / whole:.3f} of the bare net's speed")


def memory(name: str, count: int) -> None:
    extract_moments(load_extractor(name), images(count))
    say(f"peak memory with {count} images: {peak_megabytes():.0f} MB")


def main() -> None:
    name = (available() or [INCEPTION])[0]
    if sys.argv[1:2] == ["memory"]:
        memory(name, int(sys.argv[2]))
        return
    words = arguments(__doc__)
    rows, count = (int(given) for given in [*words, *("10000", "64")[len(words) :]])
    distance(rows)
    extraction(name, count)
    for number in (count, 4 * count):
        subprocess.run([sys.executable, __file__, "memory", str(number)], check=True)


if __name__ == "__main__":
    main()
