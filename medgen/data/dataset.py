"""Batches of a data set, for training and for scoring.

A data set comes in, an iterator of `Batch` goes out. The order and augmentation of training batches depend on seed, epoch and
step alone, so that an interrupted training goes on with the very batches that it would have had.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from medgen.data.augmenting.augment import NO_AUGMENTATION, AugmentSettings, Draws, draw
from medgen.data.augmenting.augmented import apply
from medgen.data.native.addresses import ReadSettings
from medgen.data.pool import second_domain
from medgen.data.prepared import Prepared
from medgen.data.preparing.splits import UNUSED
from medgen.data.scorable import left_out, scorable
from medgen.data.storage.rows import Rows
from medgen.data.storage.shards import announce, make_sure
from medgen.data.storage.shuffle import Order
from medgen.errors import DataError
from medgen.files import let_go
from medgen.held import Held, fits, taken
from medgen.types import LABELS, Batch, DataRequirements

Overlay = Literal["mask", "common", "keep"]


class DataSettings(ReadSettings):
    """Which frames of a data set a run uses, and how they are batched, masked and augmented."""

    batch_size: int = Field(16, ge=1)
    overlay: Overlay = "mask"  # each frame's own border, boxes, text and highlights are blanked; "keep" scores them like tissue;
    # "common" blanks in every frame alike where they usually stand, and fills those elsewhere (data/common_mask.py)
    copies: bool = True  # use the augmented copies that were written out, where there are some
    augment: AugmentSettings | None = None  # drawn anew for every batch; by default prepared frames are augmented, others not
    window: int = Field(0, ge=0, le=65536)  # side of the windows through which frames are seen; 0: whole frames
    window_overlap: float = Field(0.5, ge=0, le=0.9)  # share of its side that a window has in common with the next, in scoring
    other: str = ""  # address of a second domain's data set; "" takes the frames of split "unused"
    epoch_frames: int = Field(0, ge=0, le=10**9)  # that make an epoch, drawn at random each time; 0 = every frame once
    shuffle_frames: int = Field(0, ge=0, le=10**9)  # that are shuffled among themselves (shuffle.py); 0 = all, of shards 16384
    per_class: int = Field(0, ge=0, le=10**9)  # train on so many frames of each finding, chosen by the seed; 0 = all
    hold: Literal["auto", "always", "never"] = (
        "auto"  # training frames stay on the device; "auto": of a GPU where they fit (held.py)
    )


def make_batch(
    data: Prepared,
    rows: NDArray[np.int64],
    overlay: Overlay = "mask",
    classes: Sequence[str] = (),
    device: torch.device | str = "cpu",
    masks: bool = True,
) -> Batch:
    """Return some frames as one batch, images in [0, 1].

    Parameters
    ----------
    data : the data set
    rows : (B,) int64, which frames
    overlay : "keep" calls all pixels valid; otherwise invalid pixels are 0
    classes : findings whose indices `Batch.finding` holds, -1 for a finding that is not among them; () for no `Batch.finding`
    device : where the batch stays; frames travel there as the bytes that they are stored in
    masks : whether those of annotated findings are read, too

    Returns
    -------
    Batch of B frames (B, C, S, S). Of a data set of pairs, `Batch.other` holds the other frame of each pair.
    """
    image, other = (None if frames is None else _to_tensor(taken(frames, rows, device)) for frames in (data.frames, data.others))
    assert image is not None
    valid = taken(data.valid, rows, device)[:, None]  # (B, 1, S, S)
    valid = torch.ones_like(valid) if overlay == "keep" else valid
    mask = None if data.masks is None or not masks else torch.from_numpy(data.masks[rows])[:, None]
    codes = {label: code for code, label in enumerate(LABELS)}
    label = torch.tensor([codes.get(label, -1) for label in data.index["label"].iloc[rows]])
    class_indices = {name: class_index for class_index, name in enumerate(classes)}
    findings = [class_indices.get(name, -1) for name in data.index["finding"].iloc[rows]] if classes else None
    finding = None if findings is None else torch.tensor(findings)
    other = None if other is None else other.mul_(valid)
    return Batch(image.mul_(valid), valid, torch.from_numpy(rows), label, mask, other, finding).to(device)


def _to_tensor(frames: Tensor) -> Tensor:
    """Return uint8 frames in [0, 1], channels first."""
    return frames.permute(0, 3, 1, 2).float().div_(255)  # (B, S, S, C) -> (B, C, S, S)


NO_REQUIREMENTS = DataRequirements()


class TrainingBatches:
    """The training frames, shuffled and augmented: epoch by epoch, from any step on.

    Frames that show next to nothing (`data/scorable.py`) are left out: their loss would be a mean over no pixels.

    Parameters
    ----------
    data : the prepared data set
    settings : batch size, overlay and augmentation
    seed : of the order of frames and of all draws
    classes : findings whose indices `Batch.finding` holds; () for no `Batch.finding`
    requirements : what the batches must hold besides normal frames
    second : the data set of the second domain, where it is another one than `data`
    with_val : normal validation frames are trained on, too, and no augmented copies

    Raises
    ------
    DataError : if there are no frames to train on, too few of a finding, or no pairs or second domain where they are required.
    """

    def __init__(
        self,
        data: Prepared,
        settings: DataSettings,
        seed: int,
        classes: Sequence[str] = (),
        requirements: DataRequirements = NO_REQUIREMENTS,
        second: Prepared | None = None,
        with_val: bool = False,
    ) -> None:
        self.data, self.settings, self.seed, self.classes, self.requirements = data, settings, seed, classes, requirements
        self.augment = settings.augment or NO_AUGMENTATION
        splits = ["train", *(["val"] if with_val else []), *([UNUSED] if requirements.abnormal else [])]
        rows = data.rows(*splits, originals=with_val or not settings.copies)
        self.rows = scorable(data, rows, settings.overlay)
        self.left_out = len(rows) - len(self.rows)
        if requirements.other == "pair" and data.others is None:
            raise DataError(f"'{data.address}' has no pairs; give pairs:PATH, or have them made with --set model.pairing=erase")
        if requirements.other == "pool":
            self.pool = second_domain(data, second, settings.overlay)
        if not len(self.rows) and self.left_out:
            what = left_out(self.left_out, self.left_out, "training frames")
            raise DataError(f"'{data.address}' has nothing to train on: {what}; prepare frames that show tissue")
        if not len(self.rows):
            remedy = 'say which findings are normal with --set \'data.normal=["NAME"]\', or "*" for all'
            if not data.kind:
                remedy = "if the frames in its source have no labels and all are normal, prepare it again with --assume normal"
            raise DataError(f"'{data.address}' has no normal training frames; {remedy}")
        if settings.per_class:
            self.rows = self._balanced(settings.per_class)
        together = self.settings.shuffle_frames or len(self.rows)  # what comes next is read while these are worked on
        make_sure(min(2 * together, len(self.rows)), data.frames, data.valid)
        self._held: dict[torch.device, tuple[Prepared, Prepared | None]] = {}

    def _balanced(self, count: int) -> NDArray[np.int64]:
        """Return `count` rows of each finding, chosen by the seed."""
        findings = self.data.index["finding"].to_numpy()[self.rows]
        chosen = []
        for class_index, name in enumerate(sorted(set(findings))):
            rows = self.rows[findings == name]
            if len(rows) < count:
                raise DataError(f"data.per_class is {count}, but there are {len(rows)} training frames of '{name}'")
            chosen.append(np.random.default_rng([self.seed, 3, class_index]).permutation(rows)[:count])
        return np.sort(np.concatenate(chosen))

    @property
    def epoch_frames(self) -> int:
        """How many frames an epoch draws."""
        return min(self.settings.epoch_frames or len(self.rows), len(self.rows))

    def __len__(self) -> int:
        """Return the number of batches in an epoch; the last frames that fill no batch are left out, other ones in each epoch."""
        size = self.settings.batch_size
        return -(-self.epoch_frames // size) if self.requirements.single_pass else max(1, self.epoch_frames // size)

    def divides(self, step: int, count: int) -> bool:
        """Tell whether the frames of a step of an epoch can be divided evenly."""
        size = self.settings.batch_size
        return min(size, self.epoch_frames - step * size) % count == 0

    def epoch(
        self, number: int, start: int = 0, device: torch.device | str = "cpu", part: tuple[int, int] = (0, 1)
    ) -> Iterator[Batch]:
        """Yield the augmented batches of an epoch, without labels and masks.

        Parameters
        ----------
        number : which epoch
        start : the first batch to yield, from 0
        device : where the batches are augmented and stay
        part : rank and count: of each batch the frames `Batch.part`, of one that does not divide evenly all
        """
        order = Order(self.rows, np.random.default_rng([self.seed, 1, number]), self.settings.shuffle_frames)
        size, (own, second) = self.settings.batch_size, self._on(torch.device(device))
        for step in range(start, len(self)):
            rows = order.rows[step * size : min((step + 1) * size, self.epoch_frames)]
            announce(order.coming(step * size, (step + 1) * size, first=step == start), own.frames, own.valid)
            chosen = slice(part[0], None, part[1]) if self.divides(step, part[1]) else slice(None)
            batch = make_batch(own, rows[chosen], self.settings.overlay, self.classes, device, masks=False)
            draws = draw(self.augment, len(rows), np.random.default_rng([self.seed, 2, number, step])).of(chosen)
            image, valid = self._augmented(batch.image, batch.valid, draws)
            other = None
            if self.requirements.other == "pair" and batch.other is not None:
                other, _ = self._augmented(batch.other, batch.valid, draws)
            elif second is not None:
                other = self._draw_second(second, len(rows), number, step, device, chosen)
            yield Batch(image, valid, batch.index, other=other, finding=batch.finding)

    def second(self, n: int) -> Tensor | None:
        """Return n frames of the second domain (n, C, S, S), at even steps, not augmented; None where there is no such domain."""
        if self.requirements.other != "pool":
            return None
        data, rows = self.pool
        chosen = rows[np.linspace(0, len(rows) - 1, n).astype(int)]  # those of a small pool come several times
        return make_batch(data, chosen, self.settings.overlay).image

    def _augmented(self, image: Tensor, valid: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
        return apply(image, valid, draws) if self.augment.enabled else (image, valid)

    def _on(self, device: torch.device) -> tuple[Prepared, Prepared | None]:
        """Return the data sets of the training frames and of the second domain, if any, on the device where they are to stay."""
        if device not in self._held:
            used = [(self.data, self.rows), *([self.pool] if self.requirements.other == "pool" else [])]
            wanted = sum(len(rows) * math.prod(array.shape[1:]) for data, rows in used for array in _arrays(data).values())
            hold = self.settings.hold == "always" or (self.settings.hold == "auto" and fits(wanted, device))
            first, *rest = [_held(data, rows, device) if hold else data for data, rows in used]
            self._held[device] = first, rest[0] if rest else None
        return self._held[device]

    def _draw_second(self, data: Prepared, n: int, number: int, step: int, device: torch.device | str, chosen: slice) -> Tensor:
        """Return the chosen ones of n random frames of the second domain (., C, S, S), augmented.

        None comes twice unless there are fewer than n.
        """
        _, rows = self.pool
        rng = np.random.default_rng([self.seed, 4, number, step])
        drawn = rng.choice(rows, n, replace=n > len(rows))
        draws = draw(self.augment, n, rng).of(chosen)
        batch = make_batch(data, drawn[chosen], self.settings.overlay, device=device)
        return self._augmented(batch.image, batch.valid, draws)[0]


def _held(data: Prepared, rows: NDArray[np.int64], device: torch.device) -> Prepared:
    held: dict[str, Any] = {name: Held(array, rows, device) for name, array in _arrays(data).items()}
    return replace(data, **held)


def _arrays(data: Prepared) -> dict[str, Rows[Any]]:
    """Return what batches are made of, a byte an element, by the names of its fields."""
    arrays = {"frames": data.frames, "valid": data.valid, "others": data.others}
    return {name: array for name, array in arrays.items() if array is not None}


class FixedBatches:
    """Batches of given rows in their order, without augmentation; every iteration gives the same ones.

    Parameters
    ----------
    data : the data set
    rows : (N,) int64, which of its frames, in this order
    settings : only `overlay` is used
    classes : findings whose indices `Batch.finding` holds; () for no `Batch.finding`
    class_index : an index of the backend's classes that `Batch.finding` holds for every frame, whatever its finding; None for the
        finding of each frame
    batch_size : frames in a batch; the last one may have fewer
    """

    def __init__(
        self,
        data: Prepared,
        rows: NDArray[np.int64],
        settings: DataSettings,
        classes: Sequence[str] = (),
        class_index: int | None = None,
        batch_size: int = 64,
    ) -> None:
        self.data, self.rows, self.settings, self.batch_size = data, rows, settings, batch_size
        self.classes, self.class_index = classes, class_index

    def __len__(self) -> int:
        return -(-len(self.rows) // self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        for start in range(0, len(self.rows), self.batch_size):
            rows = self.rows[start : start + self.batch_size]
            batch = make_batch(self.data, rows, self.settings.overlay, self.classes)
            let_go(self.data.frames, self.data.valid, self.data.masks, self.data.others)
            yield batch if self.class_index is None else replace(batch, finding=torch.full((len(rows),), self.class_index))
