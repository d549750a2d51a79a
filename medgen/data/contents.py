"""What a prepared set holds, in digests: one of each frame, tied to its row, and one of the whole table.

A table that was sorted is put in order again. One whose labels were corrected makes another data set, so that nothing computed
before is taken for its own. Pixels, valid pixels or masks that are not those of their row are refused.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from medgen.files import csv_blocks, digest_of, joined_digest, let_go

ROW, CONTENT = "row", "content"  # columns of the table: the place of a frame in the arrays, and its digest
TABLES = ("rejected", "leaks")  # beside the table of frames: what is not in the set, and what is alike in its splits
SIDE_CHANGED = "was changed after it was written"
BLOCK = 1 << 10  # frames that are read before what was read of mapped arrays is let go
NEEDED = ("id", "path", "label", "finding", "split", "group", "copy")  # columns without which a table of frames says nothing
SAMPLE = 32  # frames that are looked at whenever a data set is opened


def with_contents(index: pd.DataFrame, digests: Sequence[str]) -> pd.DataFrame:
    """Return a table with the columns `ROW` and `CONTENT`: row k is that of frame k, whose digest is `digests[k]`."""
    return index.assign(row=np.arange(len(index)), content=digests)


def frame_digests(index: pd.DataFrame, arrays: Sequence[Any]) -> list[str]:
    """Return a digest for each row: of the frame's id and copy, and of what each array holds of it; 16 hexadecimal digits.

    Parameters
    ----------
    index : (n rows) with the columns id and copy
    arrays : pixels (n, S, S, C), valid (n, S, S), and masks (n, S, S) where there are any
    """
    digests = []
    for k, (name, copy) in enumerate(zip(index["id"], index["copy"], strict=True)):
        hashed = sha256(f"{name} {copy}".encode())
        for array in arrays:
            hashed.update(np.ascontiguousarray(array[k]).data)
        digests.append(hashed.hexdigest()[:16])
        if (k + 1) % BLOCK == 0:
            let_go(*arrays)
    let_go(*arrays)
    return digests


def source_of(folder: Path, source: str) -> str:
    """Return the source that the data set in a folder states, from the root of the disk; an address stays as it is."""
    return source if source.endswith(":") or "://" in source else os.path.abspath(folder / source)  # noqa: PTH100 - a link in it stays one


def table_digest(index: pd.DataFrame) -> str:
    """Return a digest of a table of frames, whatever the order of its rows."""
    ordered = index if ROW not in index or _is_in_order(index) else index.sort_values(ROW)
    return joined_digest(csv_blocks(ordered))


def side_tables(folder: Path) -> dict[str, str]:
    """Return the digest of each of the `TABLES` in the folder of a data set; "" of one that is not there."""
    return {name: digest_of(folder / f"{name}.csv") for name in TABLES}


def changed_tables(folder: Path, known: Mapping[str, str]) -> Iterator[str]:
    """Yield a sentence for each of the `TABLES` that is not as it was written.

    Parameters
    ----------
    known : what `side_tables` said when they were written; {} of a data set from before that was kept

    Raises
    ------
    ValueError : if one is not there, as a report would then say that nothing was rejected, or that nothing leaks.
    """
    now = side_tables(folder)
    if missing := [f"{name}.csv" for name, digest in now.items() if not digest]:
        raise ValueError(f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing")
    yield from (f"{name}.csv {SIDE_CHANGED}" for name, digest in known.items() if now.get(name) != digest)


def in_order(index: pd.DataFrame) -> pd.DataFrame:
    """Return the table with row k belonging to frame k of the arrays, wherever it stood.

    Raises
    ------
    ValueError : if a column or a row is missing, or a row stands twice.
    """
    if missing := [name for name in NEEDED if name not in index]:
        raise ValueError(f"index.csv has no column '{missing[0]}'")
    if ROW not in index or _is_in_order(index):  # some have no places, of an older version
        return index
    ordered = index.sort_values(ROW, ignore_index=True)
    if not _is_in_order(ordered):
        raise ValueError("rows of index.csv are missing, or stand there twice")
    return ordered


def _is_in_order(index: pd.DataFrame) -> bool:
    return np.array_equal(index[ROW].to_numpy(), np.arange(len(index)))


def changed_frames(index: pd.DataFrame, arrays: Sequence[Any], rows: NDArray[np.int64]) -> Iterator[int]:
    """Yield those of some rows whose frame is not what was prepared for it; none where no digests are kept."""
    if CONTENT not in index:
        return
    for row in rows.tolist():
        known = index.iloc[row : row + 1]
        if frame_digests(known, [array[row : row + 1] for array in arrays]) != [known[CONTENT].iloc[0]]:
            yield row
        let_go(*arrays)
