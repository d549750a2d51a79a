"""The smallest settings of each backend that still do what the backend does, and batches to try them on.

Models and batches are on the CPU, or on the device that MEDGEN_TEST_DEVICE names ("cuda"), so that test_backends.py can be run
there; other tests are meant for the CPU alone.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from medgen.contract.backend import Backend
from medgen.engine.device import make_fabric
from medgen.engine.fit import Fit
from medgen.engine.train_settings import TrainSettings
from medgen.testing import SIDE, BackendCase, one_of, random_frames, training_frames
from medgen.types import Batch

SIZE, pick = SIDE, one_of
DEVICE = torch.device(os.environ.get("MEDGEN_TEST_DEVICE", "cpu"))
NARROW = {  # settings that make a run quick; a backend that is not here is as it comes
    "controlvae": ["model.hidden=16"],
    "cvae": ["model.widths=[8]", "model.latents=4"],
    "cyclegan": ["model.generator_width=4", "model.critic_width=4", "model.pool_size=4"],
    "ddpm": ["model.widths=[4,4,4]", "model.denoising_steps=2", "model.sampling_steps=2"],
    "dfm": ["model.sides=[64]"],
    "featvae": ["model.width=8", "model.features.side=64"],
    "gan": ["model.width=4", "model.hidden=16"],
    "monai-autoencoderkl": ["model.widths=[8,8]", "model.groups=4"],
    "monai-vqvae": ["model.widths=[8,8]", "model.residual_layers=1", "model.codes=32", "model.code_width=8"],
    "padim": ["model.features.side=64", "model.width=8"],
    "patchcore": ["model.features.side=64", "model.bank=50"],
    "pix2pix": ["model.width=4", "model.critic_width=4"],
    "pixelda": ["model.width=4", "model.blocks=1", "model.discriminator_width=4"],
    "rd": ["model.features.side=64", "model.width=8", "model.latents=4"],
    "ssgan": ["model.generator_width=4", "model.critic_width=4"],
    "stylegan": ["model.net.width=8", "model.net.latent=8", "model.net.capacity=64"],
    "synth": ["model.features.side=64", "model.width=8"],
    "vae": ["model.widths=[8]", "model.latents=4", "model.encoder_hidden=[16]", "model.decoder_hidden=[16]"],
    "vqvae": ["model.prior.width=8", "model.prior.layers=1"],
    "vqvae2": ["model.widths=[8]", "model.residual_blocks=0", "model.prior.width=8", "model.prior.layers=1"],
    "wgan": ["model.width=4", "model.hidden=16"],
}


def tiny(name: str, **settings: object) -> Backend:
    """Return a backend with fresh weights for frames of SIZE x SIZE x 3."""
    return BackendCase(name, (), DEVICE).model(**settings)


def narrow(name: str, seed: int = 0) -> Backend:
    """Return a backend as `tiny` does, in the widths of NARROW: for what is true of a net however wide it is."""
    return BackendCase(name, NARROW.get(name, ()), DEVICE).model(seed)


def quick_vae(**settings: object) -> Backend:
    """Return a small network that draws random latents, for what is true of a training whatever the backend."""
    settled = {"lr": 1e-3, "warmup_steps": 100, "plateau_epochs": 10, "plateau_factor": 0.5, "min_lr": 1e-6}
    sizes = {"kl_warmup": 0.3, "widths": [8], "latents": 4, "encoder_hidden": [16], "decoder_hidden": [16]}
    return tiny("vae", **{**sizes, "optimizer": settled, **settings})


def training_batch(n: int = 4, seed: int = 0) -> Batch:
    """Return a batch with all that a backend may want in training: findings, and second frames."""
    return training_frames(n, seed).to(DEVICE)


def batch(n: int = 4, seed: int = 0) -> Batch:
    """Return random smooth frames, a tenth of the pixels not valid."""
    return random_frames(n, seed).to(DEVICE)


def whole_frames(number: int, count: int = 6) -> Batch:
    """Return random smooth frames, all of which is valid; the rows of the data set go on from number to number."""
    drawn = batch(count, seed=number)
    index = torch.arange(number * count, (number + 1) * count)
    return Batch(drawn.image, torch.ones_like(drawn.valid), index)


class Batches:
    """Training and validation batches without a data set."""

    def __init__(self, steps: int = 3) -> None:
        self.steps = steps

    def __len__(self) -> int:
        return self.steps

    def epoch(self, number: int, start: int = 0, device: object = "cpu") -> Iterator[Batch]:
        for step in range(start, self.steps):
            yield training_batch(seed=1000 * number + step)

    def __iter__(self) -> Iterator[Batch]:
        yield training_batch(seed=7)


def make_fit(folder: Path, model: Backend | None = None, steps: int = 3, kind: type[Fit] = Fit, **settings: Any) -> Fit:
    """Return a training of four epochs, or as the settings say."""
    chosen = TrainSettings(**({"epochs": 4, "precision": "float32", **settings}))
    return kind(model or quick_vae(), Batches(steps), Batches(), chosen, make_fabric(DEVICE.type, chosen.precision), folder)


def after(steps: int) -> Callable[[], bool]:
    """Return a stop signal that comes after so many steps."""
    left = iter(range(steps - 1, -1, -1))
    return lambda: next(left) <= 0
