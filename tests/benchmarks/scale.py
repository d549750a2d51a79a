"""How much one core does of each part of medgen's work: `python tests/benchmarks/scale.py OUT [PART ...]` writes OUT/PART.json.

prepare    frames of three sizes, as JPEG with quality 90, cropped to 96 pixels by one worker
backends   an epoch of each backend at 96 pixels, with the settings that it has by default, and scores with maps by what it learnt
workers    an archive scored by 1, 2, 4 and 8 workers of Ray on this machine, whatever the number of its cores (extra `ray`)

Rates are frames for each second of processor time of one thread, so that other work on the machine matters little. What is
measured in OUT already stays. The page is made of it by tests/benchmarks/scale_page.py.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import torch

from medgen import api, registry
from medgen.data.phantom.frames import PhantomSettings, make_phantom
from medgen.data.prepared import Prepared, PrepareSettings
from medgen.files import read_json, write_json
from medgen.runs.resources import recorded
from medgen.runs.run import open_run

SIZE = 96  # pixels of a crop
SIDES = {"720 x 576": (720, 576), "1920 x 1080": (1920, 1080), "3840 x 2160": (3840, 2160)}
COUNTS = {"720 x 576": 200, "1920 x 1080": 100, "3840 x 2160": 40}
FRAMES = {"train": 96, "val": 24, "test_normal": 48, "test_abnormal": 48}
ARCHIVE = {"train": 0, "val": 0, "test_normal": 600, "test_abnormal": 600}
WORKERS = (1, 2, 4, 8)
EPOCHS = (1, 4)  # of the two trainings of a backend
PARTITION = 40  # files
NEEDS_OTHERS = ("cyclegan", "pix2pix", "pixelda")  # backends that train on frames of two kinds


@contextmanager
def timed(facts: dict[str, Any]) -> Iterator[None]:
    """Note the seconds of processor time and by the clock that a block takes."""
    began, clock = time.process_time(), time.monotonic()
    yield
    facts["processor_seconds"] = round(time.process_time() - began, 3)
    facts["seconds"] = round(time.monotonic() - clock, 3)


def as_jpeg(folder: Path) -> Path:
    """Write the pictures of a folder anew as JPEG."""
    for path in sorted(folder.rglob("*.png")):
        if "masks" not in path.parts:
            cv2.imwrite(str(path.with_suffix(".jpg")), cv2.imread(str(path)), [cv2.IMWRITE_JPEG_QUALITY, 90])
            path.unlink()
    return folder


def frames_of(folder: Path, counts: dict[str, int], width: int, height: int) -> Path:
    """Draw frames into a folder, unless they are there."""
    if not folder.exists():
        make_phantom(folder, PhantomSettings(**counts, width=width, height=height))
    return folder


def bytes_of(folder: Path) -> int:
    """Return how many bytes a folder takes."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def prepared_set(root: Path) -> Path:
    """Return a prepared data set to train on."""
    data = root / "data"
    if not data.exists():
        api.prepare(frames_of(root / "frames", FRAMES, 640, 512), data, PrepareSettings(size=SIZE))
    return data


