"""Parts of `gpu.py`: the recipes that nobody has measured yet, trained for as long as the time allows."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from gpu_parts import ROOT, Outcome, Setting, Skipped

from medgen import api
from medgen.runs.resources import recorded
from medgen.runs.run import Run
from medgen.types import Progress

DATA = Path(os.environ.get("MEDGEN_TEST_DATA", ROOT.parent / "shared" / "data"))
RESERVE = 20.0  # seconds for what comes behind a training: scores of the normal validation frames, a threshold
SMALL_SECONDS = 8.0
SMALL = {
    "pix2pix-maps": ["model.width=4", "model.critic_width=4", "data.resize_to=64", "data.epoch_frames=32"],
    "pixelda-mnistm-full": ["model.width=4", "model.blocks=1", "model.discriminator_width=4", "data.epoch_frames=256"],
}


def recipe(name: str, setting: Setting) -> Outcome:
    """Train by a recipe until its share of the time is over."""
    address, assignments = SOURCES[name](setting)
    settings = api.recipe(
        name.partition("-")[0], ROOT / "configs" / f"{name}.toml", [*assignments, *(SMALL[name] if setting.small else [])]
    )
    share = SMALL_SECONDS if setting.small else setting.seconds_left / setting.parts_left - RESERVE
    if share < 5:
        raise Skipped(f"{setting.seconds_left:.0f} s left are too few to train and to calibrate")
    seen: list[Progress] = []

    def note(progress: Progress) -> None:
        if progress.task == "train" and progress.total:
            seen[1:] = [progress]  # the first one stays

    out = setting.out / name
    shutil.rmtree(out, ignore_errors=True)
    run = api.train(Path(address), out, settings, device=setting.device, max_minutes=share / 60, on_progress=note)
    return outcome(run, seen)


def outcome(run: Run, seen: list[Progress]) -> Outcome:
    """Return how far a run has come, how long all of it would take, and its losses."""
    last, rows = seen[-1], run.history()
    seconds = recorded(run)["training_seconds"]
    numbers: dict[str, Any] = {
        "steps": last.done,
        "steps_of_the_recipe": last.total,
        "seconds": round(seconds, 1),
        "minutes_of_the_recipe": round(seconds / max(1, last.done) * last.total / 60, 1),
        "frames_per_second": round(last.values.get("frames/s", seen[0].values.get("frames/s", 0.0)), 1),
        "last_epoch": {} if rows.empty else {name: value for name, value in rows.iloc[-1].items() if value == value},
    }
    end = last_losses(numbers["last_epoch"], last.values)
    text = (
        f"{last.done:,} of {last.total:,} steps in {seconds:.0f} s, {numbers['frames_per_second']:,.0f} frames/s, "
        f"the whole recipe about {numbers['minutes_of_the_recipe']:,.0f} minutes; {end}"
    )
    return Outcome(text, numbers)


def last_losses(row: Mapping[str, Any], shown: Mapping[str, float]) -> str:
    """Return the losses of the last whole epoch, or the sum of those of the epoch that was stopped."""
    losses = {name.removeprefix("train."): value for name, value in row.items() if name.startswith("train.")}
    if not losses:
        return f"no epoch is whole yet, loss {shown.get('loss', float('nan')):.3g}"
    return f"epoch {int(row['epoch'])}: " + ", ".join(f"{name} {value:.3g}" for name, value in losses.items())


def maps(setting: Setting) -> tuple[str, list[str]]:
    return f"pairs:{found('maps')}", []


def digits(setting: Setting) -> tuple[str, list[str]]:
    mnist, photographs = found("mnist"), found("bsds500")
    made = api.make_mnist_m(mnist, photographs, setting.out / "mnist-m", size=32)
    return f"mnist:{mnist}", [f"data.other={made.folder.resolve()}"]


SOURCES: Mapping[str, Callable[[Setting], tuple[str, list[str]]]] = {"pix2pix-maps": maps, "pixelda-mnistm-full": digits}


def found(name: str) -> Path:
    """Return a folder of real data."""
    if not (DATA / name).is_dir():
        raise Skipped(f"there is no '{DATA / name}'; name the folder of the data in MEDGEN_TEST_DATA")
    return DATA / name
