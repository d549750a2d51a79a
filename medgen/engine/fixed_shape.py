"""One shape for whatever is computed of frames, so that a frame has the same bits alone, in any batch and again later.

A library of kernels chooses by the shape of a tensor how it sums: a convolution or a matrix product of three frames may round
otherwise than the same of a hundred, and the rank of a frame among normal ones would jump with its company. So frames are taken
`FRAMES` at a time, in one layout, a last few beside copies of the first of them, whose results are thrown away.

The number of threads divides sums too and stays the user's choice: bits are promised for the same machine, number of threads and
versions of the libraries.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, TypeVar

import torch
from torch import Tensor

from medgen.types import Batch

FRAMES = 32  # at once: a set is scored as fast as with more, with less memory, and a single frame is not too slow

Frames = TypeVar("Frames", Batch, Tensor)
Result = TypeVar("Result")


def in_fixed_shape(work: Callable[[Frames], Result], frames: Frames) -> Result:
    """Return what `work` makes of frames, computed of `FRAMES` at a time.

    Parameters
    ----------
    work : from frames to tensors (B, ...), each row of which belongs to one frame and depends on no other: one tensor, or a
        mapping or sequence of them, of any depth, in which None may stand for what there is not
    frames : B of them, at least one: a batch, or a tensor (B, ...)
    """
    starts = range(0, len(frames), FRAMES)
    counts = [min(FRAMES, len(frames) - start) for start in starts]
    return _joined([work(_filled(frames, start)) for start in starts], counts)


def _filled(frames: Frames, start: int) -> Frames:
    """Return `FRAMES` frames from `start` on; where there are fewer, the first of them stands for those that are missing."""
    if isinstance(frames, Batch):
        parts = {field.name: getattr(frames, field.name) for field in fields(frames)}
        return replace(frames, **{name: _filled(part, start) for name, part in parts.items() if part is not None})
    layout = torch.channels_last if frames.ndim == 4 and frames.is_floating_point() else torch.contiguous_format
    filled = torch.empty((FRAMES, *frames.shape[1:]), dtype=frames.dtype, device=frames.device, memory_format=layout)
    part = frames[start : start + FRAMES]
    filled[: len(part)] = part
    filled[len(part) :] = part[:1]
    return filled


def _joined(results: Sequence[Any], counts: Sequence[int]) -> Any:
    """Return the first `counts` rows of each result, one below the other."""
    first = results[0]
    if first is None:
        return None
    if isinstance(first, Tensor):
        return torch.cat([rows[:count] for rows, count in zip(results, counts, strict=True)])
    if isinstance(first, Mapping):
        return {key: _joined([result[key] for result in results], counts) for key in first}
    return [_joined(column, counts) for column in zip(*results, strict=True)]
