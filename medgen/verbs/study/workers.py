"""The processes that train and score the runs of a study, as the one that started them sees them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import IO, Any, NamedTuple, Self

import torch

from medgen.trust import trusted
from medgen.types import Progress
from medgen.verbs.several.start import end_processes, how_ended
from medgen.verbs.study.settings import StudySettings
from medgen.verbs.study.study_runs import Job, RunContext

WAIT = 0.2  # seconds after which a study looks whether it is to stop, where no process says anything
COMMAND = [sys.executable, "-m", "medgen.verbs.study.worker"]
GPUS = "CUDA_VISIBLE_DEVICES"


class Done(NamedTuple):
    """What a process says when it is done.

    Attributes
    ----------
    reason : why its run failed, in one line; "" where it did not
    at_length : what is to be known of a failure that is a bug
    """

    reason: str = ""
    at_length: str = ""


class Lost(NamedTuple):
    """A process that ended and did not say so."""

    why: str


class Running(NamedTuple):
    """A process and its job."""

    job: Job
    place: int
    process: subprocess.Popen[bytes]


class Workers:
    """Processes of one job each; they end with this one, however that comes.

    Parameters
    ----------
    study, context : of all jobs
    """

    def __init__(self, study: StudySettings, context: RunContext) -> None:
        self._study, self._context = study, context
        self._heard: SimpleQueue[tuple[str, dict[str, Any] | None]] = SimpleQueue()  # name of a run, and what its process says
        self._outcomes: dict[str, Done] = {}
        self._asked = False  # whether they were asked to stop
        self.running: dict[str, Running] = {}  # by the name of the run

    def __enter__(self) -> Self:
        self._folder = TemporaryDirectory(prefix="medgen-")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        end_processes([running.process for running in self.running.values()])
        self._folder.cleanup()

    def begin(self, job: Job, place: int, gpu: int) -> None:
        """Begin a job in a process of its own.

        Parameters
        ----------
        place : its number, by which the progress of its process is named
        gpu : the only one that it sees, where this process sees any
        """
        name = job.folder.name
        self._say(f"job {place + 1}: {name} begins")
        with self._said(name).open("wb") as errors:
            process = subprocess.Popen(
                COMMAND,
                stdin=subprocess.PIPE,  # closed when this process ends, however that comes
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,  # Ctrl-C is this process's to answer
                env={**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads()), **_seeing(gpu)},
            )
        self.running[name] = Running(job, place, process)
        threading.Thread(target=self._listen, args=(name, process.stdout), daemon=True).start()
        _tell(process, json.dumps(self._told(job)))

    def _told(self, job: Job) -> dict[str, Any]:
        """Return what a process needs to know."""
        context = self._context
        return {
            "entry": job.entry,
            "folder": str(job.folder.absolute()),
            "settings": job.settings.model_dump(mode="json"),
            "minutes": job.minutes,
            "study": self._study.model_dump(mode="json"),
            "out": str(context.out.absolute()),
            "device": context.device,
            "runtime": context.runtime,
            "command": context.command,
            "jobs": context.jobs,
            "trusted": sorted(trusted()),
        }

    def ended(self) -> Iterator[tuple[Job, int, Done | Lost]]:
        """Wait a moment for what the processes say; yield the job, the place and the outcome of each that has ended."""
        if self._context.stop() and not self._asked:
            self._asked = True
            for _, _, process in self.running.values():
                _tell(process, "stop")
        until = time.monotonic() + WAIT
        while (left := until - time.monotonic()) > 0:
            try:
                name, said = self._heard.get(timeout=left)
            except Empty:
                return
            if said is None:
                yield self._ended(name)
            elif "ended" in said:
                self._outcomes[name] = Done(*said["ended"])
            else:
                self._pass_on(name, Progress(**said))

    def _ended(self, name: str) -> tuple[Job, int, Done | Lost]:
        job, place, process = self.running[name]
        end_processes([process])
        del self.running[name]
        if name in self._outcomes:
            outcome = self._outcomes.pop(name)
            if not outcome.reason and not self._asked:
                self._say(f"job {place + 1}: {name} is trained and scored")
            return job, place, outcome
        return job, place, Lost(how_ended(process.returncode, self._said(name)))

    def _pass_on(self, name: str, progress: Progress) -> None:
        """Tell what a process tells, with the number of its place beside it: a bar for each run would soon be too many."""
        message = progress.message
        if message:
            before = "warning: " if message.startswith("warning: ") else ""
            message = f"{before}{name}: {message.removeprefix(before)}"
        self._context.on_progress(progress._replace(task=f"{progress.task} {self.running[name].place + 1}", message=message))

    def _listen(self, name: str, stdout: IO[bytes]) -> None:
        for line in stdout:
            self._heard.put((name, json.loads(line)))
        self._heard.put((name, None))

    def _say(self, message: str) -> None:
        self._context.on_progress(Progress("compare", 0, 0, {}, message))

    def _said(self, name: str) -> Path:
        return Path(self._folder.name, f"{name}.txt")


def _seeing(gpu: int) -> dict[str, str]:
    """Return what lets a process see one of the GPUs that this one sees; nothing where there is none."""
    if not torch.cuda.is_available():
        return {}
    named = os.environ.get(GPUS, "")
    return {GPUS: named.split(",")[gpu].strip() if named else str(gpu)}


def _tell(process: subprocess.Popen[bytes], line: str) -> None:
    """Write a line to a process; one that has ended is found by what it does not say."""
    with suppress(OSError):
        assert process.stdin
        process.stdin.write(f"{line}\n".encode())
        process.stdin.flush()
