"""The first process of a machine in a training on several devices: it starts one for each further device, and ends them."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from medgen.engine.device import Device, Precision, make_fabric
from medgen.engine.several.place import Place
from medgen.engine.several.processes import joined
from medgen.errors import RankError
from medgen.ranks import ALONE, Ranks
from medgen.verbs.several.child import READY

if TYPE_CHECKING:
    from lightning_fabric import Fabric

GRACE = 5.0  # seconds in which a process that was asked to end may do so


class Children:
    """The processes that this one started.

    Parameters
    ----------
    place : of this process
    device, precision : of all
    folder : for what they say of errors
    """

    def __init__(self, place: Place, device: Device, precision: Precision, folder: Path) -> None:
        self.place, self.folder = place, folder
        self.processes = [self._start(place._replace(local=local), device, precision) for local in range(1, place.devices)]

    def _start(self, place: Place, device: Device, precision: Precision) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "medgen.verbs.several.child", json.dumps([place, device, precision])]
        with self._said(place.local).open("wb") as errors:
            return subprocess.Popen(
                command,
                stdin=subprocess.PIPE,  # closed when this process ends, however that comes
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,  # Ctrl-C is this process's to answer
            )

    def _said(self, local: int) -> Path:
        return self.folder / f"{local}.txt"

    def wait_until_ready(self) -> None:
        """Wait until all have loaded what they need.

        Raises
        ------
        RankError : if one ended instead.
        """
        for process in self.processes:
            if process.stdout and process.stdout.readline() != READY:
                raise RankError(self.why_lost())

    def why_lost(self) -> str:
        """Return which process ended before the training did, and why."""
        until = time.monotonic() + GRACE
        while time.monotonic() < until and not any(self._ended()):
            time.sleep(0.05)
        lost = next((number for number, ended in enumerate(self._ended(), 1) if ended), None)
        if lost is None:
            return "a process of this training on another machine has ended"
        process, rank = self.processes[lost - 1], self.place.rank + lost
        why = how_ended(process.returncode, self._said(lost))
        return f"process {rank + 1} of {self.place.total} of this training {why}"

    def _ended(self) -> list[bool]:
        return [process.poll() not in (None, 0) for process in self.processes]

    def end(self) -> None:
        """End those that still run."""
        end_processes(self.processes)


def end_processes(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """End those that still run: each takes the end of its stdin as the end."""
    for process in processes:
        for pipe in (process.stdin, process.stdout):
            with suppress(OSError):  # what was written last had not gone through
                if pipe:
                    pipe.close()
    for process in processes:
        try:
            process.wait(GRACE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def how_ended(code: int, said: Path) -> str:
    """Return how a process ended that was to go on, as the end of a sentence.

    Parameters
    ----------
    code : its exit code; minus the number of a signal
    said : what it wrote on stderr
    """
    if code < 0:
        name = signal.Signals(-code).name
        return f"was ended by {name}" + (" (often for want of memory)" if name == "SIGKILL" else "")
    lines = said.read_text(errors="replace").strip().splitlines()
    return f"ended: {lines[-1]}" if lines else f"ended with exit code {code}"


@contextmanager
def trained_on(place: Place | None, device: Device, precision: Precision) -> Iterator[tuple[Fabric, Ranks]]:
    """Inside the ``with``, the processes of a training are there, this one among them; alone where there is no place.

    Raises
    ------
    RankError : if a process ended before the training did, saying which and why.
    """
    if place is None:
        yield make_fabric(device, precision), ALONE
        return
    with ExitStack() as stack:
        children = None
        try:
            if not place.external and place.local == 0:
                from lightning_fabric.plugins.environments.lightning import find_free_network_port

                place = place._replace(port=place.port or find_free_network_port())
                children = Children(place, device, precision, Path(stack.enter_context(TemporaryDirectory())))
                stack.callback(children.end)
                children.wait_until_ready()
            fabric, ranks = stack.enter_context(joined(place, device, precision))
            yield fabric, ranks
        except RankError as error:
            why = children.why_lost() if children else "another process of this training has ended"
            raise RankError(f"{why}; go on from the last state with --resume") from error
