"""A buffer of images that a generator drew earlier, so that a critic does not forget them.

Source: Shrivastava et al. 2017, "Learning from Simulated and Unsupervised Images through Adversarial Training",
https://arxiv.org/abs/1612.07828, section 2.3, image by image as Zhu et al. 2017, https://arxiv.org/abs/1703.10593, have it.
Shape letters: B images of a batch, N capacity, C channels, S side.
"""

from __future__ import annotations

import torch
from torch import Tensor

from medgen import ranks
from medgen.nn.host import OnHost


class ImagePool(OnHost):
    """Up to N images, which are buffers of the module: a checkpoint has them.

    Parameters
    ----------
    capacity : N; 0 turns the buffer off
    size, channels : S and C
    """

    on_host = ("count",)
    images: Tensor
    count: Tensor

    def __init__(self, capacity: int, size: int, channels: int) -> None:
        super().__init__()
        self.register_buffer("images", torch.zeros(capacity, channels, size, size))
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))  # images that are in it

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """Return for each new image (B, C, S, S) itself, or with probability 1/2 a stored one, which it replaces.

        Until the buffer is full, new images are stored and returned. Draws come from torch's global generator on the CPU, as
        many whatever the buffer holds. No gradient goes through.
        """
        images, capacity = images.detach(), len(self.images)
        if not capacity:
            return images
        images = ranks.all_rows(images)  # every rank has the same buffer
        swaps, slots = (torch.rand(len(images)) < 0.5).tolist(), torch.randint(capacity, (len(images),)).tolist()
        stored, returned = int(self.count), []
        for image, swap, slot in zip(images, swaps, slots, strict=True):
            returned.append(image)
            if stored < capacity:
                self.images[stored] = image
                stored += 1
            elif swap:
                returned[-1] = self.images[slot].clone()
                self.images[slot] = image
        self.count.fill_(stored)
        return ranks.own_rows(torch.stack(returned))  # (B, C, S, S)