def prepare_rates(root: Path, note: Callable[[str, dict[str, Any]], None], known: dict[str, Any]) -> None:
    """Measure how many frames a core prepares."""
    for name, (width, height) in SIDES.items():
        if name in known:
            continue
        count = COUNTS[name]
        counts = {"train": count - 8, "val": 4, "test_normal": 2, "test_abnormal": 2}
        frames = as_jpeg(frames_of(root / f"raw-{width}", counts, width, height))
        facts: dict[str, Any] = {"frames": count, "bytes_of_a_file": bytes_of(frames / "normal") // (count - 2)}
        with timed(facts):
            data: Prepared = api.prepare(frames, root / f"prepared-{width}", PrepareSettings(size=SIZE), workers=1)
        facts["bytes_of_a_crop"] = bytes_of(Path(data.folder)) // len(data.index)
        note(name, facts)


def trained(folder: Path, data: Path, name: str, epochs: int) -> dict[str, Any]:
    """Train a backend and say what that took."""
    shutil.rmtree(folder, ignore_errors=True)
    facts: dict[str, Any] = {"epochs": epochs}
    settings = api.recipe(name, None, [f"train.epochs={epochs}", "train.panel_epochs=0", "data.batch_size=16"])
    with timed(facts):
        api.train(data, folder, settings)
    return facts


def frames_per_second(trainings: Sequence[dict[str, Any]]) -> float:
    """Return how many frames a second of processor time is worth: by the difference of a long and a short training.

    What both take (building nets, calibrating) is not in it. A detector that fits in one pass takes as long for any number of
    epochs, and its rate is that of the whole.
    """
    short, long = (facts["processor_seconds"] for facts in trainings)
    if long < 1.5 * short:
        return FRAMES["train"] / min(short, long)
    return FRAMES["train"] * (EPOCHS[1] - EPOCHS[0]) / (long - short)


def backend_rates(root: Path, note: Callable[[str, dict[str, Any]], None], known: dict[str, Any]) -> None:
    """Measure how many frames a core trains on and scores, with maps, and the memory that the training takes."""
    data = prepared_set(root)
    trained(root / "runs" / "first", data, "vae", 1)  # what is imported and built once is in no rate
    for name in registry.names():
        if name in known or name in NEEDS_OTHERS:
            continue
        training = [trained(root / "runs" / name, data, name, epochs) for epochs in EPOCHS]
        record = recorded(run := open_run(root / "runs" / name))
        scoring: dict[str, Any] = {"frames": FRAMES["test_normal"] + FRAMES["test_abnormal"]}
        loaded = api.load(run.folder, device="cpu")
        with timed(scoring):
            loaded.score(data, split="test")
        weights = (run.folder / "model.safetensors").stat().st_size
        rate = frames_per_second(training)
        note(name, {"train": training, "trained_per_second": rate, "score": scoring, **record, "bytes_of_weights": weights})


def worker_rates(root: Path, note: Callable[[str, dict[str, Any]], None], known: dict[str, Any]) -> None:
    """Score an archive with more and more workers; every table has to have the same bytes of scores."""
    import pandas as pd

    run = root / "runs" / "endovae"
    if not run.exists():
        api.train(prepared_set(root), run, api.recipe("endovae", None, ["train.epochs=1", "train.panel_epochs=0"]))
    archive = as_jpeg(frames_of(root / "archive", ARCHIVE, 640, 512))
    first = None
    for count in WORKERS:
        out, facts = root / f"scored-{count}", {}
        with timed(facts):
            found = api.score_archive(run, str(archive), out, maps=True, partition=PARTITION, workers=count)
        scores = pd.read_parquet(out / "scores")["score"]
        first = scores if first is None else first
        facts |= {"frames": found.frames, "partitions": found.partitions, "bytes_of_results": bytes_of(out) // found.frames}
        note(str(count), facts | {"same_scores": bool(scores.equals(first))})


PARTS = {"prepare": prepare_rates, "backends": backend_rates, "workers": worker_rates}


def main(out: Path, *names: str) -> None:
    """Measure the parts that are named, or all but the last."""
    os.environ["OMP_NUM_THREADS"] = "1"
    torch.set_num_threads(1)
    out.mkdir(parents=True, exist_ok=True)
    from bench import machine

    write_json(out / "machine.json", machine())
    with tempfile.TemporaryDirectory() as folder:
        for name in names or ("prepare", "backends"):
            file = out / f"{name}.json"

            def note(what: str, facts: dict[str, Any], file: Path = file) -> None:
                write_json(file, {**read_json(file), what: facts})
                sys.stdout.write(f"{file.stem}: {what}: {facts}\n")
                sys.stdout.flush()

            PARTS[name](Path(folder), note, read_json(file))


if __name__ == "__main__":
    from usage import arguments

    given = arguments(__doc__)
    main(Path(given[0]), *given[1:])
