"""Speed of scoring with a run of `dfm` against its fixed net alone, and of that net against the same in plain PyTorch.

python tests/benchmarks/dfm_scoring.py RUN DATASET [FRAMES [ROUNDS]]

medgen scores the first FRAMES (64) of a prepared set: it reads them, lays the common mask over them and writes the table; no
pictures. "net" runs the fixed net alone, by medgen's kernels, over frames that are in memory and resized already, once for each
side that the run looks at. "plain" does the same with the layers of the net one behind the other, padded by F.pad, 32 frames at a
time. Prints as JSON the seconds of each of ROUNDS (3) rounds and the ratios.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from timing import in_turn, print_result, ratios, seconds
from torch import Tensor
from torch.nn import functional as F

from medgen.backends.dfm import Model
from medgen.data.dataset import make_batch
from medgen.engine.fixed_shape import at_once
from medgen.nn.features.nets.efficientnet import Convolution, EfficientNetLite, prepare
from medgen.runs.datasets import open_for
from medgen.runs.run import open_run
from medgen.runs.scores import score_rows

BATCH, IN_MEMORY = 32, 32  # frames at once of the plain net; frames that the nets go over again and again


def plain_layers(net: EfficientNetLite, x: Tensor) -> Iterator[Tensor]:
    """Yield the output of each block, computed by one operator behind the other."""
    x = _plain(net.stem, x)
    for block in net.blocks:
        y = x
        for layer in block.body:
            y = _plain(layer, y)
        x = x + y if block.bypass else y
        yield x


def _plain(layer: Convolution, x: Tensor) -> Tensor:
    (step, _), (reach, _) = layer.stride, layer.kernel_size
    rows, columns = (max((-(-side // step) - 1) * step + reach - side, 0) for side in x.shape[-2:])
    if reach > 1:
        x = F.pad(x, (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2))
    x = F.conv2d(x, layer.weight, layer.bias, layer.stride, groups=layer.groups)
    return F.relu6(x, inplace=True) if layer.clipped else x


def over(inputs: list[Tensor], size: Callable[[Tensor], int], count: int, work: Callable[[Tensor], object]) -> Callable[[], None]:
    """Return what does the work on so many frames of each size, as many of them at a time as `size` says."""

    def run() -> None:
        with torch.inference_mode():
            for frames in inputs:
                for start in range(0, count, size(frames)):
                    begin = start % len(frames)
                    work(frames[begin : begin + min(size(frames), count - start)])

    return run


def main(folder: Path, dataset: str, count: int, rounds: int) -> None:
    run = open_run(folder)
    data = open_for(run, dataset)
    model = run.trained_model()
    assert isinstance(model, Model)
    rows = np.arange(min(count, len(data.index)))
    taken = {block.side for number, block in enumerate(model.blocks) if model.taken[number]}
    net = model.layers.net.net
    assert isinstance(net, EfficientNetLite)
    images = make_batch(data, rows[:IN_MEMORY]).image
    inputs = [prepare(images, model.nets[side].settings.side) for side in taken]

    def ours() -> None:
        with tempfile.TemporaryDirectory() as out:
            score_rows(run, open_for(run, dataset), rows, Path(out), device="cpu")

    works = {
        "medgen": ours,
        "net": over(inputs, at_once, len(rows), net.layers),
        "plain": over(inputs, lambda frames: BATCH, len(rows), lambda frames: [*plain_layers(net, frames)]),
    }
    took = in_turn(works, rounds)
    print_result(
        {
            "frames": len(rows),
            "sides": [frames.shape[-1] for frames in inputs],
            **{f"{name}_seconds": seconds(each) for name, each in took.items()},
            "speed_ratio_to_net": ratios(took["medgen"], took["net"]),
            "speed_ratio_of_net_to_plain": ratios(took["net"], took["plain"]),
        }
    )


if __name__ == "__main__":
    from usage import arguments

    words = arguments(__doc__)
    numbers = [int(number) for number in words[2:]]
    main(Path(words[0]), words[1], *(numbers + [64, 3][len(numbers) :]))
