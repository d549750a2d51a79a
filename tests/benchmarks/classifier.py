"""A small classifier of real frames, which judges generated ones.

It is trained on real frames alone, sharp ones and the same blurred two- and fourfold, as generated frames are blurred: otherwise
sharpness, and not what a frame shows, decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from medgen.data.dataset import make_batch
from medgen.data.prepared import Prepared
from medgen.types import Batch

FEATURES = 64


class Classifier(nn.Module):
    """Four strided convolutions, their mean over places, and a linear layer."""

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


def train_classifier(
    data: Prepared,
    classes: tuple[str, ...],
    epochs: int = 14,
    seed: int = 0,
    blurs: Sequence[int] = (1, 2, 4),
    decay: bool = False,
) -> tuple[Classifier, float]:
    """Return a classifier of the findings `classes`, trained on the training frames, and its accuracy on the test frames.

    With `decay` the learning rate falls to nothing along a cosine.
    """
    torch.manual_seed(seed)
    model = Classifier(data.channels, len(classes))
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    rows = data.rows("train", "val", "unused")
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs * (len(rows) // 64) if decay else 10**9)
    for epoch in range(epochs):
        order = np.random.default_rng([seed, epoch]).permutation(rows)
        model.train()
        for start in range(0, len(order) - 63, 64):
            batch = make_batch(data, order[start : start + 64], classes=classes)
            assert batch.finding is not None
            blur = int(np.random.default_rng([seed, epoch, start]).choice(blurs))
            loss = F.cross_entropy(model(blurred(batch.image, blur)), batch.finding)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    model.eval()
    rows = data.rows("test")
    with torch.inference_mode():
        right = [_right(model, make_batch(data, part, classes=classes)) for part in np.array_split(rows, -(-len(rows) // 500))]
    return model, sum(right) / len(rows)


def _right(model: Classifier, batch: Batch) -> int:
    return int((model(batch.image).argmax(1) == batch.finding).sum())


def blurred(image: Tensor, factor: int) -> Tensor:
    """Return the frames without the detail that is lost when they are shrunk by `factor`."""
    small = F.avg_pool2d(image, factor)  # (B, C, S / factor, S / factor)
    return F.interpolate(small, size=image.shape[2:], mode="bilinear")  # (B, C, S, S)
