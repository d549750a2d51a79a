"""MONAI-VQVAE: the VQ-VAE of MONAI as it comes, net, codebook and losses of its tutorial, as a row of every comparison.

Source: van den Oord, Vinyals and Kavukcuoglu 2017, https://arxiv.org/abs/1711.00937, in the form of Tudosiu et al. 2022,
https://arxiv.org/abs/2209.03177, as MONAI has it: https://docs.monai.io/en/stable/networks.html#vqvae. Anomaly score: how far a
frame is from its reconstruction out of codes learnt on normal frames.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from medgen import ranks
from medgen.backends._codes import pad
from medgen.config import Settings
from medgen.contract.backend import Backend, Losses, Optimizer, Player
from medgen.losses import valid_mean
from medgen.nn.codes.quantizer import perplexity
from medgen.nn.features.pixel_loss import PixelLoss, PixelResidual
from medgen.nn.features.residual import ResidualSettings, residual_scores
from medgen.types import Batch, Scores

HALVING = (2, 4, 1, 1)  # stride, kernel, dilation and padding of a convolution that halves a grid, as the tutorial has them
COLLAPSED = 1.5  # perplexity below which one code draws nearly all


class Config(Settings):
    """Settings of MONAI's VQVAE. MONAI's tutorial in two dimensions has widths (256, 512), with 512 in the residual layers."""

    widths: tuple[Annotated[int, Field(ge=1, le=4096)], ...] = Field((32, 64, 128), min_length=1)  # each halves the grid
    residual_layers: int = Field(2, ge=0, le=64)  # on each grid, of its width
    codes: int = Field(256, ge=2, le=65536)
    code_width: int = Field(32, ge=1, le=4096)  # numbers in a code
    commitment: float = Field(0.25, ge=0)  # weight of what pulls the encoder to its codes
    decay: float = Field(0.5, ge=0, lt=1)  # of the moving average that the codes follow: MONAI's default
    loss: PixelLoss = "absolute_error"  # of the reconstruction, the mean over valid pixels
    optimizer: Optimizer = Optimizer(lr=1e-4)
    score: ResidualSettings = ResidualSettings()


class Model(Backend):
    """MONAI's VQVAE; frames of any size: sides are padded to a multiple of 2 ** len(widths), and what is over is cut off."""

    monitor = "reconstruction"
    divides = True
    config: Config

    def __init__(self, config: Config, size: int, channels: int) -> None:
        super().__init__(config, size, channels)
        from monai.networks.nets.vqvae import VQVAE  # seconds to import

        count = len(config.widths)
        self.stride = 2**count
        self.residual = PixelResidual(config.loss, size)
        self.net = VQVAE(
            spatial_dims=2,
            in_channels=channels,
            out_channels=channels,
            channels=config.widths,
            num_res_layers=config.residual_layers,
            num_res_channels=config.widths,
            downsample_parameters=(HALVING,) * count,
            upsample_parameters=((*HALVING, 0),) * count,
            num_embeddings=config.codes,
            embedding_dim=config.code_width,
            commitment_cost=config.commitment,
            decay=config.decay,
            ddp_sync=True,  # by the function that is put in place of its own, which knows no divided batch
        )
        self.net.quantizer.quantizer.distributed_synchronization = _summed  # type: ignore[assignment,method-assign]

    @property
    def players(self) -> dict[str, Player]:
        return {"vqvae": Player((self.net,), self.config.optimizer)}

    def _quantised(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return vectors (B, D, h, w), the loss of the codebook, a scalar, and codes (B, h, w) of images (B, C, S, S)."""
        features = self.net.encode(pad(image, self.stride))
        with torch.autocast(features.device.type, enabled=False):  # MONAI turns it off for CUDA alone, and for half of the work
            vectors, loss, codes = self.net.quantizer.quantizer(features.float())
        return vectors, loss, codes

    def _drawn(self, vectors: Tensor) -> Tensor:
        return self.net.decode(vectors)[:, :, : self.size, : self.size]  # (B, C, S, S), not held to [0, 1]

    def turns(self, batch: Batch, progress: float) -> Iterator[tuple[str, Losses]]:
        vectors, loss, codes = self._quantised(batch.image)
        error = self.residual(self._drawn(vectors), batch.image, batch.valid)  # (B, 1, S, S)
        self.notes = {"perplexity": perplexity(codes, self.config.codes)}
        yield "vqvae", {"reconstruction": valid_mean(error, batch.valid).mean(), "quantisation": loss}

    def reconstruct(self, batch: Batch) -> Tensor:
        """Return (B, C, S, S) in [0, 1], drawn from the nearest codes."""
        return self._drawn(self._quantised(batch.image)[0]).float().clamp(0, 1)

    def embed(self, batch: Batch) -> Tensor:
        """Return the mean vector of the codes, (B, D)."""
        return self._quantised(batch.image)[0].mean((2, 3))

    @property
    def codebooks(self) -> dict[str, int]:
        """The number of codes."""
        return {"codes": self.config.codes}

    def codes(self, image: Tensor) -> list[Tensor]:
        """Return the codes (B, h, w), in a list of one grid."""
        return [self._quantised(image)[2]]

    def score(self, batch: Batch) -> Scores:
        return residual_scores(batch.image, self.reconstruct(batch), batch.valid, self.config.score)

    def diagnose(self, batch: Batch) -> tuple[dict[str, float], str]:
        """Measure how many codes are in use, at all and by perplexity, and warn of a collapsed codebook."""
        (codes,) = self.codes(batch.image)
        used, even = len(codes.unique()), float(perplexity(codes, self.config.codes))
        advice = "if it lasts, try --set model.decay=0.99 or a lower learning rate"
        warning = f"codebook collapse: {used} of {self.config.codes} codes are in use; {advice}"
        return {"perplexity": even, "codes_used": used}, warning if codes.numel() > 1 and even < COLLAPSED else ""


def _summed(uses: Tensor, vectors: Tensor) -> None:
    """Sum over ranks how often codes were used, (K,), and the vectors that used them, (K, D), in place."""
    for values in (uses, vectors):
        values.copy_(ranks.total(values))
