"""Normalisations that the nets of pairs and their critics may have.

Source: Isola et al. 2017, "Image-to-Image Translation with Conditional Adversarial Networks", https://arxiv.org/abs/1611.07004.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from medgen import ranks

Norm = Literal["batch", "instance", "none"]


def norm_of(kind: Norm, width: int) -> nn.Module:
    """Return a normalisation of so many channels; that of each frame for itself has no weights."""
    if kind == "none":
        return nn.Identity()
    return BatchNorm(width) if kind == "batch" else nn.InstanceNorm2d(width)


class BatchNorm(nn.BatchNorm2d):
    """Batch norm that normalises each frame by itself in use, too, where it was trained on batches of one frame.

    Isola et al. (section 3.3) draw so: means over many single frames are the statistics of none, and a U-Net that draws by them
    puts land where there is water. Where batches had several frames the running means are used, so that what is drawn of a
    frame does not depend on those beside it.
    """

    one_by_one: Tensor  # () bool, whether there was a training, and each of its batches had one frame

    def __init__(self, width: int) -> None:
        super().__init__(width)
        self.register_buffer("one_by_one", torch.tensor(False))
        self.register_forward_pre_hook(_note_size)  # called where `nn.shared_layers` takes the place of forward, too

    def forward(self, values: Tensor) -> Tensor:
        if self.training or not self.one_by_one:
            return super().forward(values)
        return F.instance_norm(values, weight=self.weight, bias=self.bias, eps=self.eps)

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *others: Any) -> None:
        """Take weights that were stored before the size of batches was: they draw as they did."""
        known = {f"{prefix}one_by_one": torch.tensor(False)} | dict(state_dict)
        super()._load_from_state_dict(known, prefix, *others)


def _note_size(norm: BatchNorm, inputs: tuple[Tensor, ...]) -> None:
    if norm.training:
        assert norm.num_batches_tracked is not None
        of_one = torch.tensor(ranks.count() * len(inputs[0]) == 1)
        norm.one_by_one.logical_or_(norm.num_batches_tracked == 0).logical_and_(of_one)
