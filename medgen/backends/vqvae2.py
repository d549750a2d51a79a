"""VQ-VAE-2: grids of discrete codes at several scales, coarse ones for shape and fine ones for detail, with a PixelCNN over each.

Source: Razavi, van den Oord and Vinyals 2019, "Generating Diverse High-Fidelity Images with VQ-VAE-2",
https://arxiv.org/abs/1906.00446. Anomaly score: how far a frame is from its reconstruction out of codes learnt on normal frames;
or, by setting, how unlikely its codes are under the prior.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from pydantic import Field
from torch import Tensor, nn

from medgen.backends._codes import CodeModel, CodeSettings, pad
from medgen.contract.backend import Optimizer, Player
from medgen.nn.codes.quantizer import Quantized, Quantizer, ResidualBlock
from medgen.nn.conv_stacks import down, up


class Config(CodeSettings):
    """Settings of VQ-VAE-2; the defaults make 16 x 16 and 8 x 8 codes of a 64 px frame."""

    levels: int = Field(2, ge=2, le=3)  # each has half the grid of the one below
    widths: tuple[int, ...] = Field((64, 96), min_length=1)  # channels down to the finest grid of codes; each halves the image
    residual_blocks: int = Field(2, ge=0)  # at each level, in the encoder and in the decoder
    residual_width: int = Field(48, ge=1)  # between the two convolutions of a block
    optimizer: Optimizer = Optimizer(lr=1e-3)
    prior_optimizer: Optimizer = Optimizer(lr=1e-3)


class Level(nn.Module):
    """One scale: features down from the finer one, their codes given what is coarser, and what is drawn from both.

    Parameters
    ----------
    down : from the finer features, or the image, to this grid
    up : from this grid to the finer one, or to the image
    top : whether nothing is coarser
    """

    def __init__(self, config: Config, down: Sequence[nn.Module], up: Sequence[nn.Module], top: bool) -> None:
        super().__init__()
        width, codes = config.widths[-1], config.quantizer.width
        above = 0 if top else width
        self.down = nn.Sequential(*down, nn.Conv2d(width, width, 3, padding=1), *_residual(config))
        self.to_codes = nn.Conv2d(width + above, codes, 1)
        self.quantizer = Quantizer(config.quantizer)
        self.up = nn.Sequential(nn.Conv2d(codes + above, width, 3, padding=1), *_residual(config), *up)

    def quantise(self, features: Tensor, above: Tensor | None) -> Quantized:
        """Quantise features (B, W, h, w), given what is drawn from the coarser levels, of the same shape."""
        return self.quantizer(self.to_codes(_join(features, above)))

    def draw(self, vectors: Tensor, above: Tensor | None) -> Tensor:
        """Return (B, W, 2 h, 2 w), or the image, of the codes' vectors (B, D, h, w) and what is drawn from the coarser levels."""
        return self.up(_join(vectors, above))


class Model(CodeModel):
    """Lists of levels go from the coarsest grid of codes to the finest."""

    def __init__(self, config: Config, size: int, channels: int) -> None:
        super().__init__(config, size, channels)
        self.config: Config = config
        finest, width = 2 ** len(config.widths), config.widths[-1]
        strides = [finest * 2**level for level in reversed(range(config.levels))]
        self.stride = strides[0]
        coarser = [Level(config, down(width, (width,)), up(width, (width,)), top=k == 0) for k in range(config.levels - 1)]
        to_image = [*up(width, config.widths[::-1]), nn.Conv2d(config.widths[0], channels, 3, padding=1)]
        bottom = Level(config, down(channels, config.widths), to_image, top=False)
        self.levels = [*coarser, bottom]
        self.nets = nn.ModuleList(self.levels)
        self.quantizers = [level.quantizer for level in self.levels]
        self.prior = self.make_prior(strides)

    @property
    def players(self) -> dict[str, Player]:
        players = {"vqvae": Player((self.nets,), self.config.optimizer)}
        return players if self.prior is None else players | {"prior": Player((self.prior,), self.config.prior_optimizer)}

    def _encode(self, image: Tensor) -> tuple[list[Quantized], Tensor | None]:
        """Return what each level's quantiser makes of the image, and what is drawn from all levels but the finest."""
        features = [pad(image - 0.5, self.stride)]
        for level in reversed(self.levels):
            features.append(level.down(features[-1]))  # (B, W, h, w), half the grid each time
        quantized: list[Quantized] = []
        above: Tensor | None = None
        for k, level in enumerate(self.levels):
            if k:
                above = self.levels[k - 1].draw(quantized[-1].vectors, above)  # (B, W, h, w) of level k
            quantized.append(level.quantise(features[-1 - k], above))
        return quantized, above

    def encode(self, image: Tensor) -> list[Quantized]:
        return self._encode(image)[0]

    def autoencode(self, image: Tensor) -> tuple[Tensor, list[Quantized]]:
        quantized, above = self._encode(image)
        return self._finish(self.levels[-1].draw(quantized[-1].vectors, above)), quantized

    def draw(self, vectors: Sequence[Tensor]) -> Tensor:
        drawn: Tensor | None = None
        for level, own in zip(self.levels, vectors, strict=True):
            drawn = level.draw(own, drawn)  # (B, W, 2 h, 2 w), at last (B, C, padded, padded)
        assert drawn is not None
        return self._finish(drawn)

    def _finish(self, drawn: Tensor) -> Tensor:
        return drawn[:, :, : self.size, : self.size] + 0.5  # (B, C, S, S)


def _join(features: Tensor, above: Tensor | None) -> Tensor:
    return features if above is None else torch.cat([features, above], 1)


def _residual(config: Config) -> Iterator[nn.Module]:
    for _ in range(config.residual_blocks):
        yield ResidualBlock(config.widths[-1], config.residual_width)
    yield nn.ReLU()
