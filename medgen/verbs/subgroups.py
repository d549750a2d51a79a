"""Ways to group the frames of a report: by their folder, by the size of the finding, by columns of the source's manifest."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from medgen.data.layouts.manifest import read_column
from medgen.data.prepared import Prepared
from medgen.data.source_file import MANIFEST, file_and_frame
from medgen.errors import DataError
from medgen.report.groups import size_classes
from medgen.runs.group_scores import group_kinds

BLOCK = 256  # masks read at once
KNOWN: Mapping[str, Callable[[pd.DataFrame], list[str]]] = {  # of every data set, with a manifest or without
    "group": lambda index: index["group"].tolist(),
    "folder": lambda index: [PurePosixPath(path).parts[0] if "/" in path else "" for path in index["path"]],
}


def subgroups(data: Prepared, rows: NDArray[np.int64], columns: Sequence[str] = ()) -> dict[str, Sequence[str]]:
    """Return the groups of frames in each way that the data allow: "folder", "size of the finding", and each column.

    Folders that say no more than the findings are left out. Two columns need no manifest: "group", and "folder", which is then
    the outermost folder of each frame (a folder for each centre, above those of the classes).

    Raises
    ------
    DataError : if another column is asked for and the source has no manifest with it any more.
    """
    index = data.index.iloc[rows]
    folders = [str(PurePosixPath(path).parent) for path in index["path"]]
    groups: dict[str, Sequence[str]] = {}
    if len(set(zip(folders, index["finding"], strict=True))) > index["finding"].nunique():
        groups["folder"] = folders
    if data.masks is not None:
        shares = np.concatenate(
            [np.asarray(data.masks[rows[start : start + BLOCK]]).mean((1, 2)) for start in range(0, len(rows), BLOCK)]
        )
        known = index["annotated"].to_numpy() == 1
        groups["size of the finding"] = size_classes(np.where(known & (shares > 0), shares, np.nan).tolist())
    for column in columns:
        groups[column] = values_of(data, rows, column)
    return groups


def kinds_of_groups(data: Prepared, rows: NDArray[np.int64], columns: Sequence[str] = ()) -> dict[str, Sequence[str]]:
    """Return what frames belong to, by kind: groups, videos and volumes, and the values of each column that is asked for.

    Raises
    ------
    DataError : as `subgroups`.
    """
    return {**group_kinds(data, rows), **{column: values_of(data, rows, column) for column in columns}}


def values_of(data: Prepared, rows: NDArray[np.int64], column: str) -> list[str]:
    """Return what a column of every data set, or of the source's manifest, says of each frame; "" where it says nothing."""
    index = data.index.iloc[rows]
    if column in KNOWN:
        return KNOWN[column](index)
    values = _column(data, column)
    return [values.get(path, values.get(file_and_frame(path)[0], "")) for path in index["path"]]


def check_columns(data: Prepared, columns: Sequence[str]) -> None:
    """Refuse columns that frames cannot be grouped by, before hours go into scores.

    Raises
    ------
    DataError : as `subgroups`.
    """
    for column in columns:
        if column not in KNOWN:
            _column(data, column)


def _column(data: Prepared, column: str) -> Mapping[str, str]:
    source = Path(data.source)
    path = source if source.suffix.lower() == ".csv" else source / MANIFEST
    if data.kind or not path.is_file():
        raise DataError(f"'{data.address}' has no manifest at '{path}' to take the column '{column}' from; leave --by away")
    return read_column(path, column)
