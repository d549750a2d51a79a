"""Speed of training `endovae` at 96 px, batch 128, against plain PyTorch, Keras on TensorFlow, pythae and MONAI.

python tests/benchmarks/training_rivals.py DATASET [ROUNDS [STEPS]]

All train the same net with Adam and cross-entropy on the same frames of a prepared set (96 px, repeated where there are too few),
STEPS (1) steps a round, each library with its own loop and its own batches: shuffled, not augmented, nothing written. Each runs
in a process of its own, takes one round beforehand that does not count, and then waits for its turn in each of ROUNDS (3) rounds.
medgen trains in the precision that it chooses ("medgen") and in float32, which is that of all rivals.

A library that is not in this environment gets one of its own in a temporary folder (MEDGEN_RIVALS names another one), by pip in
the versions of `PINNED`, and sees this environment behind its own packages, where it needs PyTorch. One that cannot be installed,
or does not run, is left out, with a line that says why. Prints as JSON the seconds of each round and how many times as fast as
each rival medgen is.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from timing import Took, print_result, ratios, seconds

from medgen.data.dataset import make_batch
from medgen.data.native.addresses import ReadSettings, open_dataset

HERE = Path(__file__).parent / "rivals"
FOLDER = Path(os.environ.get("MEDGEN_RIVALS", Path(tempfile.gettempdir()) / "medgen-rivals"))
BATCH, SIZE = 128, 96


class Rival(NamedTuple):
    """A script of the folder `rivals`, what it is told besides, and the packages of its environment; () for this one."""

    script: str
    arguments: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    alone: bool = False  # its environment does not see this one behind its own


PINNED = {
    "keras": ("tensorflow-cpu==2.21.0", "keras==3.15.1"),
    "pythae": ("pythae==0.1.2",),
    "monai": ("pytorch-ignite==0.5.5",),
}
RIVALS = {
    "medgen": Rival("medgen_fit.py", ("auto",)),
    "medgen float32": Rival("medgen_fit.py", ("float32",)),
    "plain PyTorch": Rival("plain_torch.py"),
    "Keras": Rival("keras_fit.py", packages=PINNED["keras"], alone=True),
    "pythae": Rival("pythae_trainer.py", packages=PINNED["pythae"]),
    "MONAI": Rival("monai_trainer.py", packages=PINNED["monai"]),
}


def environment(rival: Rival) -> Path:
    """Return the Python of a rival, installed beforehand if it is not there yet.

    Raises
    ------
    subprocess.CalledProcessError : if its packages cannot be had.
    """
    if not rival.packages:
        return Path(sys.executable)
    folder = FOLDER / "_".join(rival.packages)
    python, done = folder / "bin" / "python", folder / "installed"
    if not done.exists():
        venv.create(folder, clear=True, with_pip=True)
        alone = [] if rival.alone else ["--no-deps"]  # what they stand on is in this environment
        pip = [str(python), "-m", "pip", "--disable-pip-version-check", "install", "--quiet", *alone, *rival.packages]
        subprocess.run(pip, check=True, capture_output=True)
        if not rival.alone:
            here = [path for path in sys.path if path.endswith("site-packages")]
            (next(folder.glob("lib/*/site-packages")) / "base.pth").write_text("\n".join(here) + "\n", encoding="utf-8")
        done.touch()
    return python


class Process:
    """A rival that waits for its turns.

    Raises
    ------
    OSError, subprocess.CalledProcessError, json.JSONDecodeError : if it cannot be installed or does not run.
    """

    def __init__(self, rival: Rival, frames: Path) -> None:
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - as long as the process
        command = [str(environment(rival)), str(HERE / rival.script), str(frames), str(BATCH), *rival.arguments]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, text=True, encoding="utf-8"
        )
        try:
            self.version = self._answer()["version"]
        except ValueError:
            self.end()
            self.errors.seek(0)
            raise OSError(self.errors.read().strip()[-200:] or "it said nothing") from None

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer

    def turn(self) -> Took:
        """Return what a round takes."""
        assert self.process.stdin is not None
        self.process.stdin.write("round\n")
        self.process.stdin.flush()
        return Took(**self._answer())

    def end(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.communicate()


def frames_of(dataset: str, count: int) -> np.ndarray:
    """Return (count, C, S, S) float32 frames of a data set, the first ones, again from the beginning where there are too few."""
    data = open_dataset(dataset, ReadSettings())
    if data.size != SIZE:
        raise SystemExit(f"{dataset} has frames of {data.size} px, and {SIZE} are wanted")
    rows = data.rows()
    return make_batch(data, rows[np.arange(count) % len(rows)]).image.contiguous().numpy()


def main(dataset: str, rounds: int, steps: int) -> None:
    processes: dict[str, Process] = {}
    left_out = {}
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / "frames.npy"
        np.save(path, frames_of(dataset, BATCH * steps))
        for name, rival in RIVALS.items():
            try:
                processes[name] = Process(rival, path)
            except (OSError, subprocess.CalledProcessError) as error:
                left_out[name] = str(getattr(error, "stderr", None) or error).strip()[-200:]
                sys.stderr.write(f"{name} is left out: {left_out[name]}\n")
        took: dict[str, list[Took]] = {name: [] for name in processes}
        for _ in range(rounds):
            for name, process in processes.items():
                took[name].append(process.turn())
        for process in processes.values():
            process.end()
    print_result(
        {
            "batch": BATCH,
            "steps": steps,
            "left_out": left_out,
            "versions": {name: process.version for name, process in processes.items()},
            "seconds": {name: seconds(each) for name, each in took.items()},
            "frames_per_second": {name: [round(BATCH * steps / one.wall, 1) for one in each] for name, each in took.items()},
            "speed_ratio_to": {name: ratios(took["medgen"], each) for name, each in took.items() if name != "medgen"},
            "float32_speed_ratio_to": {
                name: ratios(took["medgen float32"], each) for name, each in took.items() if not name.startswith("medgen")
            },
        }
    )


if __name__ == "__main__":
    from usage import arguments

    words = arguments(__doc__)
    numbers = [int(number) for number in words[1:]]
    main(words[0], *(numbers + [3, 1][len(numbers) :]))
