"""Show progress on stderr, and turn Ctrl-C or SIGTERM into a stop after the current step.

`Progress` events of `medgen.api` come in; on a terminal a bar goes out, elsewhere a line now and then.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import sys
import time
from pathlib import Path
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, Self

import click

from medgen.types import Progress

from .answer import WARNING, is_quiet

if TYPE_CHECKING:
    from rich.progress import TaskID

LINE_SECONDS = 15.0  # between two lines of one task, where there is no terminal
DEFAULT_HANDLERS: dict[int, Any] = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}


class Display:
    """A progress callback that can also be asked whether to stop.

    `stop` is True once Ctrl-C was pressed or a scheduler sent SIGTERM; a second signal ends the process at once.
    """

    def __init__(self) -> None:
        self.quiet = is_quiet()
        self.interactive = sys.stderr.isatty() and not self.quiet
        self.stopped = False
        self.printed: dict[str, float] = {}
        self.started: dict[str, tuple[float, int]] = {}  # of each task: time of its first event, and how much was done then
        self.done: dict[str, int] = {}  # of each task

    def __enter__(self) -> Self:
        if self.interactive:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
            from rich.progress import Progress as Bars

            columns: list[Any] = [
                "{task.description:<12}",
                BarColumn(),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
                TextColumn("{task.fields[values]}"),
            ]
            self.bars = Bars(*columns, console=Console(stderr=True))
            self.tasks: dict[str, TaskID] = {}
            self.bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.interactive:
            self.bars.stop()

    def __call__(self, progress: Progress) -> None:
        if self.quiet:
            if progress.message.startswith(WARNING):
                self._say(progress.message)
            return
        values = "  ".join(f"{name} {_short(value)}" for name, value in progress.values.items())
        if progress.message:
            self._say(progress.message)
        if not progress.total:
            return
        again = progress.done < self.done.get(progress.task, 0)  # another one of that name; the one before may have ended early
        self.done[progress.task] = progress.done
        if self.interactive:
            if progress.task not in self.tasks:
                self.tasks[progress.task] = self.bars.add_task(progress.task, total=progress.total, values="")
            task = self.tasks[progress.task]
            if again:
                self.bars.reset(task)
            self.bars.update(task, completed=progress.done, total=progress.total)
            if values:
                self.bars.update(task, values=values)
        else:
            if again:
                self.started.pop(progress.task, None)
                self.printed.pop(progress.task, None)
            self._line(progress, values)

    def _say(self, message: str) -> None:
        if self.interactive:
            self.bars.console.print(message, markup=False, highlight=False)
        else:
            click.echo(message, err=True)

    def _line(self, progress: Progress, values: str) -> None:
        now = time.monotonic()
        began, done_before = self.started.setdefault(progress.task, (now, progress.done))
        last = progress.done >= progress.total
        if progress.message or (not last and now - self.printed.get(progress.task, -LINE_SECONDS) < LINE_SECONDS):
            return
        self.printed[progress.task] = now
        done = progress.done - done_before  # a resumed task begins in the middle
        left = f"  {_clock((now - began) * (progress.total - progress.done) / done)} left" if done and not last else ""
        click.echo(f"{progress.task}: {progress.done}/{progress.total}  {values}{left}".rstrip(), err=True)

    def stop(self) -> bool:
        """Tell whether a signal to stop has come; signals are handled from the first call on."""
        if not self.stopped:
            for number, default in DEFAULT_HANDLERS.items():
                if signal.getsignal(number) is default:  # a shell ignores SIGINT for jobs in its background: leave that
                    signal.signal(number, self._interrupt)
        return self.stopped

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        self.stopped = True
        signal.signal(number, DEFAULT_HANDLERS[number])
        name = "Ctrl-C" if number == signal.SIGINT else "SIGTERM"
        self._say(f"stopping after this step; {name} again to end at once")

    @staticmethod
    def command() -> str:
        """Return the command line as it was typed, without the folders above the working folder."""
        return shlex.join(["medgen", *map(_without_folders, sys.argv[1:])])


def _without_folders(word: str) -> str:
    """Return an argument whose path from the root of the disk is the one from the working folder, or the last part of it alone.

    What is kept of a command goes to others, and the folders above the work may name a person or a patient.
    """
    before, path = re.fullmatch(r"((?:[^/]*[=:@])?)(.*)", word, re.DOTALL).groups()  # type: ignore[union-attr]
    if not path.startswith("/"):
        return word
    return before + (os.path.relpath(path) if Path(path).is_relative_to(Path.cwd()) else Path(path).name)


def _short(value: float) -> str:
    return f"{value:.0f}" if float(value).is_integer() else f"{value:.4g}"


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes}:{seconds:02}"
