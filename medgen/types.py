"""The nouns that travel between rooms.

Shape letters: B frames in a batch, C channels, H and W source height and width in pixels, S side of a square crop in pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch
    from torch import Tensor

LABELS = ("normal", "abnormal")  # a label's integer code is its index here; "" (unknown) is -1
TrackerName = Literal["tensorboard", "mlflow", "wandb"]  # programs that can follow a training (`medgen.verbs.tracking`)
OverlayRules = Literal["auto", "endoscopy", "dark", "none"]  # what in a frame is no tissue (`medgen.data.field.overlay`)


class Box(NamedTuple):
    """A rectangle in source pixels; right and bottom are exclusive."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        return self.right - self.left

    @property
    def height(self) -> int:
        return self.bottom - self.top

    def times(self, factor: int) -> Box:
        """Return the same box in a picture `factor` times as large."""
        return Box(*(factor * edge for edge in self))

    def over(self, factor: int) -> Box:
        """Return the same box in a picture smaller by `factor`; it never reaches farther, and a square stays one."""
        left, top = self.left // factor, self.top // factor
        return Box(left, top, left + self.width // factor, top + self.height // factor)


@dataclass(frozen=True, slots=True)
class Image:
    """One frame as it was read: upright, never cropped or rescaled in place.

    Attributes
    ----------
    pixels : (H, W, C), C 1 or 3; uint8 in [0, 255] or float32 in [0, 1]
    spacing : (row, column) in mm where the format carries it, else None
    source : the path, with ``#k`` behind it for frame or slice k of a file that holds several
    number : which frame of its file it is, from 0
    seconds : since the first frame of a video; None where there is no time
    """

    pixels: NDArray[np.uint8] | NDArray[np.float32]
    spacing: tuple[float, float] | None
    source: str
    number: int = 0
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Crop:
    """The field of view of one frame, square.

    Attributes
    ----------
    pixels : (S, S, C) uint8 in [0, 255]
    valid : (S, S) bool, True where the pixel shows tissue
    box : the square in source pixels; it may reach outside the frame where the crop was padded
    """

    pixels: NDArray[np.uint8]
    valid: NDArray[np.bool_]
    box: Box


@dataclass(frozen=True, slots=True)
class Batch:
    """Frames on their way through a backend.

    Attributes
    ----------
    image : (B, C, S, S) float32 in [0, 1]; 0 where not valid
    valid : (B, 1, S, S) bool, True where the pixel shows tissue
    index : (B,) int64, rows of the prepared data set
    label : (B,) int64, indices in `LABELS`, -1 unknown; None in training
    finding : (B,) int64, indices in a conditional backend's classes, -1 for one that it does not know; None where a frame's class
        is not to be used, as in every scoring that a report measures: there it would give the answer away
    mask : (B, 1, S, S) bool truth of where the finding is; None where nothing is annotated
    other : (B, C, S, S) float32, the paired or second-domain image; None for single-image sets
    """

    image: Tensor
    valid: Tensor
    index: Tensor
    label: Tensor | None = None
    mask: Tensor | None = None
    other: Tensor | None = None
    finding: Tensor | None = None

    def __len__(self) -> int:
        return self.image.shape[0]

    def to(self, device: torch.device | str) -> Batch:
        """Return the batch on `device`."""
        return replace(self, **{name: sent(value, device) for name, value in self._tensors().items()})

    def part(self, rank: int, count: int) -> Batch:
        """Return the frames that are one of `count` parts of the batch: number `rank`, and every so many from there on."""
        return replace(self, **{name: value[rank::count] for name, value in self._tensors().items()})

    def _tensors(self) -> dict[str, Tensor]:
        names = ("image", "valid", "index", "label", "mask", "other", "finding")
        return {name: value for name in names if (value := getattr(self, name)) is not None}


def sent(tensor: Tensor, device: torch.device | str) -> Tensor:
    """Return a tensor on `device`; a GPU fetches it by itself, from memory that stays where it is, and nobody waits for that."""
    pinned = tensor.pin_memory() if str(device).startswith("cuda") and tensor.device.type == "cpu" else tensor
    return pinned.to(device, non_blocking=True)


class TrainingData(Protocol):
    """Training batches, epoch by epoch; an epoch can begin at any of its steps.

    `part`, rank and count, asks for a share of each batch, `Batch.part`, or for all of one that does not divide evenly.
    """

    def __len__(self) -> int: ...

    def epoch(
        self, number: int, start: int = 0, device: torch.device | str = "cpu", part: tuple[int, int] = (0, 1)
    ) -> Iterator[Batch]: ...

    def divides(self, step: int, count: int) -> bool:
        """Tell whether the frames of a step of an epoch can be divided evenly."""
        ...


@dataclass(frozen=True, slots=True)
class Scores:
    """What a backend thinks of a batch: raw, higher is more anomalous.

    Attributes
    ----------
    score : (B,) float32
    map : (B, 1, S, S) float32, 0 outside valid; None for a backend that cannot localise
    components : named (B,) float32, what the score was made of
    reconstruction : (B, C, S, S) in [0, 1], where the score was made of the very one that the backend's `reconstruct` returns;
        None where it was not, and who wants one asks for it
    """

    score: Tensor
    map: Tensor | None = None
    components: Mapping[str, Tensor] = field(default_factory=dict)
    reconstruction: Tensor | None = None


class DataRequirements(NamedTuple):
    """What a backend's training batches must hold besides frames.

    Attributes
    ----------
    classes : their findings as indices, `Batch.finding`; the run fills the names into the setting `classes`
    other : a second frame beside each, `Batch.other`: "pair", the one that belongs to it; "pool", any one of a second domain
    abnormal : frames that are not normal among the others, where the data set has some for training
    single_pass : each training frame once and unchanged, for a backend that fits in one pass
    """

    classes: bool = False
    other: Literal["", "pair", "pool"] = ""
    abnormal: bool = False
    single_pass: bool = False


class Progress(NamedTuple):
    """One report of a long job to whoever draws it.

    Attributes
    ----------
    task : what is being done ("prepare", "train", "score", ...)
    done, total : units finished and expected; a total of 0 says that only the message counts
    values : numbers worth showing beside the bar (losses, frames per second)
    message : a line for the user, or ""
    """

    task: str
    done: int
    total: int
    values: Mapping[str, float] = {}
    message: str = ""


OnProgress = Callable[[Progress], None]


def no_progress(progress: Progress) -> None:
    """The progress callback of a caller that wants none."""
