"""What the page of a run is made of: its results, gathered by `medgen.verbs.results`; nothing is computed here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from medgen.errors import RunError
from medgen.report.audit_metrics import AuditMetrics
from medgen.report.run_metrics import RunMetrics

SCORE_COLUMNS = ("id", "path", "label", "finding", "score")


@dataclass(frozen=True, eq=False)
class Panel:
    """One frame that the page shows beside its reconstruction and its error map.

    Attributes
    ----------
    rank : "best", "median" or "worst" of its label by score; best is the lowest score, the frame that looks most normal
    label, finding, path : as in the scores
    score : raw, higher is more anomalous
    flagged : whether the score is above the threshold; None where there is no threshold
    original : (S, S, 3) uint8
    reconstruction : (S, S, 3) uint8; None for a backend that does not reconstruct
    error : (S, S) float32, higher is more anomalous; None for a backend that does not localise
    valid : (S, S) bool, True where the pixel shows tissue
    mask : (S, S) bool, truth of where the finding is; None where nothing is annotated
    truth : (S, S, 3) uint8, the frame that belongs to it and should have been drawn; None where that is the frame itself
    """

    rank: str
    label: str
    finding: str
    path: str
    score: float
    flagged: bool | None
    original: NDArray[np.uint8]
    reconstruction: NDArray[np.uint8] | None
    error: NDArray[np.float32] | None
    valid: NDArray[np.bool_]
    mask: NDArray[np.bool_] | None
    truth: NDArray[np.uint8] | None = None


@dataclass(frozen=True, eq=False)
class ExtraFigure:
    """A figure that only some backends allow: a latent space, samples of each class, a controller at work.

    Attributes
    ----------
    key : its file's name, unique within a run
    title, alt, caption : plain text
    picture : SVG or PNG
    table : rows of cells below it, the first one of headings; () for none
    """

    key: str
    title: str
    alt: str
    caption: str
    picture: bytes
    table: Sequence[Sequence[str]] = ()

    @property
    def suffix(self) -> str:
        """The ending of its file."""
        return "png" if self.picture.startswith(b"\x89PNG") else "svg"


@dataclass(frozen=True, eq=False)
class RunResults:
    """Everything that the page says about one run.

    Attributes
    ----------
    name : of the run; runs of one report that share a name are numbered
    backend : its registered name
    about : what the backend is, with a link to its paper; plain text, an empty line parts paragraphs
    dataset : what it was trained on, as it is to be shown: source, size, frames per split and finding, rejected files, ...
    scores : one row per frame that the metrics speak of; columns id, path, label ("normal", "abnormal" or ""), finding, split,
        group, score (raw), quantile (among normal validation frames), and where they exist abnormal (the decision), psnr, ssim,
        psnr_valid, ssim_valid and component_<name>
    history : one row per epoch: epoch, seconds, lr.<player>, train.<loss>, val.<loss>, diagnosis.<name>; may be empty
    metrics : as written to ``metrics.json``; any section may be {} and any value None, and the page then says why
    panels : best, median and worst frames of each label
    samples : (N, S, S, 3) uint8; None for a backend that does not generate
    settings : nested plain values (backend, model, train, ...)
    provenance : versions, device, precision, started, seconds, command
    warnings : what a reader has to know before any number
    rejected : files that could not be read; columns file and reason
    extra_figures : figures that only some backends allow
    regions : flagged regions of the maps, as `medgen.runs.localising.regions` returns them; None without maps or level
    audit : of the scored frames and this run, as `medgen.verbs.audit.audit_frames` returns it; {} where none was made

    Raises
    ------
    RunError : if the scores lack a column that the page needs.
    """

    name: str
    backend: str
    about: str
    dataset: Mapping[str, str | int]
    scores: pd.DataFrame
    history: pd.DataFrame
    metrics: RunMetrics
    panels: list[Panel]
    samples: NDArray[np.uint8] | None
    settings: Mapping[str, Any]
    provenance: Mapping[str, str]
    warnings: list[str]
    rejected: pd.DataFrame
    extra_figures: list[ExtraFigure] = field(default_factory=list)
    audit: AuditMetrics = field(default_factory=AuditMetrics)
    regions: pd.DataFrame | None = None

    @property
    def external(self) -> bool:
        """Whether the frames are of another data set than the run's own: the page then says nothing of the training."""
        return "external" in self.metrics

    def __post_init__(self) -> None:
        missing = [column for column in SCORE_COLUMNS if column not in self.scores]
        if missing:
            raise RunError(f"the scores of '{self.name}' lack {', '.join(missing)}; score the run again with `medgen score`")
