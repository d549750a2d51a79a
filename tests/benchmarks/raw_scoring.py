"""Speed of turning raw frames into scores with a run of `endovae`, against decoding alone and against the net alone.

python tests/benchmarks/raw_scoring.py HYPERKVASIR RUN DATASET [FRAMES [ROUNDS]]

medgen prepares the first FRAMES (300) files of a folder and scores them: crops, valid pixels, every part of the score, how well
each frame is drawn, maps and table; no pictures. "decode" is the plain script of prepare_speed.py over the same files, one behind
the other: decode, crop, resize. "net" draws as many frames of the prepared set again, encoder and decoder in plain PyTorch, 32 at
a time. Prints as JSON the seconds of each of ROUNDS (3) rounds and the ratios, the one that counts that to the slower of the two.
"""

from __future__ import annotations

import csv
import shutil
import tempfile
from pathlib import Path

import cv2
import numpy as np
import torch
from prepare_speed import plain
from timing import Took, in_turn, print_result, ratios, seconds

from medgen import registry
from medgen.contract.capabilities import Reconstructs
from medgen.data.dataset import FixedBatches
from medgen.engine.device import move_model
from medgen.runs.datasets import open_for
from medgen.runs.run import open_run
from medgen.verbs.score import score

BATCH = 32


def copied(source: Path, folder: Path, count: int) -> list[Path]:
    """Copy the first frames of the manifest into a folder and return where they are."""
    with (source / "manifest.csv").open() as file:
        names = [row["file"] for row in csv.DictReader(file)][:count]
    return [Path(shutil.copy(source / name, folder / f"{number:05}.jpg")) for number, name in enumerate(names)]


def slower(first: list[Took], second: list[Took]) -> list[Took]:
    """Return of each round and clock what took longer."""
    return [Took(*map(max, one, other)) for one, other in zip(first, second, strict=True)]


def main(source: Path, folder: Path, dataset: str, count: int, rounds: int) -> None:
    run = open_run(folder)
    data = open_for(run, dataset)
    model = registry.require(move_model(run.trained_model(), torch.device("cpu")).eval(), Reconstructs)
    with tempfile.TemporaryDirectory() as frames:
        paths = copied(source, Path(frames), count)
        rows = np.arange(len(data.index))[: len(paths)]

        def ours() -> None:
            with tempfile.TemporaryDirectory() as out:
                score(folder, Path(frames), Path(out) / "scores", pictures=False, device="cpu")

        def decode() -> None:
            cv2.setNumThreads(1)
            for path in paths:
                plain(path)

        def net() -> None:
            with torch.inference_mode():
                for batch in FixedBatches(data, rows, run.settings.data, batch_size=BATCH):
                    model.reconstruct(batch)

        took = in_turn({"medgen": ours, "decode": decode, "net": net}, rounds)
    print_result(
        {
            "frames": len(rows),
            **{f"{name}_seconds": seconds(each) for name, each in took.items()},
            "speed_ratio_to_decode": ratios(took["medgen"], took["decode"]),
            "speed_ratio_to_net": ratios(took["medgen"], took["net"]),
            "speed_ratio_to_the_slower": ratios(took["medgen"], slower(took["decode"], took["net"])),
        }
    )


if __name__ == "__main__":
    from usage import arguments

    words = arguments(__doc__)
    numbers = [int(number) for number in words[3:]]
    main(Path(words[0]), Path(words[1]), words[2], *(numbers + [300, 3][len(numbers) :]))
