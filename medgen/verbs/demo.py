"""Everything once, on synthetic frames: make them, prepare, train, score, report."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, NamedTuple

from medgen.data.phantom.frames import PhantomSettings, make_phantom
from medgen.data.prepared import PrepareSettings
from medgen.data.preparing.prepare import prepare
from medgen.engine.device import Device
from medgen.files import write_text
from medgen.outputs.folder import output_folder
from medgen.runs.settings import RunSettings
from medgen.types import OnProgress, no_progress
from medgen.verbs.report import report
from medgen.verbs.train import train

# The architecture of endovae at a quarter of the pixels, long enough for lesions to stand out.
SIZE = 48
PARTS = ("source", "prepared", "run", "report")  # what an earlier demo left is made anew
MARK = "demo.txt"  # the folder is a demo and may be replaced
RECIPE: dict[str, Any] = {
    "backend": "endovae",
    "model": {"latents": 16, "kl_warmup": 0.5},
    "train": {"epochs": 40, "panel_epochs": 20},
}


class Demo(NamedTuple):
    """Where the demo left its page and its metrics."""

    page: Path
    metrics: Path


def demo(
    out: Path,
    *,
    device: Device = "auto",
    epochs: int | None = None,
    difficulty: float = 0.3,
    on_progress: OnProgress = no_progress,
) -> Demo:
    """Run the whole chain in `out`: ``source/`` (frames), ``prepared/``, ``run/`` and ``report/``.

    Parameters
    ----------
    out : a new folder, or that of an earlier demo
    device : "auto" takes a GPU where there is one
    epochs : of the training; None: those of the demo's recipe
    difficulty : of the lesions, from 0 (easy) to 1

    Raises
    ------
    FolderError : if `out` holds anything but an earlier demo, which is replaced, or another process writes into it.

    Examples
    --------
    >>> made = api.demo(OUT / "demo", epochs=1)
    >>> made.page.name, made.metrics.name
    ('report.html', 'metrics.json')
    """
    recipe = RunSettings.parse(RECIPE)
    if epochs:
        recipe = recipe.model_copy(update={"train": recipe.train.model_copy(update={"epochs": epochs})})
    with output_folder(out, "demo", (MARK,)):
        for name in PARTS:
            shutil.rmtree(out / name, ignore_errors=True)
        write_text(out / MARK, "Made by `medgen demo`, which replaces this folder when it runs again.\n")
        source = make_phantom(out / "source", PhantomSettings(difficulty=difficulty), on_progress)
        data = prepare(source, out / "prepared", PrepareSettings(size=SIZE), on_progress=on_progress)
        run = train(data.folder, out / "run", recipe, device=device, command="medgen demo", on_progress=on_progress)
        page = report([run.folder], out / "report", device=device, on_progress=on_progress)
        return Demo(page, page.parent / "metrics.json")
