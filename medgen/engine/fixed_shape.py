"""One shape for whatever is computed of frames, so that a frame has the same bits alone, in any batch and again later.

A library of kernels chooses by the shape of a tensor how it sums: a convolution or a matrix product of three frames may round
otherwise than the same of a hundred, and the rank of a frame among normal ones would jump with its company. So frames of one size
are taken the same number at a time, in one layout, a last few beside copies of the first of them, whose results are thrown away.

The number of threads divides sums too and stays the user's choice: bits are promised for the same machine, number of threads and
versions of the libraries.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, TypeVar

import torch
from torch import Tensor

from medgen.engine.exact import exact_float32
from medgen.types import Batch

FRAMES = 32  # at once, at most: a set is scored as fast as with more, with less memory
PIXELS = 2**17  # of the frames that a processor looks at together: what a net makes of them stays near its caches, so that many
# are scored faster than in larger parts, and a single one takes little longer than it must

Frames = TypeVar("Frames", Batch, Tensor)
Result = TypeVar("Result")


@exact_float32()
def in_fixed_shape(work: Callable[[Frames], Result], frames: Frames) -> Result:
    """Return what `work` makes of frames, computed of as many at a time as `at_once` says, in float32 without TF32.

    Parameters
    ----------
    work : from frames to tensors (B, ...), each row of which belongs to one frame and depends on no other: one tensor, or a
        mapping or sequence of them, of any depth, in which None may stand for what there is not
    frames : B of them, at least one: a batch, or a tensor (B, ...)
    """
    size = at_once(frames.image if isinstance(frames, Batch) else frames)
    starts = range(0, len(frames), size)
    counts = [min(size, len(frames) - start) for start in starts]
    return _joined([work(_filled(frames, start, size)) for start in starts], counts)


def at_once(frames: Tensor) -> int:
    """Return how many frames are taken at a time: a power of two, the same for all frames (B, C, H, W) of one size and device.

    Tensors of another rank (latents) say nothing of the frames that are drawn from them, and other devices are not short of
    caches: `FRAMES` of either.
    """
    if frames.ndim != 4 or frames.device.type != "cpu":
        return FRAMES
    fitting = PIXELS // (frames.shape[2] * frames.shape[3])
    return min(FRAMES, 1 << max(0, fitting.bit_length() - 1))


def _filled(frames: Frames, start: int, size: int) -> Frames:
    """Return `size` frames from `start` on; where there are fewer, the first of them stands for those that are missing."""
    if isinstance(frames, Batch):
        parts = {field.name: getattr(frames, field.name) for field in fields(frames)}
        return replace(frames, **{name: _filled(part, start, size) for name, part in parts.items() if part is not None})
    layout = torch.channels_last if frames.ndim == 4 and frames.is_floating_point() else torch.contiguous_format
    filled = torch.empty((size, *frames.shape[1:]), dtype=frames.dtype, device=frames.device, memory_format=layout)
    part = frames[start : start + size]
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
