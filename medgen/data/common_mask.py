"""One mask for all frames of a data set, so that the mask says nothing about a frame's class.

A data set comes in, and the same one goes out whose frames are all blanked at the same pixels: at those where the training frames
often show border, boxes or text. What single frames show elsewhere is filled.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from medgen.data.field.overlay import channel_levels, highlights
from medgen.data.native.archives import Lazy
from medgen.data.prepared import Flags, Frames, Prepared
from medgen.files import short_digest
from medgen.nn.inpaint import inpaint

BLANKED_SHARE = 0.1  # of the training frames: where more of them show no tissue, every frame is blanked
BLOCK = 256  # masks read at once
CACHED_BYTES = 2**30  # bytes of frames: filling one takes as long as a small net takes to train on it


def common_mask(data: Prepared) -> NDArray[np.bool_]:
    """Return (S, S) bool, False where more than `BLANKED_SHARE` of the training frames show overlay or border.

    No other frame is looked at, and no label: new frames get the mask that the training had.
    """
    rows = data.rows("train")
    valid_counts = np.zeros((data.size, data.size), np.int64)
    for start in range(0, len(rows), BLOCK):
        valid_counts += np.asarray(data.valid[rows[start : start + BLOCK]]).sum(axis=0)
    return valid_counts >= (1 - BLANKED_SHARE) * len(rows)


def with_common(data: Prepared, mask: NDArray[np.bool_]) -> Prepared:
    """Return the data set with every frame blanked below the mask alone, which is then what is valid of each.

    Overlay that a frame shows elsewhere is filled from the tissue around it (`medgen.nn.inpaint`), so that neither the overlay
    nor where it was tells anything.

    Parameters
    ----------
    mask : (S, S) bool, True where frames are shown
    """
    digest = short_digest(f"{data.digest} common ", np.ascontiguousarray(mask).tobytes())
    return replace(
        data, frames=MaskedFrames(data.frames, data.valid, mask), valid=np.broadcast_to(mask, data.valid.shape), digest=digest
    )


class MaskedFrames(Lazy[np.uint8]):
    """Frames whose overlay is filled, blanked outside a mask; the first ones read stay in memory, up to `CACHED_BYTES` of them.

    Parameters
    ----------
    frames, valid : (N, S, S, C) and (N, S, S)
    mask : (S, S)
    """

    def __init__(self, frames: Frames, valid: Flags, mask: NDArray[np.bool_]) -> None:
        super().__init__(frames.shape)
        self._frames, self._valid, self._mask = frames, valid, mask
        self._kept: dict[int, NDArray[np.uint8]] = {}

    def _read(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        new = [row for row in dict.fromkeys(rows.tolist()) if row not in self._kept]
        fresh = dict(zip(new, self._blanked(np.array(new)), strict=True)) if new else {}
        frames = [self._kept[row] if row in self._kept else fresh[row] for row in rows.tolist()]
        room = CACHED_BYTES // max(1, int(np.prod(self.shape[1:]))) - len(self._kept)
        self._kept |= {row: fresh[row].copy() for row in new[: max(0, room)]}
        return np.stack(frames) if frames else np.empty((0, *self.shape[1:]), np.uint8)

    def _blanked(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        pixels, valid = np.array(self._frames[rows]), np.asarray(self._valid[rows])
        incomplete = np.flatnonzero(~valid.all(axis=(1, 2)))
        if len(incomplete):
            filled = _inpainted(pixels[incomplete], valid[incomplete])
            fine_highlights = np.stack(
                [highlights(channel_levels(frame).darkest) for frame in filled]
            )  # (n, S, S), the finest ones, blurred by the resizing
            pixels[incomplete] = _inpainted(filled, valid[incomplete] & ~fine_highlights)
        return pixels * self._mask[..., None]


def _inpainted(pixels: NDArray[np.uint8], valid: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return frames (n, S, S, C) with what is not valid (n, S, S) continued from around it."""
    image = torch.from_numpy(pixels).permute(0, 3, 1, 2).float()  # (n, C, S, S)
    return inpaint(image, torch.from_numpy(valid)[:, None]).round().byte().permute(0, 2, 3, 1).numpy()  # (n, S, S, C)
