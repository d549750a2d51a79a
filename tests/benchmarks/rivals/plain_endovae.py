"""The net and the loss of `endovae` in plain PyTorch: 96 pixels, 6 latents, cross-entropy summed over the pixels of a frame."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

LATENTS, HIDDEN, SIDE, TOP, LR = 6, 256, 12, 256, 1e-3
ENCODER = ((16, 1), (32, 1), (32, 2), (64, 2), (128, 1), (256, 2))  # channels and stride of each convolution
DECODER = ((256, 2), (128, 1), (64, 2), (64, 1), (32, 2), (32, 1))  # stride 2 is a transposed convolution


def make_encoder() -> nn.Sequential:
    """Return (B, 3, 96, 96) to (B, 256)."""
    layers: list[nn.Module] = []
    width = 3
    for wider, stride in ENCODER:
        layers += [nn.Conv2d(width, wider, 3, stride, padding=1), nn.ReLU()]
        width = wider
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(SIDE**2 * TOP, HIDDEN), nn.ReLU())


def make_decoder() -> nn.Sequential:
    """Return (B, 6) to (B, 3, 96, 96), before the sigmoid."""
    layers: list[nn.Module] = [nn.Linear(LATENTS, SIDE**2 * TOP), nn.ReLU(), nn.Unflatten(1, (TOP, SIDE, SIDE))]
    width = TOP
    for wider, stride in DECODER:
        doubled = nn.ConvTranspose2d(width, wider, 3, 2, padding=1, output_padding=1)
        layers += [doubled if stride == 2 else nn.Conv2d(width, wider, 3, padding=1), nn.ReLU()]
        width = wider
    return nn.Sequential(*layers, nn.Conv2d(width, 3, 3, padding=1))


class PlainEndoVAE(nn.Module):
    """From frames (B, 3, 96, 96) to logits, mean and log-variance of the latents."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.decoder = make_encoder(), make_decoder()
        self.mean, self.log_variance = nn.Linear(HIDDEN, LATENTS), nn.Linear(HIDDEN, LATENTS)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        hidden = self.encoder(image)
        mean, log_variance = self.mean(hidden), self.log_variance(hidden)
        latent = mean + torch.randn_like(mean) * (0.5 * log_variance).exp()
        return self.decoder(latent), mean, log_variance


def loss_of(found: tuple[Tensor, Tensor, Tensor], image: Tensor) -> Tensor:
    """Return the cross-entropy and the KL divergence of each frame, added and averaged over the frames."""
    logits, mean, log_variance = found
    drawn = F.binary_cross_entropy_with_logits(logits, image, reduction="none").flatten(1).sum(1)  # (B,)
    kl = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1)  # (B,)
    return (drawn + kl).mean()
