"""What a page that compares backends is made of: the results of several runs on the same frames, nothing computed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from medgen.report.audit_metrics import AuditMetrics
from medgen.report.run_report_data import RunResults


class Cost(NamedTuple):
    """What a run took; None where it was not recorded."""

    parameters: int | None  # trainable weights
    training_seconds: float | None
    frames_per_second: float | None  # scored, on the machine and device of the run's provenance
    peak_memory: int | None  # bytes that the training added to the process, libraries not counted
    peak_device_memory: int | None = None  # bytes, of tensors on the GPU while it trained; None where there was none


class FrameView(NamedTuple):
    """A frame and what a run makes of it."""

    original: NDArray[np.uint8]  # (S, S, 3)
    reconstruction: NDArray[np.uint8] | None  # (S, S, 3); None for a backend that does not reconstruct
    error: NDArray[np.float32] | None  # (S, S), higher is more anomalous; None for a backend that does not localise
    valid: NDArray[np.bool_]  # (S, S), True where the pixel shows tissue
    mask: NDArray[np.bool_] | None  # (S, S), truth of where the finding is; None where nothing is annotated


@dataclass(frozen=True, eq=False)
class Entry:
    """One backend, or one recipe of it: a row of the summary.

    Attributes
    ----------
    name : unique in a comparison
    runs : one for each seed, all scored on the same frames in the same order
    costs : one for each run
    frame_views : of the first run: row numbers of its scores to what is to be shown of those frames
    """

    name: str
    runs: Sequence[RunResults]
    costs: Sequence[Cost]
    frame_views: Callable[[Sequence[int]], list[FrameView]]


class Failure(NamedTuple):
    """A run that could not be made, and why, in one line."""

    name: str
    reason: str


@dataclass(frozen=True, eq=False)
class Comparison:
    """Everything that the page of a comparison says.

    Attributes
    ----------
    title : of the page
    entries : in the order in which they were asked for
    failures : what is missing from `entries`
    audit : of the data set's scored frames, with every entry's first run, as `medgen.verbs.audit.audit_frames` returns it
    duplicates : near-duplicates across splits, as ``leaks.csv`` of the data set has them
    rejected : files that could not be read; columns file and reason
    study : settings of the study, nested plain values; {} where finished runs were compared
    commands : what repeats it, one command a line
    """

    title: str
    entries: Sequence[Entry]
    failures: Sequence[Failure] = ()
    audit: AuditMetrics = field(default_factory=AuditMetrics)
    duplicates: pd.DataFrame = field(default_factory=pd.DataFrame)
    rejected: pd.DataFrame = field(default_factory=pd.DataFrame)
    study: Mapping[str, object] = field(default_factory=dict)
    commands: Sequence[str] = ()
