"""Kill a call, with a real SIGKILL, before the k-th thing that it changes on disk, run it again, and look at what it wrote.

A call runs in a forked child, which costs no import. Python tells an audit hook of each file that is opened to be written,
renamed or removed, and of each folder that is made or removed; before the k-th of them the child kills itself, so that all k
together are every place between two changes.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import torch
from safetensors.torch import load_file

Call = Callable[[Path], object]  # writes into the folder that it is given
CHANGES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate")
WRITES = os.O_WRONLY | os.O_RDWR
TIMES = {"seconds", "memory", "speed"}
TIME_ON_PAGE = re.compile(rb"(training seconds</dt><dd><bdi>)\d+")  # rounded, so that two calls may have the same by chance
UNLIKE = (
    "tensorboard/",
    "cost.json",
    "cache/",
)  # the first hold times; leftovers in a cache that machines share go after an hour


class Verb(NamedTuple):
    """A verb to be killed: what it does to a folder, how the folder is before, and whether its pages tell how long it took."""

    call: Call
    before: Call = lambda folder: None
    timed: bool = False


class Killed(NamedTuple):
    """What came of a call that was killed: where, and what was wrong after the same call was made again ("": nothing)."""

    place: int
    before: str
    wrong: str


def run_in_child(
    call: Call, folder: Path, kill_at: int = 0, note: Path | None = None, by: signal.Signals = signal.SIGKILL
) -> int:
    """Run a call in a child of its own and return how it ended: 0, 1 for an exception, or minus the signal.

    Parameters
    ----------
    folder : whose changes count
    kill_at : the number of the change before which the child kills itself; 0 for none
    note : file for the changes, a line each
    by : the signal
    """
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    code = 1
    try:
        torch.set_num_threads(1)  # threads of the parent are not there
        if note:
            _watch(folder, kill_at, os.open(note, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), by)
        call(folder)
        code = 0
    except BaseException as error:
        os.write(2, f"{type(error).__name__}: {error}\n".encode())
    finally:
        os._exit(code)


def _watch(folder: Path, kill_at: int, note: int, by: signal.Signals) -> None:
    root, seen = str(folder), 0

    def hook(event: str, given: tuple[object, ...]) -> None:
        nonlocal seen
        if not (event == "open" or event in CHANGES) or not str(given[0]).startswith(root):
            return
        there = os.path.lexists(str(given[0]))
        if event == "open" and not (isinstance(given[2], int) and given[2] & WRITES):
            return
        if (event == "os.mkdir" and there) or (event == "os.remove" and not there):  # it changes nothing
            return
        seen += 1
        os.write(note, f"{event} {str(given[0])[len(root) :]}\n".encode())
        if seen == kill_at:
            os.kill(os.getpid(), by)

    sys.addaudithook(hook)


def kill_and_repeat(verb: Verb, scratch: Path, place: int, whole: dict[str, str], by: signal.Signals = signal.SIGKILL) -> Killed:
    """Kill a call before a change and make it again.

    Parameters
    ----------
    place : number of the change, from 1
    whole : what `contents` says of what an undisturbed call wrote; "" of a file that holds times
    by : the signal; a call may answer any but SIGKILL by ending well
    """
    folder, note = _fresh(verb, scratch), scratch / "changes"
    ended = run_in_child(verb.call, folder, place, note, by)
    before = (note.read_text().splitlines() or [""])[-1]
    if ended != -by and (ended or by == signal.SIGKILL):
        return Killed(place, before, f"it was not killed but ended with {ended}")
    if run_in_child(verb.call, folder):
        return Killed(place, before, "the same call did not go on")
    now = {name: digest if whole.get(name, digest) else "" for name, digest in contents(folder).items()}
    wrong = [name for name in {**whole, **now} if whole.get(name) != now.get(name)]
    return Killed(place, before, f"other than undisturbed: {', '.join(sorted(wrong)[:3])}" if wrong else "")


def _fresh(verb: Verb, scratch: Path) -> Path:
    """Return the folder that the verb writes into, as it is before: the same path each time, as some results name it."""
    folder = scratch / "out"
    shutil.rmtree(folder, ignore_errors=True)
    verb.before(folder)
    return folder


def contents(folder: Path) -> dict[str, str]:
    """Return a digest of each file in a folder, of what does not tell the time."""
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    names = {path.relative_to(folder).as_posix(): path for path in paths}
    return {name: _digest(path) for name, path in names.items() if not any(part in name for part in UNLIKE)}


def _digest(path: Path) -> str:
    if path.name in ("log.csv", "steps.csv"):
        table = pd.read_csv(path)
        return table.drop(columns=[name for name in table if name in TIMES]).to_csv()
    if path.name == "last.safetensors":  # the time that it took stands beside the tensors
        return str(sorted((name, sha256(value.numpy().tobytes()).hexdigest()) for name, value in load_file(path).items()))
    if path.name == "report.html":
        return sha256(TIME_ON_PAGE.sub(rb"\1", path.read_bytes())).hexdigest()
    return sha256(path.read_bytes()).hexdigest()


def spread(count: int, most: int) -> list[int]:
    """Return up to `most` of the numbers from 1 to `count`, each in the middle of its share of them."""
    found = min(count, most)
    return [1 + (2 * k + 1) * count // (2 * found) for k in range(found)]


def walk(verb: Verb, scratch: Path, most: int = 10**6, by: signal.Signals = signal.SIGKILL) -> list[Killed]:
    """Kill a call at up to `most` places, evenly spread, and repeat it after each.

    Parameters
    ----------
    scratch : a folder for what is written
    by : the signal
    """
    scratch.mkdir(parents=True, exist_ok=True)
    folder, note = _fresh(verb, scratch), scratch / "changes"
    if run_in_child(verb.call, folder, note=note):
        return [Killed(0, "", "it did not go well undisturbed")]
    whole, changes = contents(folder), len(note.read_text().splitlines())
    if verb.timed:
        run_in_child(verb.call, _fresh(verb, scratch))
        again = contents(folder)
        whole = {name: digest if again.get(name) == digest else "" for name, digest in whole.items()}
    return [kill_and_repeat(verb, scratch, place, whole, by) for place in spread(changes, most)]
