"""One mask for all frames of a data set, so that the mask says nothing about a frame's class.

A data set comes in, and the same one goes out with all frames blanked at the same pixels: those where the training frames often
show border, boxes or text. Overlay that single frames show elsewhere is filled from the tissue around it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from medgen.data.field.overlay import channel_levels, highlights
from medgen.data.prepared import Prepared
from medgen.data.scorable import scorable, valid_counts
from medgen.data.storage.rows import Flags, Frames, LazyRows
from medgen.data.storage.shards import announce
from medgen.files import short_digest
from medgen.nn.inpaint import inpaint

BLANKED_SHARE = 0.1  # a pixel that is invalid in a larger share of the training frames is blanked in all frames
CACHED_BYTES = 2**30  # bytes of filled frames kept: filling one takes as long as a small net takes to train on it


def common_mask(data: Prepared) -> NDArray[np.bool_]:
    """Return (S, S) bool, False where more than `BLANKED_SHARE` of the training frames show overlay or border.

    Neither labels nor frames of other splits are used: new frames get the mask of the training.

    Training frames that show next to nothing (`data/scorable.py`) have no say in it.

    Parameters
    ----------
    data : the data set
    """
    rows = scorable(data, data.rows("train"))
    return valid_counts(data, rows) >= (1 - BLANKED_SHARE) * len(rows)


def with_common_mask(data: Prepared, mask: NDArray[np.bool_]) -> Prepared:
    """Return the data set with every frame blanked outside `mask`, which becomes the valid mask of all frames.

    Overlay inside the mask is filled from the tissue around it (`medgen.nn.inpaint`), so that neither its look nor its position
    tells one class from the other.

    Parameters
    ----------
    data : the data set
    mask : (S, S) bool, False where all frames are blanked
    """
    digest = short_digest(f"{data.digest} common ", np.ascontiguousarray(mask).tobytes())
    return replace(
        data,
        frames=MaskedFrames(data.frames, data.valid, mask, shining=data.settings.overlay not in ("dark", "none")),
        valid=np.broadcast_to(mask, data.valid.shape),
        own_valid=data.valid,
        digest=digest,
    )


class MaskedFrames(LazyRows[np.uint8]):
    """Frames whose overlay is filled, and that are blanked outside a mask.

    The first ones that are read stay in memory, up to `CACHED_BYTES` of them.

    Parameters
    ----------
    frames : (N, S, S, C) uint8
    valid : (N, S, S) bool
    mask : (S, S) bool
    shining : whether what is small, bright and colourless is a highlight, as in endoscopy
    """

    def __init__(self, frames: Frames, valid: Flags, mask: NDArray[np.bool_], shining: bool = True) -> None:
        super().__init__(frames.shape)
        self._frames, self._valid, self._mask, self._shining = frames, valid, mask, shining
        self._cache: dict[int, NDArray[np.uint8]] = {}

    def soon(self, rows: NDArray[np.int64]) -> None:
        """Take note that rows (n,) will be read soon."""
        announce(rows, self._frames, self._valid)

    def _read(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        missing = [row for row in dict.fromkeys(rows.tolist()) if row not in self._cache]
        computed = dict(zip(missing, self._blanked(np.array(missing)), strict=True)) if missing else {}
        frames = [self._cache[row] if row in self._cache else computed[row] for row in rows.tolist()]
        free = CACHED_BYTES // max(1, int(np.prod(self.shape[1:]))) - len(self._cache)
        self._cache |= {row: computed[row].copy() for row in missing[: max(0, free)]}
        return np.stack(frames) if frames else np.empty((0, *self.shape[1:]), np.uint8)

    def _blanked(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        pixels, valid = np.array(self._frames[rows]), np.asarray(self._valid[rows])
        incomplete = np.flatnonzero(~valid.all(axis=(1, 2)))
        if len(incomplete):
            pixels[incomplete] = filled = _inpainted(pixels[incomplete], valid[incomplete])
        if len(incomplete) and self._shining:
            # the finest highlights were blurred by the resizing and are not marked invalid
            fine_highlights = np.stack([highlights(channel_levels(frame)) for frame in filled])  # (n, S, S)
            shine = (fine_highlights & valid[incomplete]).any(axis=(1, 2))  # without any the frame would be filled as before
            pixels[incomplete[shine]] = _inpainted(filled[shine], (valid[incomplete] & ~fine_highlights)[shine])
        pixels[:, ~self._mask] = 0
        return pixels


def _inpainted(pixels: NDArray[np.uint8], valid: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return frames (n, S, S, C) with pixels that are not valid (n, S, S) filled from the valid ones around them."""
    filled = np.empty_like(pixels)
    for k, (frame, own) in enumerate(zip(pixels, valid, strict=True)):  # one at a time stays in the caches
        image = torch.from_numpy(frame).permute(2, 0, 1)[None].float()  # (1, C, S, S)
        filled[k] = inpaint(image, torch.from_numpy(own)[None, None]).round().byte()[0].permute(1, 2, 0).numpy()  # (S, S, C)
    return filled
