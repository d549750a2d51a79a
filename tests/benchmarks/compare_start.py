"""How long `compare` of nine backends takes to begin: seconds to the first step of the first training, against `import torch`.

python tests/benchmarks/compare_start.py DATASET [ROUNDS]

`medgen compare DATASET --backends ... --budget 12s`, each time into a folder of its own, so that nothing is known beforehand. A
process ends by itself after the first step that is no trial of how fast a backend is. Prints as JSON the seconds of each of
ROUNDS (3) rounds, and how many times as fast the command is as `import torch` (so below 1), in whose seconds a busy machine
shows.
"""

from __future__ import annotations

from start_up import command, in_process
from timing import in_turn, print_result, ratios, seconds

BACKENDS = "endovae,vae,controlvae,vqvae,vqvae2,gan,wgan,ssgan,featvae"
BEFORE = """
import os
from medgen.engine import fit
from medgen.verbs.study.budget import TimedBatches
step = fit.Fit._step
def taken(self, *arguments):
    step(self, *arguments)
    if not isinstance(self.train, TimedBatches):
        os._exit(0)
fit.Fit._step = taken
"""


def main(dataset: str, rounds: int) -> None:
    words = ("compare", dataset, "--backends", BACKENDS, "--budget", "12s", "--device", "cpu")
    works = {
        "training": command(*words, before=BEFORE),
        "torch": lambda: in_process("import torch"),
    }
    took = in_turn(works, rounds)
    print_result(
        {
            "backends": BACKENDS.split(","),
            "first_training_step_seconds": seconds(took["training"]),
            "import_of_torch_seconds": seconds(took["torch"]),
            "training_to_import_of_torch": ratios(took["training"], took["torch"]),
        }
    )


if __name__ == "__main__":
    from usage import arguments

    words = arguments(__doc__)
    main(words[0], int(words[1]) if len(words) > 1 else 3)
