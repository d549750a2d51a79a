"""The whole chain on synthetic frames in less than a minute, and the figures that it is known to give."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from medgen.data.phantom.frames import PhantomSettings, make_phantom
from medgen.data.prepared import PrepareSettings
from medgen.data.preparing.prepare import prepare
from medgen.engine.device import Device
from medgen.metrics.detection import auroc
from medgen.runs.settings import RunSettings
from medgen.types import OnProgress, Progress, no_progress
from medgen.verbs.score import score
from medgen.verbs.train import train

FRAMES = {"train": 96, "val": 40, "test_normal": 48, "test_abnormal": 48, "width": 180, "height": 160, "difficulty": 0.0}
SIZE = 32
RECIPE = {
    "backend": "endovae",
    "model": {"latents": 16},
    "train": {"epochs": 12, "precision": "float32", "panel_epochs": 0},
}
# What was measured with three seeds, and in bfloat16, lies well within these bounds (a loss of 1,551 to 1,557, an AUROC near
# 0.645); a processor, driver or package that computes wrongly leads out of them.
BRIGHTNESS = (107.5, 108.8)  # mean of the prepared frames, 0 to 255
LOSS = (1530.0, 1600.0)  # of the validation frames after the last epoch
AREA = (0.60, 0.74)  # under the ROC curve, of so few and small frames
LONGEST = 600.0  # seconds


class Figure(NamedTuple):
    """A number that the chain gave, and the bounds that it should lie in."""

    name: str
    value: float
    least: float
    most: float


def self_test(device: Device = "auto", on_progress: OnProgress = no_progress) -> list[Figure]:
    """Make frames, prepare them, train, calibrate and score, in a temporary folder; return the figures.

    Raises
    ------
    MedgenError : if a step fails.
    """

    def without_words(progress: Progress) -> None:  # of a model this small that is trained so shortly, they would mislead
        on_progress(progress._replace(message=""))

    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="medgen-") as folder:
        here = Path(folder)
        source = make_phantom(here / "source", PhantomSettings.parse(FRAMES), without_words)
        data = prepare(source, here / "prepared", PrepareSettings(size=SIZE), on_progress=without_words)
        brightness = float(data.frames[:].mean())
        run = train(data.folder, here / "run", RunSettings.parse(RECIPE), device=device, on_progress=without_words)
        loss = float(run.history()["val.loss"].iloc[-1])
        table = score(run.folder, data.folder, here / "scores", device=device, pictures=False, on_progress=without_words).table
        area = float(auroc((table["label"] == "abnormal").to_numpy(), table["score"].to_numpy()))
    return [
        Figure("mean brightness of the prepared frames", brightness, *BRIGHTNESS),
        Figure("validation loss", loss, *LOSS),
        Figure("AUROC", area, *AREA),
        Figure("seconds", time.monotonic() - began, 0.0, LONGEST),
    ]
