"""A small classifier of real frames, which judges generated ones.

It is trained on real frames alone, sharp ones and the same blurred two- and fourfold, as generated frames are blurred: otherwise
sharpness, and not what a frame shows, decides.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from medgen.data.dataset import make_batch
from medgen.data.prepared import Prepared

FEATURES = 64


class Classifier(nn.Module):
    """Four strided convolutions; `features` (B, 64) are what a Fréchet distance is measured on."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        widths = (channels, 16, 32, 64, FEATURES)
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [nn.Conv2d(before, after, 3, 2, padding=1), nn.BatchNorm2d(after), nn.ReLU()]
        self.net, self.head = nn.Sequential(*layers), nn.Linear(FEATURES, classes)

    def features(self, image: Tensor) -> Tensor:
        return self.net(image).mean((2, 3))  # (B, 64)

    def forward(self, image: Tensor) -> Tensor:
        return self.head(self.features(image))


def train_classifier(data: Prepared, classes: tuple[str, ...], epochs: int = 14, seed: int = 0) -> tuple[Classifier, float]:
    """Return a classifier of the findings `classes`, trained on the training frames, and its accuracy on the test frames."""
    torch.manual_seed(seed)
    model = Classifier(data.channels, len(classes))
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    rows = data.rows("train", "val", "unused")
    for epoch in range(epochs):
        order = np.random.default_rng([seed, epoch]).permutation(rows)
        model.train()
        for start in range(0, len(order) - 63, 64):
            batch = make_batch(data, order[start : start + 64], classes=classes)
            assert batch.finding is not None
            blur = int(np.random.default_rng([seed, epoch, start]).choice([1, 2, 4]))
            loss = F.cross_entropy(model(blurred(batch.image, blur)), batch.finding)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    model.eval()
    test = make_batch(data, data.rows("test"), classes=classes)
    with torch.inference_mode():
        return model, float((model(test.image).argmax(1) == test.finding).float().mean())


def blurred(image: Tensor, factor: int) -> Tensor:
    """Return the frames without the detail that is lost when they are shrunk by `factor`."""
    small = F.avg_pool2d(image, factor)  # (B, C, S / factor, S / factor)
    return F.interpolate(small, size=image.shape[2:], mode="bilinear")  # (B, C, S, S)


def frechet_distance(a: Tensor, b: Tensor) -> float:
    """Return the squared Fréchet distance between Gaussians fitted to features (N, F) and (M, F) (Dowson and Landau 1982)."""
    mean = (a.mean(0) - b.mean(0)).double().square().sum()
    first, second = torch.cov(a.double().T), torch.cov(b.double().T)  # (F, F)
    values, vectors = torch.linalg.eigh(first)
    root = vectors * values.clamp_min(0).sqrt() @ vectors.T
    cross = torch.linalg.eigvalsh(root @ second @ root).clamp_min(0).sqrt().sum()
    return float(mean + first.trace() + second.trace() - 2 * cross)
