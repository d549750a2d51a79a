"""A folder of frames, a run on it and an extractor whose weights are those of a seed: quick, and everywhere alike."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from medgen import api
from medgen.contract.capabilities import OnePassFit
from medgen.data.dataset import make_batch
from medgen.data.native.addresses import open_dataset
from medgen.engine import checkpoint
from medgen.engine.fit import WEIGHTS
from medgen.nn.features.nets.efficientnet import VARIANTS, EfficientNetLite
from medgen.runs.calibrating.calibrate import calibrate
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


SMALL = ("model.latents=2", "model.widths=[8]", "model.encoder_hidden=[16]", "model.decoder_hidden=[16]", "data.batch_size=8")


def make_run(frames: Path | str, folder: Path, backend: str = "vae", settings: Sequence[str] = SMALL) -> Run:
    """Make a run that was never trained: its weights are those of its seed, the same on every machine.

    Only a backend that fits in one pass has made that pass. `frames` is a folder of frames that are taken as they are, or, as a
    string, the address of a data set.
    """
    data = open_dataset(frames if isinstance(frames, str) else f"folder:{frames}")
    run = create_run(folder, fill_defaults(api.recipe(backend, None, settings), data), data, "")
    model = run.new_model()
    if isinstance(model, OnePassFit):
        list(model.turns(make_batch(data, data.rows("train")), 0.0))
        model.finalise_fit()
    checkpoint.save(folder / WEIGHTS, model.state_dict(), {})
    calibrate(run, data, torch.device("cpu"))
    return run


def save_lite(path: Path, net: str = "efficientnet-lite0") -> dict[str, torch.Tensor]:
    """Write random weights of an EfficientNet-Lite with their batch normalisation, in order; return them."""
    state: dict[str, torch.Tensor] = {}
    for place, layer in enumerate(
        module for module in EfficientNetLite(VARIANTS[net]).modules() if isinstance(module, nn.Conv2d)
    ):
        one = torch.ones(layer.out_channels)
        state |= {f"{place:03}.conv.weight": layer.weight.data.contiguous(), f"{place:03}.norm.mean": torch.zeros_like(one)}
        state |= {f"{place:03}.norm.var": one - 1e-3, f"{place:03}.norm.beta": one / 10}
    save_file(state, path)
    return state
