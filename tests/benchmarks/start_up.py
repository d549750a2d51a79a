"""How long commands take to begin: `score` of one frame and the first step of `train`, against the least that PyTorch takes.

python tests/benchmarks/start_up.py RUN DATASET FRAME [ROUNDS]

RUN is trained, DATASET the prepared set of its training, FRAME a picture file. Each command runs in a process of its own; the
training ends by itself after its first step. "torch" imports PyTorch alone; "optimizer" makes an optimizer of one number besides,
for which PyTorch imports its compiler. Prints as JSON the seconds of each of ROUNDS (3) rounds, and how many times as fast
`score` is as "torch" and `train` as "optimizer" (so below 1), in whose seconds a busy machine shows. Byte code is kept, as it is
of what is installed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from timing import in_turn, print_result, ratios, seconds

from medgen.runs.run import open_run

COMMAND = "from medgen_cli.main import main; main({arguments!r})"
FIRST_STEP = """
import os
from medgen.engine import fit
step = fit.Fit._step
fit.Fit._step = lambda *arguments: (step(*arguments), os._exit(0))
"""


def in_process(code: str) -> None:
    """Run code in a fresh Python."""
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL, env=environment)


def command(*arguments: object, before: str = "") -> Callable[[], None]:
    """Return what runs a medgen command that writes to a folder of its own."""

    def run() -> None:
        with tempfile.TemporaryDirectory() as out:
            words = [str(argument) for argument in arguments]
            in_process(before + COMMAND.format(arguments=[*words, "--out", f"{out}/out"]))

    return run


def main(folder: Path, dataset: str, frame: Path, rounds: int) -> None:
    with tempfile.TemporaryDirectory() as frames:
        shutil.copy(frame, frames)
        works = {
            "score": command("score", folder, frames),
            "train": command("train", open_run(folder).settings.backend, dataset, before=FIRST_STEP),
            "torch": lambda: in_process("import torch"),
            "optimizer": lambda: in_process("import torch; torch.optim.Adam([torch.zeros(1, requires_grad=True)])"),
        }
        took = in_turn(works, rounds)
    print_result(
        {
            **{f"{name}_seconds": seconds(each) for name, each in took.items()},
            "score_to_import_of_torch": ratios(took["score"], took["torch"]),
            "train_to_optimizer_of_torch": ratios(took["train"], took["optimizer"]),
        }
    )


if __name__ == "__main__":
    from usage import arguments

    words = arguments(__doc__)
    main(Path(words[0]), words[1], Path(words[2]), int(words[3]) if len(words) > 3 else 3)
