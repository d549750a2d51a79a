"""A folder of frames and a run on it whose weights are those of its seed: quick to make, and the same on every machine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from medgen import api
from medgen.data.native.addresses import open_dataset
from medgen.engine import checkpoint
from medgen.engine.device import make_fabric
from medgen.engine.fit import WEIGHTS
from medgen.runs.calibrate import calibrate
from medgen.runs.run import Run, create_run
from medgen.runs.settings import fill_defaults


def make_frames(root: Path) -> Path:
    """Make a folder of PNG, whose pixels every decoder reads alike."""
    random = np.random.default_rng(0)
    for name, count in (("train/good", 8), ("val/good", 24), ("test/good", 8), ("test/bad", 8)):
        (root / name).mkdir(parents=True)
        for k in range(count):
            coarse = Image.fromarray(random.integers(0, 256, (4, 4, 3), dtype=np.uint8))
            coarse.resize((32, 32), Image.Resampling.NEAREST).save(root / name / f"{k:02}.png")
    return root


def make_run(frames: Path, folder: Path) -> Run:
    """Make a run that was never trained: its weights are those of its seed, the same on every machine."""
    data = open_dataset(f"folder:{frames}")
    settings = fill_defaults(api.recipe("vae", None, ("model.latents=2", "model.widths=[8]", "data.batch_size=8")), data)
    run = create_run(folder, settings, data, "")
    checkpoint.save(folder / WEIGHTS, run.new_model().state_dict(), {})
    calibrate(run, data, make_fabric("cpu", "float32"))
    return run
