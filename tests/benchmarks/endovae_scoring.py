"""Speed of scoring with a run of `endovae` against a bare loop over the same net.

python tests/benchmarks/endovae_scoring.py RUN DATASET [FRAMES [ROUNDS]]

medgen scores the first FRAMES (975) of a prepared set: it reads them, computes every part of the score and how well each frame is
drawn, and writes the maps and the table; no pictures. The rival reads the same frames and draws each again, encoder and decoder
in plain PyTorch, 32 at a time, and keeps nothing. Prints as JSON the seconds of each of ROUNDS (3) rounds and the ratio.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import torch
from timing import in_turn, print_result, ratios, seconds

from medgen import registry
from medgen.contract.capabilities import Reconstructs
from medgen.data.dataset import FixedBatches
from medgen.engine.device import move_model
from medgen.runs.datasets import open_for
from medgen.runs.run import open_run
from medgen.runs.scores import score_rows

BATCH = 32


def main(folder: Path, dataset: str, count: int, rounds: int) -> None:
    run = open_run(folder)
    data = open_for(run, dataset)
    rows = np.arange(min(count, len(data.index)))
    model = registry.require(move_model(run.trained_model(), torch.device("cpu")).eval(), Reconstructs)

    def ours() -> None:
        with tempfile.TemporaryDirectory() as out:
            score_rows(run, data, rows, Path(out), device="cpu")

    def bare() -> None:
        with torch.inference_mode():
            for batch in FixedBatches(data, rows, run.settings.data, batch_size=BATCH):
                model.reconstruct(batch)

    took = in_turn({"medgen": ours, "bare": bare}, rounds)
    print_result(
        {
            "frames": len(rows),
            "size": data.size,
            "medgen_seconds": seconds(took["medgen"]),
            "bare_seconds": seconds(took["bare"]),
            "speed_ratio": ratios(took["medgen"], took["bare"]),
        }
    )


if __name__ == "__main__":
    from usage import arguments

    words = arguments(__doc__)
    numbers = [int(number) for number in words[2:]]
    main(Path(words[0]), words[1], *(numbers + [975, 3][len(numbers) :]))
