"""Prepared data set to batches, in an order that depends on the seed, the epoch and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field

from medgen.config import Settings
from medgen.data.augment import AugmentSettings, apply, draw
from medgen.data.prepared import Prepared
from medgen.errors import DataError
from medgen.types import LABELS, Batch


class DataSettings(Settings):
    """What of a prepared data set a run sees."""

    batch_size: int = Field(16, ge=1)
    overlay: Literal["mask", "keep"] = "mask"  # "keep" shows and scores border, boxes, text and highlights like tissue
    copies: bool = True  # use the augmented copies that were written out, where there are some
    augment: AugmentSettings = AugmentSettings()  # drawn anew for every batch


def make_batch(data: Prepared, rows: NDArray[np.int64], overlay: Literal["mask", "keep"] = "mask") -> Batch:
    """Return the frames in `rows` as one batch, overlay blanked to 0."""
    image = torch.from_numpy(data.frames[rows]).permute(0, 3, 1, 2).float() / 255  # (B, C, S, S)
    valid = torch.from_numpy(data.valid[rows])[:, None]  # (B, 1, S, S)
    valid = valid if overlay == "mask" else torch.ones_like(valid)
    mask = None if data.masks is None else torch.from_numpy(data.masks[rows])[:, None]
    codes = {label: code for code, label in enumerate(LABELS)}
    label = torch.tensor([codes.get(label, -1) for label in data.index["label"].iloc[rows]])
    return Batch(image * valid, valid, torch.from_numpy(rows), label, mask)


class TrainingBatches:
    """The training frames, shuffled and augmented: epoch by epoch, from any step on.

    Parameters
    ----------
    data : the prepared data set
    settings : batch size, overlay and augmentation
    seed : of order and draws
    """

    def __init__(self, data: Prepared, settings: DataSettings, seed: int) -> None:
        self.data, self.settings, self.seed = data, settings, seed
        self.rows = data.rows("train", originals=not settings.copies)
        if not len(self.rows):
            raise DataError(
                f"'{data.folder}' has no normal training frames; if the frames in its source have no labels and all are normal, "
                "prepare it again with --assume normal"
            )

    def __len__(self) -> int:
        """Return the batches in an epoch; a rest smaller than a batch is left for another epoch's order."""
        return max(1, len(self.rows) // self.settings.batch_size)

    def epoch(self, number: int, start: int = 0, device: torch.device | str = "cpu") -> Iterator[Batch]:
        """Yield the batches of an epoch from batch `start` on, without labels and masks, augmented on `device`."""
        order = np.random.default_rng([self.seed, 1, number]).permutation(self.rows)
        size = self.settings.batch_size
        for step in range(start, len(self)):
            whole = make_batch(self.data, order[step * size : (step + 1) * size], self.settings.overlay).to(device)
            image, valid = whole.image, whole.valid
            if self.settings.augment.enabled:
                draws = draw(self.settings.augment, len(whole), np.random.default_rng([self.seed, 2, number, step]))
                image, valid = apply(image, valid, draws)
            yield Batch(image, valid, whole.index)


class FixedBatches:
    """Given rows in their own order, again and again the same."""

    def __init__(self, data: Prepared, rows: NDArray[np.int64], settings: DataSettings, batch_size: int = 64) -> None:
        self.data, self.rows, self.settings, self.batch_size = data, rows, settings, batch_size

    def __len__(self) -> int:
        return -(-len(self.rows) // self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        for start in range(0, len(self.rows), self.batch_size):
            yield make_batch(self.data, self.rows[start : start + self.batch_size], self.settings.overlay)
