"""The runs of a study several at a time: who gives the jobs out, where each may run, and what comes of it."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch

from medgen.engine.device import Device, find_device
from medgen.engine.memory import free_memory
from medgen.report.study.comparison import Failure
from medgen.runs.resources import recorded
from medgen.runs.run import open_run
from medgen.types import Progress
from medgen.verbs.study.entries import Usable, jobs_of_entries, note_failure
from medgen.verbs.study.settings import StudySettings
from medgen.verbs.study.study_runs import Job, RunContext, is_finished
from medgen.verbs.study.workers import Done, Lost, Workers

LIBRARIES = 2**29  # bytes that a process takes before it trains
ROOM = 3  # times what a training takes at least: how high its peak may be (runs/checks/check_memory.py)


@contextmanager
def side_by_side(
    study: StudySettings, entries: Mapping[str, Usable], failures: list[Failure], context: RunContext
) -> Iterator[Iterable[Job]]:
    """Inside the ``with``, the runs of a study; where several go at a time, all of them are trained and scored by then.

    Every process of such a study computes in its share of the threads, this one too: sums are divided among threads, and another
    division rounds differently.

    Parameters
    ----------
    failures : those that come up are added
    """
    jobs = jobs_of_entries(study, entries, failures, context)
    if context.jobs == 1:
        yield jobs
        return
    before = torch.get_num_threads()
    torch.set_num_threads(threads_of_each(context.jobs))
    try:
        yield _carried_out([*jobs], study, entries, failures, context)
    finally:
        torch.set_num_threads(before)


def threads_of_each(jobs: int) -> int:
    """Return in how many threads each of some processes computes: its share, or what OMP_NUM_THREADS says of one process."""
    threads = torch.get_num_threads()
    return threads if os.environ.get("OMP_NUM_THREADS") else max(1, threads // jobs)


def _carried_out(
    jobs: Sequence[Job], study: StudySettings, entries: Mapping[str, Usable], failures: list[Failure], context: RunContext
) -> list[Job]:
    """Train and score the runs that are not there yet; return those that are there then.

    A process that was killed, which the system does to one that takes too much memory, has its run again when the others are
    done, with the machine to itself.
    """
    free = free_memories(context.device)
    todo = [job for job in jobs if not is_finished(job)]
    broken: dict[str, Failure] = {}
    for count in (context.jobs, 1):
        lost = []
        for job, outcome in _outcomes(todo, Places(count, free), study, entries, context):
            name = job.folder.name
            if isinstance(outcome, Lost) and count > 1:
                lost.append(job)
                news = f"{name}: its process {outcome.why}; it goes on alone when the others are done"
                context.on_progress(Progress("compare", 0, 0, {}, news))
            elif isinstance(outcome, Lost):
                broken[name] = note_failure(Failure(name, f"its process {outcome.why}"), "", context)
            elif outcome.reason:
                broken[name] = note_failure(Failure(name, outcome.reason), outcome.at_length, context)
        todo = lost
    failures.extend(broken.values())
    return [job for job in jobs if job.folder.name not in broken]


def _outcomes(
    jobs: Sequence[Job], places: Places, study: StudySettings, entries: Mapping[str, Usable], context: RunContext
) -> Iterator[tuple[Job, Done | Lost]]:
    """Yield what became of each job, in the order in which they end; once the study is to stop, none begins."""
    todo, ended = [*jobs], 0
    peaks: dict[str, int] = {}  # of each entry of which a run is trained: what was measured is better than an estimate
    with Workers(study, context) as workers:
        while (todo and not context.stop()) or workers.running:
            for job in [*todo] if not context.stop() else []:
                place = places.take(LIBRARIES + peaks.get(job.entry, ROOM * entries[job.entry].memory))
                if place is not None:
                    todo.remove(job)
                    workers.begin(job, place, places.device_of(place))
            for job, place, outcome in workers.ended():
                places.leave(place)
                ended += 1
                if (job.folder / "run.toml").is_file() and (peak := _peak(job)):
                    peaks[job.entry] = max(peak, peaks.get(job.entry, 0))
                context.on_progress(Progress("runs", ended, len(jobs)))
                yield job, outcome


def _peak(job: Job) -> int:
    """Return the most bytes that a training took where its model is; 0 where the system does not say."""
    record = recorded(open_run(job.folder))
    return record.get("peak_device_memory") or record.get("peak_memory") or 0


class Places:
    """Where processes may run, each on a device with so much memory.

    Parameters
    ----------
    count : processes at a time, which take the devices in turn
    free : bytes that are free on each device; infinity where the system does not say
    """

    def __init__(self, count: int, free: Sequence[float]) -> None:
        self._count, self._free = count, free
        self._taken: dict[int, float] = {}  # bytes, by place

    def take(self, need: float) -> int | None:
        """Return a place with so many bytes, the one whose device has the most left; None where there is none.

        A device at which nothing runs takes whatever comes: it would not be more later.
        """
        used = [
            sum(bytes_ for place, bytes_ in self._taken.items() if self.device_of(place) == at) for at in range(len(self._free))
        ]
        left = [free - taken for free, taken in zip(self._free, used, strict=True)]
        open_ = [place for place in range(self._count) if place not in self._taken]
        fitting = [place for place in open_ if not used[self.device_of(place)] or need <= left[self.device_of(place)]]
        if not fitting:
            return None
        best = max(fitting, key=lambda place: left[self.device_of(place)])
        self._taken[best] = need
        return best

    def leave(self, place: int) -> None:
        """Give a place back."""
        del self._taken[place]

    def device_of(self, place: int) -> int:
        """Return the number of a place's device."""
        return place % len(self._free)


def free_memories(device: Device) -> list[float]:
    """Return how many bytes are free on each GPU that is meant, or in the machine's memory where none is."""
    kind = find_device(device).type
    devices = (
        [torch.device(kind, number) for number in range(torch.cuda.device_count())] if kind == "cuda" else [torch.device(kind)]
    )
    found = [free_memory(one) for one in devices]
    return [math.inf if free is None else float(free) for free in found]
