"""Kill processes of a study of which two runs go at a time: `python tests/soak/jobs.py OUT` writes OUT/jobs.json.

So often (TIMES) a process that trains is killed (SIGKILL) in the middle of it, and so often the process that gives the jobs out,
after which the same command is called again. Each time every run has to have the weights and the scores that it has when one is
trained after another, and no process may be left. What is measured already stays.
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
SETTINGS = ("data.batch_size=8", "train.epochs=20", "train.panel_epochs=0", "model.widths=[8,8]")
FILES = ("model.safetensors", "scores/scores.csv", "scores/maps.npy", "calibration.json")
FILE = "jobs.json"
WORKER = b"medgen.verbs.study.worker"
MEDGEN = [sys.executable, "-c", "from medgen_cli.main import main; main()"]


def begin(root: Path, out: Path, jobs: int) -> subprocess.Popen[bytes]:
    """Begin a study in a process of its own."""
    words = ["compare", root / "data", "--backends", "vae,vqvae", "--jobs", jobs, "--out", out]
    words += [word for setting in SETTINGS for word in ("--set", setting)]
    with (root / "said.txt").open("ab") as said:
        return subprocess.Popen([*MEDGEN, *map(str, words)], stdout=said, stderr=said)


def workers() -> list[int]:
    """Return the processes that train."""
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if WORKER in place.read_bytes():
                found.append(int(place.parent.name))
        except OSError:
            continue
    return found


def wait_for_a_training(out: Path, among: random.Random) -> None:
    """Wait until a run trains, and a moment longer."""
    end = time.monotonic() + 300
    while not [*out.glob("runs/*/log.csv")] and time.monotonic() < end:
        time.sleep(0.02)
    time.sleep(4 * among.random())


def with_a_worker_killed(root: Path, out: Path, among: random.Random) -> None:
    """Carry a study out while one of its processes is killed."""
    study = begin(root, out, 2)
    wait_for_a_training(out, among)
    os.kill(among.choice(workers()), signal.SIGKILL)
    if study.wait():
        raise AssertionError("the study failed")


def with_all_killed(root: Path, out: Path, among: random.Random) -> None:
    """Kill the process that gives the jobs out; the others end, and the same command goes on."""
    study = begin(root, out, 2)
    wait_for_a_training(out, among)
    study.kill()
    study.wait()
    end = time.monotonic() + 10
    while workers() and time.monotonic() < end:
        time.sleep(0.05)
    if workers():
        raise AssertionError("processes were left")
    if begin(root, out, 2).wait():
        raise AssertionError("the study failed")


def differences(expected: Path, found: Path) -> list[str]:
    """Return the files of runs that differ."""
    names = [f"{run.name}/{file}" for run in sorted((expected / "runs").iterdir()) for file in FILES]
    return [name for name in names if (expected / "runs" / name).read_bytes() != (found / "runs" / name).read_bytes()]


def killed(root: Path, file: Path, what: str, carry_out: Callable[[Path, Path, random.Random], None]) -> None:
    """Carry a study out TIMES over; what became of them is in the file after each."""
    facts = read_json(file).get(what) or {"tried": 0, "survived": 0, "wrong": [], "seconds": []}
    while facts["tried"] < TIMES:
        out, began = root / "out", time.monotonic()
        shutil.rmtree(out, ignore_errors=True)
        try:
            carry_out(root, out, random.Random(facts["tried"]))
            wrong = differences(root / "expected", out)
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
    """Make frames, train one after another, and kill."""
    os.environ["OMP_NUM_THREADS"] = "1"
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        api.prepare(make_phantom(root / "made", PhantomSettings(**FRAMES)), root / "data", PrepareSettings(size=32))
        if begin(root, root / "expected", 1).wait():
            raise SystemExit((root / "said.txt").read_text(errors="replace"))
        killed(root, out / FILE, "a process that trains", with_a_worker_killed)
        killed(root, out / FILE, "the one that gives the jobs out", with_all_killed)


if __name__ == "__main__":
    main(*map(Path, arguments(__doc__)))
