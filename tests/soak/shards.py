"""Train on sets larger than memory: `python tests/soak/shards.py OUT [COUNT ...]` writes OUT/shards.json.

Sets of 10,000, 100,000 and 1,000,000 (or COUNT) synthetic frames of 96 pixels are written in shards, one after the other, the
last of 37 GB; where OUT is there has to be room for it. Of each, `vae` and `endovae` are trained for some steps of 16 frames, and
the loader of the same training reads and augments batches as fast as it can, of files that the system does not hold in memory.
Measured are frames a second, and private memory (RssAnon: what the system cannot take back). A training that is stopped and goes
on has to have the weights of an undisturbed one. How well frames are mixed is counted of the order of an epoch.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.usage import arguments

from medgen import api
from medgen.config import to_toml
from medgen.data.augmenting.augment import NO_AUGMENTATION
from medgen.data.contents import frame_digests, side_tables, table_digest, with_contents
from medgen.data.dataset import TrainingBatches
from medgen.data.prepared import LEAKS, PrepareSettings, columns_of, read_table
from medgen.data.storage.shards import BLOCK, COUNTS, FOLDER, shard_file
from medgen.data.storage.shuffle import SHUFFLED, Order
from medgen.engine.checkpoint import load
from medgen.engine.fit import STATE
from medgen.files import digest_of, read_json, write_csv, write_json, write_text
from medgen.verbs.train import open_inputs

COUNTED = (10_000, 100_000, 1_000_000)
SIDE, BATCH, SHARD = 96, 16, 16_384
TRAINED = {"vae": 60, "endovae": 40}  # steps
LOADED = 1500  # batches
HALF = 20  # steps before a training is stopped that goes on
SETTINGS = ("train.epochs=100", "train.panel_epochs=0", "watch.trackers=[]")


def make_set(folder: Path, count: int, size: int = SHARD) -> None:
    """Write a prepared set of so many frames in shards of `size`: smooth pictures, moved about in a round field of view."""
    (folder / FOLDER).mkdir(parents=True)
    coarse = np.random.default_rng(0).normal(110, 35, (1024, 6, 6, 3)).clip(30, 220).astype(np.uint8)
    pictures = np.stack([cv2.resize(one, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC) for one in coarse])
    away = np.hypot(*np.mgrid[:SIDE, :SIDE] - SIDE / 2 + 0.5)
    fields = np.stack([away < radius for radius in (44, 46, 48, 60)])  # (4, S, S)
    paths = [f"normal/{number // 1000:04}/{number:07}.png" for number in range(count)]
    box = {"width": SIDE, "height": SIDE, "left": 0, "top": 0, "right": SIDE, "bottom": SIDE}
    index = pd.DataFrame(
        {"id": [f"{number:012x}" for number in range(count)], "path": paths, "label": "normal", "finding": "normal"}
    )
    index["split"] = np.where(np.arange(count) % 100 < 98, "train", "val")
    index = index.assign(group=[f"video:{number // 100}" for number in range(count)], copy=0, annotated=0, **box)
    index = index.assign(digest=[f"{number * 2654435761 % 2**64:016x}" for number in range(count)], status="cropped")
    digests: list[str] = []
    counts = np.empty(count, "<u4")
    for shard, start in enumerate(range(0, count, size)):
        rows = np.arange(start, min(start + size, count))
        frames = np.lib.format.open_memmap(folder / shard_file("frames", shard), "w+", np.uint8, (len(rows), SIDE, SIDE, 3))
        valid = fields[rows * 2654435761 % 2**32 % len(fields)]
        for place, row in enumerate(rows.tolist()):
            frames[place] = np.roll(pictures[row % 1024], row // 1024 % SIDE, axis=row % 2) ^ np.uint8(row // 1024 // SIDE % 4)
        np.save(folder / shard_file("valid", shard), valid)
        counts[rows] = valid.sum(axis=(1, 2))
        digests += frame_digests(index.iloc[rows], [frames, valid])
        frames.flush()
    np.save(folder / FOLDER / COUNTS, counts)
    write_csv(folder / "leaks.csv", pd.DataFrame(columns=LEAKS))
    write_csv(folder / "rejected.csv", pd.DataFrame(columns=["file", "reason", "kind"]))
    index = with_contents(index, digests)
    write_csv(folder / "index.csv", index[columns_of(index)])
    digests_of = {"table": table_digest(read_table(folder / "index.csv")), "tables": side_tables(folder)}
    layout = {"frames": size, "arrays": ["frames", "valid"], "counts": digest_of(folder / FOLDER / COUNTS)}
    about = {"source": "synthetic:", "digest": f"{count:016x}", **digests_of, "shards": layout}
    write_text(folder / "prepare.toml", to_toml({**about, "settings": PrepareSettings(size=SIDE).model_dump(mode="json")}))


def forget(folder: Path) -> None:
    """Have the system take the shards out of its memory."""
    os.sync()
    for path in (folder / FOLDER).iterdir():
        with path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def private() -> float:
    """Return the private memory of this process in MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("RssAnon"))


@contextmanager
def watched(found: dict[str, Any], name: str) -> Iterator[None]:
    """Note the most private memory of this process inside the ``with``, in MB."""
    most, over = [private()], threading.Event()

    def watch() -> None:
        while not over.wait(0.1):
            most.append(private())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()
        found[name] = round(max(most))


