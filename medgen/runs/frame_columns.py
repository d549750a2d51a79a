"""What is known of scored frames, column by column: what the data set says of them, their raw scores, how well each was drawn."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import Tensor

from medgen import registry
from medgen.contract.backend import Backend, paired_target
from medgen.contract.capabilities import Conditional
from medgen.data.prepared import SECONDS, Prepared
from medgen.data.scorable import statuses
from medgen.engine.fixed_shape import in_fixed_shape
from medgen.engine.score import Scored
from medgen.errors import BackendError, did_you_mean
from medgen.metrics.image import qualities
from medgen.report.evaluate import CLASS
from medgen.runs.calibrating.normal_frames import component_table
from medgen.types import Batch

COPIED = ["id", "path", "label", "finding", "split", "group", SECONDS]  # columns of the index that a table of scores repeats


class RawColumns:
    """The columns of raw scores of N frames, filled batch by batch; a frame that is in no batch has NaN, or no class."""

    def __init__(self, frames: int, model: Backend) -> None:
        self._frames, self._model = frames, model
        self._columns: dict[
            str, NDArray[Any]
        ] = {}  # whole from the start: what is kept of each batch scatters the memory of nets

    def add(self, places: NDArray[np.int64], scored: Scored) -> None:
        """Take up a batch; `places` (B,) says which of the N frames its frames are."""
        for name, series in _measure(scored, self._model).items():
            column, values = str(name), series.to_numpy()
            if column not in self._columns:
                empty = np.array("" if column.startswith(CLASS) else np.nan, values.dtype)
                self._columns[column] = np.full(self._frames, empty)
            self._columns[column][places] = values

    def table(self) -> pd.DataFrame:
        """Return the columns; without any batch a score that is NaN."""
        return pd.DataFrame(self._columns or {"score": np.full(self._frames, np.nan)}, copy=False)


def described(data: Prepared, rows: NDArray[np.int64], shares: NDArray[np.float64]) -> pd.DataFrame:
    """Return what is known of frames before they are scored, a row each; `shares` (n,) of their crops are valid."""
    about = data.index[[name for name in COPIED if name in data.index]].iloc[rows].reset_index(drop=True)
    return about.assign(status=statuses(shares), valid_share=shares)


def find_class(model: Backend, label: str) -> int | None:
    """Return the index of a class in a conditional backend's own order; None for "".

    Raises
    ------
    BackendError : if the backend is told of no classes, or not of this one.
    """
    if not label:
        return None
    classes = registry.require(model, Conditional).classes
    if label not in classes:
        hint = did_you_mean(label, classes) if classes else "it was trained without classes"
        raise BackendError(f"this run knows no class '{label}'; {hint}")
    return classes.index(label)


def _measure(scored: Scored, model: Backend) -> pd.DataFrame:
    """Return the raw score, its components, how well each frame, or its pair, was drawn, and what classifiers call it."""
    batch, _, drawn, classes = scored
    columns: dict[str, Tensor] = {}
    if drawn is not None:
        target = paired_target(model, batch)
        image = (batch.image if target is None else target) * batch.valid
        columns = in_fixed_shape(_quality, replace(batch, image=image, other=drawn))
    table = pd.concat([component_table(scored), pd.DataFrame({name: values.numpy() for name, values in columns.items()})], axis=1)
    names = np.array(getattr(model, "classes", ()), dtype=object)
    predicted = {f"class_{name.replace(' ', '_')}": names[indices.numpy()] for name, indices in classes.items()}
    return table.assign(**predicted)


def _quality(drawn: Batch) -> dict[str, Tensor]:
    """Return each measure of quality (B,) of frames whose reconstructions stand beside them as their others."""
    assert drawn.other is not None
    return qualities(drawn.image, drawn.other, drawn.valid)
