"""DDPM: a diffusion model of normal frames; a frame is noised part of the way and denoised again (AnoDDPM).

Source: Wyatt et al. 2022, "AnoDDPM: Anomaly Detection with Denoising Diffusion Probabilistic Models using Simplex Noise",
https://doi.org/10.1109/CVPRW56347.2022.00080, over Ho et al. 2020, https://arxiv.org/abs/2006.11239. Anomaly score: how far a
frame is from what is left of it after `depth` of the noising and the whole way back.

Noise that hides an anomaly lets the model put normal tissue there. The way back draws no noise of its own and takes few steps
(Song et al. 2020, https://arxiv.org/abs/2010.02502). A frame is scored with the same noise always, which is that of every frame.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from medgen import ranks
from medgen.config import SEEDS, Settings
from medgen.contract.backend import Backend, Losses, Optimizer, Player
from medgen.errors import BackendError, ConfigError
from medgen.losses import valid_mean
from medgen.nn.diffusion.denoising_net import DenoisingNet
from medgen.nn.diffusion.noising import NoiseKind, denoised, draw_noise, kept_signal, noised
from medgen.nn.features.residual import ResidualSettings, residual_scores
from medgen.nn.inpaint import inpaint
from medgen.types import Batch, Scores

HEAD = 8  # channels of a head of attention in MONAI's net, and of a group that is normalised: it divides the widths


class Config(Settings):
    """Settings of the diffusion model; the defaults suit frames of 64 pixels on a processor."""

    net: Literal["small", "monai"] = "small"  # "monai": DiffusionModelUNet, which needs einops and widths that 8 divides
    widths: tuple[Annotated[int, Field(ge=1, le=4096)], ...] = Field((16, 32, 64), min_length=1)  # of each grid, the finest first
    blocks: int = Field(1, ge=1, le=16)  # residual blocks on each grid
    noise: NoiseKind = "fractal"  # "gaussian" is white; it hides small anomalies alone
    steps: int = Field(1000, ge=2, le=100_000)  # of noising, from a frame to noise alone
    depth: float = Field(0.25, gt=0, le=1)  # share of the steps to which a frame is noised that is scored
    denoising_steps: int = Field(10, ge=1, le=1000)  # back from there, each a look of the net
    sampling_steps: int = Field(50, ge=1, le=1000)  # from noise alone to a new frame
    draws: int = Field(1, ge=1, le=100)  # of noise for each frame that is scored, of which the mean is taken
    seed: int = Field(0, ge=0, lt=SEEDS)  # of that noise
    optimizer: Optimizer = Optimizer(lr=1e-3, ema=0.995, decay_from=0.5)
    score: ResidualSettings = ResidualSettings()


class Model(Backend):
    """Frames of a side that a net with these widths can halve; what is not valid is filled before it is noised."""

    divides = True
    config: Config

    def __init__(self, config: Config, size: int, channels: int) -> None:
        super().__init__(config, size, channels)
        shrink = 2 ** (len(config.widths) - 1)
        if size % shrink:
            nearest = size // shrink * shrink or shrink
            raise ConfigError(
                f"ddpm with {len(config.widths)} widths needs a size that {shrink} divides, not {size}, such as {nearest}"
            )
        self.net = _monai_net(config, channels) if config.net == "monai" else DenoisingNet(channels, config.widths, config.blocks)
        self.register_buffer("kept", kept_signal(config.steps), persistent=False)  # (T,)
        generator = torch.Generator().manual_seed(config.seed)
        self.register_buffer(
            "noise", draw_noise(torch.empty(config.draws, channels, size, size), config.noise, generator), persistent=False
        )
        self.kept: Tensor
        self.noise: Tensor

    @property
    def players(self) -> dict[str, Player]:
        return {"denoiser": Player((self.net,), self.config.optimizer)}

    def _predicted(self, noisy: Tensor, time: Tensor) -> Tensor:
        """Return the noise (B, C, S, S) that the net sees in frames at steps (B,)."""
        return self.net(noisy, time).float()

    def turns(self, batch: Batch, progress: float) -> Iterator[tuple[str, Losses]]:
        frames = _centred(batch)
        time = ranks.randint(self.config.steps, (len(batch),), frames.device)
        noise = draw_noise(frames, self.config.noise)
        error = self._predicted(noised(frames, noise, self.kept[time]), time) - noise
        yield "denoiser", {"noise": valid_mean(error.square().mean(1, keepdim=True), batch.valid).mean()}

    def reconstruct(self, batch: Batch) -> Tensor:
        """Return (B, C, S, S) in [0, 1]: the mean of the frame noised and denoised once for each draw."""
        frames, first = _centred(batch), max(round(self.config.depth * self.config.steps) - 1, 0)
        total = torch.zeros_like(frames)
        for noise in self.noise:
            noisy = noised(frames, noise, self.kept[first])
            total += denoised(noisy, self.kept, first, self.config.denoising_steps, self._predicted)
        return (total / len(self.noise) + 1) / 2

    def sample(self, n: int) -> Tensor:
        """Return (n, C, S, S) in [0, 1], denoised from noise alone."""
        noise = draw_noise(self.noise.new_empty(n, *self.noise.shape[1:]), self.config.noise)
        return (denoised(noise, self.kept, self.config.steps - 1, self.config.sampling_steps, self._predicted) + 1) / 2

    def score(self, batch: Batch) -> Scores:
        return residual_scores(batch.image, self.reconstruct(batch), batch.valid, self.config.score)


def _centred(batch: Batch) -> Tensor:
    """Return the frames without holes, (B, C, S, S) in [-1, 1]."""
    return 2 * inpaint(batch.image, batch.valid) - 1


def _monai_net(config: Config, channels: int) -> nn.Module:
    """Return MONAI's net, which users compare with.

    Raises
    ------
    BackendError : if einops is missing, which that net needs and MONAI does not install.
    ConfigError : if a width is not a multiple of 8.
    """
    if wrong := [width for width in config.widths if width % HEAD]:
        raise ConfigError(f"MONAI's net needs widths that {HEAD} divides, not {wrong[0]}")
    from monai.networks.nets.diffusion_model_unet import DiffusionModelUNet  # seconds to import
    from monai.utils.module import OptionalImportError

    try:
        return DiffusionModelUNet(
            spatial_dims=2,
            in_channels=channels,
            out_channels=channels,
            num_res_blocks=config.blocks,
            channels=config.widths,
            attention_levels=[False] * len(config.widths),
            norm_num_groups=HEAD,
            num_head_channels=HEAD,
        )
    except OptionalImportError:
        raise BackendError("MONAI's net needs einops; pip install einops, or set model.net to 'small'") from None
