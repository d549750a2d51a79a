"""What every tracker is told of a run: settings and numbers while it trains, measures and the page when it is reported on.

Nothing of a person, a computer or a folder above the run goes to a tracker: settings as ``run.toml`` has them, with relative
paths, and no command. Each tracker is a file beside this one, imported where a run asks for it (`WatchSettings.trackers`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

from medgen.errors import ConfigError, MedgenError
from medgen.files import read_json, write_json
from medgen.report.measures import measured_values
from medgen.report.run_metrics import RunMetrics
from medgen.runs.run import Run
from medgen.runs.settings import RunSettings
from medgen.types import OnProgress, Progress, TrackerName, no_progress

KNOWN_AS = "trackers.json"  # in a run: by which name each tracker knows it, so that another process goes on with the same
LONGEST_REASON = 300  # letters of what a library says
HOMES: Mapping[TrackerName, tuple[str, tuple[str, ...]]] = {  # of each: its class, and the packages that it needs
    "tensorboard": ("medgen.verbs.tracking.tensorboard:TensorBoard", ("tensorboard",)),
    "mlflow": ("medgen.verbs.tracking.mlflow:MLflow", ("mlflow", "sqlalchemy", "alembic")),
    "wandb": ("medgen.verbs.tracking.wandb:WandB", ("wandb",)),
}


class Tracker(Protocol):
    """One run as a tracker sees it.

    It is made of (folder of the run, name of the run, what the tracker knows it by or "", last epoch that counts).
    """

    known_as: str  # what another process finds the run by; "" where nothing is needed

    def settings(self, values: Mapping[str, Any]) -> None:
        """Note the settings of the run, dotted names to plain values."""

    def numbers(self, values: Mapping[str, float], epoch: int) -> None:
        """Note losses and diagnoses of an epoch."""

    def picture(self, name: str, path: Path, epoch: int) -> None:
        """Note a PNG file, which stays where it is."""

    def result(self, measures: Mapping[str, float], page: Path) -> None:
        """Note the measures of a report, and its page, whatever an earlier report of the run said."""

    def close(self) -> None:
        """Write what is not written yet, and take away what the tracker wrote about the computer."""


def require_trackers(settings: RunSettings) -> None:
    """Refuse a tracker that is not installed, before anything is written.

    Raises
    ------
    ConfigError : saying what to install.
    """
    for name in settings.watch.trackers:
        if missing := [package for package in HOMES[name][1] if not find_spec(package)]:
            raise ConfigError(f"tracker '{name}' needs {', '.join(missing)}, not installed here: pip install 'medgen[{name}]'")


class Trackers:
    """The trackers of a run. One that breaks is left out from then on, with a warning: it ends no training."""

    def __init__(self, opened: dict[TrackerName, Tracker], on_progress: OnProgress) -> None:
        self.opened, self.on_progress = opened, on_progress

    def tell(self, what: Callable[[Tracker], None]) -> None:
        """Tell each tracker something."""
        for name, tracker in [*self.opened.items()]:
            try:
                what(tracker)
            except Exception as error:
                del self.opened[name]
                self.on_progress(Progress("track", 0, 0, {}, f"warning: tracker '{name}' is told nothing more: {_reason(error)}"))


@contextmanager
def open_trackers(run: Run, on_progress: OnProgress = no_progress, epoch: int = 0) -> Iterator[Trackers]:
    """Yield the trackers that a run asks for, told its settings; what they know the run by is kept in its folder.

    Parameters
    ----------
    epoch : the last one whose numbers count; later ones belong to work that an interruption lost

    Raises
    ------
    MedgenError : if one cannot be opened.
    """
    known: dict[str, str] = read_json(run.folder / KNOWN_AS)
    before = dict(known)
    trackers = Trackers({}, on_progress)
    try:
        for name in dict.fromkeys(run.settings.watch.trackers):
            module, _, kind = HOMES[name][0].partition(":")
            try:
                tracker: Tracker = getattr(import_module(module), kind)(run.folder, run.name, known.get(name, ""), epoch)
            except Exception as error:
                raise MedgenError(f"tracker '{name}' cannot be opened: {_reason(error)}") from error
            trackers.opened[name] = tracker
            if tracker.known_as:
                known[name] = tracker.known_as
        trackers.tell(lambda tracker: tracker.settings(plain_settings(run)))
        if known != before:
            write_json(run.folder / KNOWN_AS, known)
        yield trackers
    finally:
        trackers.tell(lambda tracker: tracker.close())


def _reason(error: Exception) -> str:
    """Return the first sentence or so of what a library says."""
    return " ".join(str(error).split())[:LONGEST_REASON] or type(error).__name__


def note_report(run: Run, metrics: RunMetrics, page: Path, on_progress: OnProgress) -> None:
    """Tell the trackers of a run what a report measured; where one is missing here, say so and go on."""
    if not run.writable():
        return
    try:
        require_trackers(run.settings)
    except ConfigError as error:
        on_progress(Progress("report", 0, 0, {}, f"warning: {error}; the report is not noted there"))
        return
    measures = {f"report.{entry.measure.section}.{entry.measure.key}" + (f".{entry.of}" if entry.of else ""): entry.value
                for entry in measured_values(metrics) if entry.value is not None}  # fmt: skip
    history = run.history()
    epoch = int(history["epoch"].max()) if len(history) else 0
    try:
        with open_trackers(run, on_progress, epoch) as trackers:
            trackers.tell(lambda tracker: tracker.result(shown(measures), page))
    except MedgenError as error:  # the page is there all the same
        on_progress(Progress("report", 0, 0, {}, f"warning: {error}"))


def shown(values: Mapping[str, float]) -> dict[str, float]:
    """Return numbers under names that every tracker takes: a slash for each dot, and no sign that one of them refuses."""
    return {re.sub(r"[^\w\-/ ]", "_", name.replace(".", "/")): float(value) for name, value in values.items()}


def plain_settings(run: Run) -> dict[str, Any]:
    """Return the settings of a run and the versions that it was made with, dotted names to plain values."""
    facts = {name: fact for name, fact in run.about.items() if name not in ("command", "recalibrated_from")}
    return dict(_flat({**run.portable_settings(), "about": facts}))


def new_name() -> str:
    """Return a name that no other run has."""
    return uuid4().hex[:12]


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", json.dumps(value) if isinstance(value, list | tuple) else value
