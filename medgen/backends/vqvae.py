"""VQ-VAE: an autoencoder whose latent is a grid of discrete codes, with a PixelCNN that knows which codes go together.

Source: van den Oord, Vinyals and Kavukcuoglu 2017, "Neural Discrete Representation Learning", https://arxiv.org/abs/1711.00937.
Anomaly score: how far a frame is from its reconstruction out of codes learnt on normal frames; or, by setting, how unlikely its
codes are under the prior.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pydantic import Field
from torch import Tensor, nn

from medgen.backends._codes import CodeModel, CodeSettings, pad
from medgen.contract.backend import Optimizer, Player
from medgen.nn.codes.quantizer import Quantized, Quantizer, ResidualBlock
from medgen.nn.conv_stacks import down, up


class Config(CodeSettings):
    """Settings of VQ-VAE; more detail is fewer widths: (64, 128) with 2 residual blocks makes 16 x 16 codes of a 64 px frame."""

    widths: tuple[int, ...] = Field((8, 16, 32, 64), min_length=1)  # channels of the encoder; each halves the grid
    residual_blocks: int = Field(0, ge=0)  # at the grid of the codes, in the encoder and in the decoder
    residual_width: int = Field(64, ge=1)  # between the two convolutions of a block
    optimizer: Optimizer = Optimizer(lr=1e-3)
    prior_optimizer: Optimizer = Optimizer(lr=1e-3)


class Model(CodeModel):
    """The encoder has 28,688 weights, the codebook 512 x 64 and the decoder 61,395 with 3 channels."""

    def __init__(self, config: Config, size: int, channels: int) -> None:
        super().__init__(config, size, channels)
        self.config: Config = config
        self.stride = 2 ** len(config.widths)
        self.encoder = nn.Sequential(*_encoder(config, channels))
        self.quantizer = Quantizer(config.quantizer)
        self.decoder = nn.Sequential(*_decoder(config, channels))
        self.quantizers = (self.quantizer,)
        self.prior = self.make_prior([self.stride])

    @property
    def players(self) -> dict[str, Player]:
        players = {"vqvae": Player((self.encoder, self.quantizer, self.decoder), self.config.optimizer)}
        return players if self.prior is None else players | {"prior": Player((self.prior,), self.config.prior_optimizer)}

    def encode(self, image: Tensor) -> list[Quantized]:
        return [self.quantizer(self.encoder(pad(image - 0.5, self.stride)))]

    def draw(self, vectors: Sequence[Tensor]) -> Tensor:
        return self.decoder(vectors[0])[:, :, : self.size, : self.size] + 0.5


def _encoder(config: Config, channels: int) -> Iterator[nn.Module]:
    yield from down(channels, config.widths)
    yield from _residual(config)
    yield nn.Conv2d(config.widths[-1], config.quantizer.width, 1)


def _decoder(config: Config, channels: int) -> Iterator[nn.Module]:
    width = config.quantizer.width
    if config.residual_blocks:
        yield nn.Conv2d(width, config.widths[-1], 3, padding=1)
        yield from _residual(config)
        width = config.widths[-1]
    yield from up(width, config.widths[::-1])
    yield nn.Conv2d(config.widths[0], channels, 3, padding=1)


def _residual(config: Config) -> Iterator[nn.Module]:
    for _ in range(config.residual_blocks):
        yield ResidualBlock(config.widths[-1], config.residual_width)
    if config.residual_blocks:
        yield nn.ReLU()
