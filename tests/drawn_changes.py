"""Frames to be augmented, and draws that change one thing of them."""

from __future__ import annotations

import cv2
import numpy as np
import torch

from medgen.data.augmenting.augment import Draws

SIDE = 48


def frame(seed: int, side: int = SIDE) -> tuple[np.ndarray, np.ndarray]:
    """Return a frame with fine and coarse detail and a valid mask with an octagon's corners, a box and spots missing."""
    rng = np.random.default_rng(seed)
    coarse = cv2.resize(rng.uniform(30, 220, (6, 6, 3)), (side, side), interpolation=cv2.INTER_CUBIC)
    pixels = np.clip(coarse + rng.normal(0, 12, coarse.shape), 0, 255).astype(np.uint8)
    row, column = np.mgrid[:side, :side]
    valid = (abs(row - side / 2) + abs(column - side / 2) < 0.8 * side) & ~((row > 0.7 * side) & (column < 0.3 * side))
    return pixels, valid & (rng.random((side, side)) > 0.01)


def batch(pixels: np.ndarray, valid: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """Return one frame as a batch of one."""
    image = torch.from_numpy(pixels).movedim(-1, 0)[None] / 255
    return image * torch.from_numpy(valid), torch.from_numpy(valid)[None, None]


def one(flip: bool = False, angle: float = 0.0, zoom: float = 1.0, contrast: float = 1.0, shift: float = 0.0) -> Draws:
    return Draws(np.array([flip]), np.array([angle]), np.array([zoom]), np.array([contrast]), np.array([[shift], [-shift / 2]]))
