"""Kill processes that train side by side: `python tests/soak/jobs.py OUT` writes OUT/jobs.json.

So often (TIMES) each: of a study of which two runs go at a time, a process that trains, in the middle of it; the process that
gives the runs out, after which the same command is called again; of a training on two devices, one of its two processes, after
which the training is resumed. All by SIGKILL. Each time every run has to have the weights and scores that it has when nobody is
killed and runs are trained one after another, and no process may be left. What is measured already stays.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.usage import arguments

from medgen import api
from medgen.data.phantom.frames import PhantomSettings, make_phantom
from medgen.data.prepared import PrepareSettings
from medgen.files import read_json, write_json

TIMES = 10
FRAMES = {"train": 48, "val": 24, "test_normal": 12, "test_abnormal": 12}
SETTINGS = [
    word
    for setting in ("data.batch_size=8", "train.epochs=20", "train.panel_epochs=0", "model.widths=[8,8]")
    for word in ("--set", setting)
]
FILES = ("model.safetensors", "scores.csv", "maps.npy", "calibration.json")
FILE = "jobs.json"
STUDY, DEVICE = b"medgen.verbs.study.worker", b"medgen.verbs.several.child"  # what processes are called
MEDGEN = [sys.executable, "-c", "from medgen_cli.main import main; main()"]


def medgen(root: Path, *words: object) -> subprocess.Popen[bytes]:
    """Begin a command in a process of its own."""
    with (root / "said.txt").open("ab") as said:
        return subprocess.Popen([*MEDGEN, *map(str, words)], stdout=said, stderr=said)


def study(root: Path, out: Path, jobs: int) -> subprocess.Popen[bytes]:
    """Begin a study of two runs."""
    return medgen(root, "compare", root / "data", "--backends", "vae,vqvae", "--jobs", jobs, "--out", out, *SETTINGS)


def training(root: Path, out: Path) -> subprocess.Popen[bytes]:
    """Begin a training on two devices."""
    return medgen(root, "train", "vae", root / "data", "--devices", 2, "--out", out, *SETTINGS)


def workers(name: bytes) -> list[int]:
    """Return the processes that are called so."""
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if name in place.read_bytes():
                found.append(int(place.parent.name))
        except OSError:
            continue
    return found


def wait_for_a_training(out: Path, among: random.Random) -> None:
    """Wait until a run trains, and a moment longer."""
    end = time.monotonic() + 300
    while not [*out.rglob("log.csv")] and time.monotonic() < end:
        time.sleep(0.02)
    time.sleep(4 * among.random())


def finish(process: subprocess.Popen[bytes]) -> None:
    """Wait for a command that has to succeed."""
    if process.wait():
        raise AssertionError("a command failed")


def with_a_worker_killed(root: Path, out: Path, among: random.Random) -> None:
    """Carry a study out while one of its processes is killed."""
    whole = study(root, out, 2)
    wait_for_a_training(out, among)
    os.kill(among.choice(workers(STUDY)), signal.SIGKILL)
    finish(whole)


def with_all_killed(root: Path, out: Path, among: random.Random) -> None:
    """Kill the process that gives the runs out; the others end, and the same command goes on."""
    whole = study(root, out, 2)
    wait_for_a_training(out, among)
    whole.kill()
    whole.wait()
    end = time.monotonic() + 10
    while workers(STUDY) and time.monotonic() < end:
        time.sleep(0.05)
    if workers(STUDY):
        raise AssertionError("processes were left")
    finish(study(root, out, 2))


def with_a_device_killed(root: Path, out: Path, among: random.Random) -> None:
    """Kill a process of a training on two devices; the training ends in a line and is resumed."""
    whole = training(root, out)
    wait_for_a_training(out, among)
    os.kill(workers(DEVICE)[0], signal.SIGKILL)
    if whole.wait() != 1 or workers(DEVICE):
        raise AssertionError("the training did not end")
    last = (root / "said.txt").read_text(errors="replace").rstrip().splitlines()[-1]
    if "was ended by SIGKILL" not in last or "--resume" not in last:
        raise AssertionError(f"the last line was '{last}'")
    finish(medgen(root, "train", "vae", root / "data", "--devices", 2, "--out", out, "--resume"))


def differences(expected: Path, found: Path) -> list[str]:
    """Return the files of a run or of the runs of a study that differ."""
    wanted = [path.relative_to(expected) for name in FILES for path in sorted(expected.rglob(name))]
    same = [(found / name).is_file() and (found / name).read_bytes() == (expected / name).read_bytes() for name in wanted]
    return [str(name) for name, alike in zip(wanted, same, strict=True) if not alike]


KILLS: dict[str, tuple[str, Callable[[Path, Path, random.Random], None]]] = {
    "two runs of a study at a time, one of their processes": ("study", with_a_worker_killed),
    "two runs of a study at a time, the process that gives them out": ("study", with_all_killed),
    "a training on two devices, one of its processes": ("training", with_a_device_killed),
}


def killed(root: Path, file: Path, what: str) -> None:
    """Kill TIMES over; what became of it is in the file after each."""
    facts = read_json(file).get(what) or {"tried": 0, "survived": 0, "wrong": [], "seconds": []}
    expected, carry_out = KILLS[what]
    while facts["tried"] < TIMES:
        out, began = root / "out", time.monotonic()
        shutil.rmtree(out, ignore_errors=True)
        try:
            carry_out(root, out, random.Random(facts["tried"]))
            wrong = differences(root / expected, out)
        except (AssertionError, IndexError, OSError) as error:
            wrong = [f"{type(error).__name__}: {error}"]
        facts["tried"] += 1
        facts["survived"] += not wrong
        facts["wrong"] += wrong
        facts["seconds"].append(round(time.monotonic() - began, 1))
        write_json(file, read_json(file) | {what: facts})
        sys.stdout.write(f"{what}: {facts}\n")
        sys.stdout.flush()


def main(out: Path) -> None:
    """Make frames, train undisturbed, and kill."""
    os.environ["OMP_NUM_THREADS"] = "1"
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        api.prepare(make_phantom(root / "made", PhantomSettings(**FRAMES)), root / "data", PrepareSettings(size=32))
        if study(root, root / "study", 1).wait() or training(root, root / "training").wait():
            raise SystemExit((root / "said.txt").read_text(errors="replace"))
        for what in KILLS:
            killed(root, out / FILE, what)


if __name__ == "__main__":
    main(*map(Path, arguments(__doc__)))
