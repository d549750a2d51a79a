"""Let the disk fill up while each verb writes: `python tests/soak/full_disk.py OUT [VERB ...]` writes OUT/full_disk.json.

A file system of its own, in memory, is as large as what a verb finds there and a share of what it is going to write. The verb
has to end with one line that names a file and the reason, to leave no half-written file, and to go on when there is room. Making
such a file system takes root; where that is refused the script says so, and the file as well.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

from commands import SMALL_VAE, medgen
from killed_verbs import FEW
from untrained import SMALL, make_run

from medgen import api
from medgen.data.phantom.frames import make_phantom
from medgen.data.prepared import PrepareSettings
from medgen.files import read_json, write_json
from medgen.verbs import results

SHARES = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 0.97)  # of what a verb writes, when the disk is full
PAGE = 4096  # bytes, in which such a file system counts
ROOM = 512 << 20  # bytes, where there is enough
REASON = "No space left on device"


class Ended(NamedTuple):
    """How a command ended: its exit code, minus the signal where one killed it, and the last line of what it printed."""

    code: int
    said: str


def command(*words: object) -> Ended:
    """Run `medgen` in a child of its own, so that a bus error ends nothing else."""
    told = Path(tempfile.gettempdir()) / f"full-disk-{os.getpid()}"
    child = os.fork()
    if not child:
        torch.set_num_threads(1)
        result = medgen(*words)
        told.write_text((result.output.strip().splitlines() or [""])[-1])
        os._exit(result.exit_code)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    said = told.read_text() if told.is_file() else ""
    told.unlink(missing_ok=True)
    return Ended(code, said)


@contextmanager
def small_disk(at: Path) -> Iterator[None]:
    """Mount a file system of its own.

    Raises
    ------
    OSError, subprocess.CalledProcessError : if this machine refuses.
    """
    at.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={ROOM}", "tmpfs", str(at)], check=True, capture_output=True)
    try:
        yield
    finally:
        subprocess.run(["umount", str(at)], check=True)


def resize(at: Path, size: int) -> None:
    """Give the file system so many bytes."""
    subprocess.run(["mount", "-o", f"remount,size={-(-size // PAGE) * PAGE}", str(at)], check=True)


def used(at: Path) -> int:
    """Return how many bytes the file system holds."""
    state = os.statvfs(at)
    return (state.f_blocks - state.f_bfree) * state.f_frsize


def refill(at: Path, world: Path) -> None:
    """Let the file system hold a copy of a folder and nothing else."""
    resize(at, ROOM)
    for path in at.iterdir():
        shutil.rmtree(path)
    shutil.copytree(world, at, dirs_exist_ok=True)


def files(at: Path) -> set[str]:
    return {path.relative_to(at).as_posix() for path in at.rglob("*") if path.is_file() and "tensorboard" not in path.parts}


def commands(at: Path) -> dict[str, list[object]]:
    """Return a command line for each verb that writes; results go to `at`/out."""
    run, data, frames, new, out = (at / name for name in ("run", "data", "frames", "frames/polyp", "out"))
    small = [part for setting in SMALL for part in ("--set", setting)]
    return {
        "prepare": ["prepare", frames, "--out", out, "--size", 32],
        "train": ["train", "vae", data, "--out", out, *SMALL_VAE, "--set", "train.log_steps=1"],
        "score": ["score", run, new, "--out", out],
        "maps": ["maps", run, new, "--out", out],
        "report": ["report", run, "--out", out],
        "report --input": ["report", run, "--input", new, "--out", out],
        "reconstruct": ["reconstruct", run, new, "--out", out],
        "sample": ["sample", run, "-n", 9, "--out", out],
        "inspect": ["inspect", frames, "--out", out, "--steps", at / "steps", "--limit", 3, "--workers", 1],
        "audit": ["audit", data, "--out", out],
        "compare": ["compare", data, "--backends", "vae", *small, "--set", "train.epochs=1", "--out", out],
        "export": ["export", run, "--out", out, "--format", "torch-export"],
        "demo": ["demo", "--out", out, "--epochs", 1],
    }


def faults(at: Path, world: Path, line: list[object]) -> Iterator[tuple[float, str]]:
    """Yield a share of what a verb writes, and what was wrong when the disk was full after it ("": nothing)."""
    refill(at, world)
    before = used(at)
    first = command(*line)
    if first.code:
        yield 1.0, f"it did not go well undisturbed: {first.said}"
        return
    whole, written = files(at), used(at) - before
    for share in SHARES:
        refill(at, world)
        resize(at, used(at) + int(share * written))
        full = command(*line)
        half = sorted(name for name in files(at) if name.endswith(".part"))
        resize(at, ROOM)
        again = command(*line)
        missing = sorted(whole ^ files(at))
        if full.code != 1 or REASON not in full.said or "bug" in full.said or "/" not in full.said:
            yield share, f"ended with {full.code}: {full.said}"
        elif half:
            yield share, f"left {half[0]}"
        elif again.code:
            yield share, f"did not go on: {again.said}"
        else:
            yield share, f"other files than undisturbed: {', '.join(missing[:3])}" if missing else ""


def main(out: Path, names: list[str]) -> None:
    """Fill the disk under all verbs, or those that are named."""
    torch.set_num_threads(1)
    results.N_MEASURED = 8  # samples whose distance a report measures
    file = out / "full_disk.json"
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["MEDGEN_CACHE"] = f"{scratch}/cache"
        world, at = Path(scratch, "world"), Path(scratch, "disk")
        frames = make_phantom(world / "frames", FEW)
        data = api.prepare(frames, world / "data", PrepareSettings(size=32), 1)
        make_run(data.address, world / "run")
        try:
            with small_disk(at):
                lines = commands(at)
                for name in names or lines:
                    began = time.monotonic()
                    found = [*faults(at, world, lines[name])]
                    wrong = [f"full at {share:.0%}: {what}" for share, what in found if what]
                    facts = {"tried": len(found), "survived": len(found) - len(wrong), "seconds": time.monotonic() - began}
                    write_json(file, {**read_json(file), name: {**facts, "wrong": wrong}})
                    sys.stdout.write(f"{name}: {facts['survived']} of {facts['tried']} full disks survived {json.dumps(wrong)}\n")
                    sys.stdout.flush()
        except (OSError, subprocess.CalledProcessError) as error:
            write_json(file, {"skipped": f"no file system can be mounted here: {error}"})
            sys.stdout.write(f"full disks were not tried: no file system can be mounted here ({error})\n")


if __name__ == "__main__":
    from benchmarks.usage import arguments

    words = arguments(__doc__)
    main(Path(words[0]), words[1:])