def rates(frames: int, began: tuple[float, float], ended: tuple[float, float]) -> dict[str, float]:
    """Return frames a second by the clock, and of the processor, which others on the machine keep from nobody."""
    clock, processor = (round(frames / (end - begin), 1) for begin, end in zip(began, ended, strict=True))
    return {"frames_per_second": clock, "frames_per_cpu_second": processor}


def trained(
    data: Path, out: Path, backend: str, steps: int, go_on: bool = False, sets: Sequence[str] = SETTINGS
) -> dict[str, Any]:
    """Train up to a step; return frames a second, without the first ten steps, and memory while it did."""
    times: dict[int, tuple[float, float]] = {}
    memory: list[float] = []
    found: dict[str, Any] = {}

    def note(progress: Any) -> None:
        if progress.done and progress.task == "train":
            times[progress.done] = time.monotonic(), time.process_time()
            memory.append(private())

    began = time.monotonic()
    with watched(found, "peak_mb"):
        stop: Callable[[], bool] = lambda: bool(times) and max(times) >= steps  # noqa: E731
        if go_on:
            api.resume(out, on_progress=note, stop=stop)
        else:
            settings = api.recipe(backend, None, sets)
            api.train(data, out, settings, on_progress=note, stop=stop)
    first, last = sorted(times)[10], max(times)
    return {
        **rates(BATCH * (last - first), times[first], times[last]),
        "seconds_to_first_step": round(min(times.values())[0] - began, 1),
        "training_mb": round(max(memory)),
        **found,
    }


def loaded(data: Path) -> dict[str, Any]:
    """Read batches as a training does, with its augmentation and without; return frames a second and memory while it did."""
    settings = api.recipe("vae", None, SETTINGS)
    inputs = open_inputs(data, settings)
    found: dict[str, Any] = {}
    for name, augment in (("augmented", inputs.settings.data.augment), ("read", NO_AUGMENTATION)):
        of = inputs.settings.data.model_copy(update={"augment": augment})
        batches = TrainingBatches(inputs.data, of, settings.train.seed)
        forget(data)
        began, frames, here = (time.monotonic(), time.process_time()), 0, {}
        with watched(here, "peak_mb"):
            for batch in islice(batches.epoch(0), LOADED):
                frames += len(batch)
        found[name] = {**rates(frames, began, (time.monotonic(), time.process_time())), **here}
    return found


def in_child(work: Callable[..., dict[str, Any]], *values: Any) -> dict[str, Any]:
    """Return what a function returns in a new process."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(work, values)


def differing(one: Path, other: Path) -> list[str]:
    """Return the names of tensors that differ between the states of two trainings."""
    (first, _), (second, _) = (load(run / STATE) for run in (one, other))
    return [name for name in first if first[name].is_floating_point() and not first[name].equal(second[name])]


def mixing(count: int) -> dict[str, Any]:
    """Compare the order by blocks with a permutation of all: of batches of an epoch, which places their frames are from."""
    found = {}
    for name, together in (("by blocks", SHUFFLED), ("of all", 0)):
        order = Order(np.arange(count), np.random.default_rng([0, 1, 0]), together).rows
        batches = order[: count // BATCH * BATCH].reshape(-1, BATCH)
        blocks = np.sort(batches // BLOCK, axis=1)
        windows = [order[start : start + SHUFFLED] for start in range(0, max(1, count - SHUFFLED), SHUFFLED)]
        quarters = np.stack([np.bincount(one * 4 // count, minlength=4) / len(one) for one in windows])
        found[name] = {
            "batches_with_two_of_a_block": round(float((np.diff(blocks) == 0).any(axis=1).mean()), 4),
            "deviation_of_batch_means": round(float(batches.mean(axis=1).std() / count), 4),  # of places in the set, 0 to 1
            "correlation_of_place_and_order": round(float(np.corrcoef(order, np.arange(count))[0, 1]), 4),
            "share_of_a_quarter_in_a_window": [round(float(value), 3) for value in (quarters.min(), quarters.max())],
        }
    return found


def main(out: Path, *counts: str) -> None:
    """Measure each size that is not measured yet."""
    out.mkdir(parents=True, exist_ok=True)
    file = out / "shards.json"
    for count in [*map(int, counts)] or COUNTED:
        found = read_json(file)
        if f"{count:,}" in found:
            continue
        with tempfile.TemporaryDirectory(dir=out) as root:
            data, sizes = Path(root) / "data", {}
            make_set(data, count)
            sizes["gigabytes"] = round(sum(path.stat().st_size for path in (data / FOLDER).iterdir()) / 1e9, 1)
            for backend, steps in TRAINED.items():
                forget(data)
                sizes[backend] = in_child(trained, data, Path(root) / backend, backend, steps)
                sizes["loader"] = sizes.get("loader") or in_child(loaded, data)
            in_child(trained, data, Path(root) / "parts", "vae", HALF)
            in_child(trained, data, Path(root) / "parts", "vae", TRAINED["vae"], True)
            sizes["resumed"] = {
                "stopped": HALF,
                "steps": TRAINED["vae"],
                "differing": differing(Path(root) / "vae", Path(root) / "parts"),
            }
            sizes["mixing"] = mixing(count)
            write_json(file, {**read_json(file), f"{count:,}": sizes})
            shutil.rmtree(data)


if __name__ == "__main__":
    first, *rest = arguments(__doc__)
    main(Path(first), *rest)
