"""Raw frames to a prepared data set: in parallel, resumable, and the same bytes whatever the number of workers."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from medgen import __version__
from medgen.config import to_toml
from medgen.data.augment import apply_one, draw
from medgen.data.prepared import INDEX, Prepared, PrepareSettings, is_prepared, open_prepared
from medgen.data.preparing.crop_file import Cropped, crop_file
from medgen.data.preparing.duplicates import dhash, near_duplicates, thumbnail
from medgen.data.preparing.parallel import in_order
from medgen.data.preparing.splits import groups, split_prepared
from medgen.data.source_file import SourceFile
from medgen.data.sources import check_splits, read_source
from medgen.errors import DataError, ImageError
from medgen.files import replacing, short_digest, write_bytes, write_csv, write_text
from medgen.types import OnProgress, Progress, no_progress

CHUNK = 32  # files a worker takes at once, and so what an interrupted run loses at the most
PARTS = ".parts"


def prepare(
    source: Path,
    out: Path,
    settings: PrepareSettings | None = None,
    workers: int | None = None,
    overwrite: bool = False,
    on_progress: OnProgress = no_progress,
) -> Prepared:
    """Write the prepared data set of `source` to `out` and open it; a run that was interrupted goes on where it stopped.

    Raises
    ------
    DataError : if the source holds no image that can be read, or `out` holds something else.

    Examples
    --------
    >>> from medgen.data.prepared import PrepareSettings
    >>> api.prepare(FRAMES, OUT / "data", PrepareSettings(size=32)).frames.shape
    (56, 32, 32, 3)
    """
    settings = settings or PrepareSettings()
    entries = read_source(source, settings.assume)
    check_splits(entries)
    key = _key(entries, settings)
    if is_prepared(out):
        if open_prepared(out).digest == key and not overwrite:
            return open_prepared(out)
        if not overwrite:
            raise DataError(f"'{out}' holds a data set of other frames or settings; choose another --out or pass --overwrite")
        (out / "prepare.toml").unlink()
    elif out.exists() and (not out.is_dir() or (any(child.name != PARTS for child in out.iterdir()) and not overwrite)):
        raise DataError(f"'{out}' is not empty and is no prepared data set; choose another --out or pass --overwrite")
    parts = out / PARTS / key
    parts.mkdir(parents=True, exist_ok=True)
    chunks = [(number, entries[start : start + CHUNK]) for number, start in enumerate(range(0, len(entries), CHUNK))]
    total = len(entries)
    done = 0
    for files in in_order(lambda chunk: _read_chunk(parts, *chunk, settings), chunks, workers):
        done += files
        on_progress(Progress("prepare", done, total))
    about = {"source": str(source), "digest": key, "medgen": __version__}
    _assemble(out, parts, len(chunks), about, settings, workers)
    shutil.rmtree(out / PARTS)
    return open_prepared(out)


def _key(entries: Sequence[SourceFile], settings: PrepareSettings) -> str:
    """Return a digest of the settings and of every file's name, label and state on disk."""
    known = []
    for entry in entries:
        state = entry.path.stat() if entry.path.exists() else None
        known.append(repr((replace(entry, path=Path(entry.file)), state and (state.st_size, state.st_mtime_ns))))
    return short_digest(settings.digest(), *known)


def _read_chunk(parts: Path, number: int, entries: Sequence[SourceFile], settings: PrepareSettings) -> int:
    """Crop the frames of a few files into one part file, unless it is there; return how many files it stands for."""
    path = _part(parts, number)
    if path.exists():
        return len(entries)
    frames: list[Cropped] = []
    rejected: list[tuple[str, str]] = []
    for entry in entries:
        try:
            frames += crop_file(entry, settings)
        except ImageError as error:
            rejected.append((entry.file, str(error)))
    buffer = io.BytesIO()
    size, channels = settings.size, settings.channels
    np.savez(
        buffer,
        table=np.array(json.dumps({"rows": [frame.row for frame in frames], "rejected": rejected})),
        pixels=np.array([frame.pixels for frame in frames], dtype=np.uint8).reshape(-1, size, size, channels),
        valid=np.array([frame.valid for frame in frames], dtype=bool).reshape(-1, size, size),
        mask=np.array([frame.mask for frame in frames], dtype=bool).reshape(-1, size, size),
    )
    write_bytes(path, buffer.getvalue())
    return len(entries)


def _part(parts: Path, number: int) -> Path:
    return parts / f"{number:06}.npz"


def _assemble(out: Path, parts: Path, chunks: int, about: dict[str, str], settings: PrepareSettings, workers: int | None) -> None:
    """Join the part files, divide them into splits, add the augmented copies and write the data set."""
    tables = []
    for number in range(chunks):
        with np.load(_part(parts, number)) as part:
            tables.append(json.loads(str(part["table"])))
    rejected = pd.DataFrame([row for table in tables for row in table["rejected"]], columns=["file", "reason"])
    rows = [row for table in tables for row in table["rows"]]
    if not rows:
        raise DataError(f"none of {len(rejected)} files could be read; the first: {rejected['file'][0]}: {rejected['reason'][0]}")
    index = pd.DataFrame(rows)
    alike = _alike(parts, chunks)
    index["group"] = groups(index["group"].tolist(), index["path"].tolist(), alike)
    index["split"] = split_prepared(index, settings.val_share, settings.test_share, settings.seed)
    copied = np.flatnonzero(index["split"] == "train") if settings.copies else np.array([], dtype=np.int64)
    total = len(index) + len(copied) * settings.copies
    shape = (settings.size, settings.size)
    with (
        _array(out / "frames.npy", np.uint8, (total, *shape, settings.channels)) as frames,
        _array(out / "valid.npy", np.bool_, (total, *shape)) as valid,
        _array(out / "masks.npy", np.bool_, (total if index["annotated"].any() else 0, *shape)) as masks,
    ):
        start = 0
        for number in range(chunks):
            with np.load(_part(parts, number)) as part:
                stop = start + len(part["pixels"])
                frames[start:stop], valid[start:stop], masks[start:stop] = (
                    part["pixels"],
                    part["valid"],
                    part["mask"][: len(masks)],
                )
                start = stop
        index = _add_copies(index, copied, frames, valid, settings, workers)
    if not index["annotated"].any():
        (out / "masks.npy").unlink()
    for name, table in (("leaks", _leaks(index, alike)), ("rejected", rejected), ("index", index[INDEX])):
        write_csv(out / f"{name}.csv", table)
    counts = {"frames": len(index), "copies": total - len(rows), "rejected": len(rejected)}
    write_text(out / "prepare.toml", to_toml({**about, "counts": counts, "settings": settings.model_dump(mode="json")}))


@contextmanager
def _array(path: Path, kind: type, shape: tuple[int, ...]) -> Iterator[NDArray]:
    """Yield a memory-mapped array that takes its name when the block ends well."""
    with replacing(path) as temporary:
        if shape[0] == 0:
            with temporary.open("wb") as file:
                np.save(file, np.zeros(shape, dtype=kind))
            yield np.zeros(shape, dtype=kind)
        else:
            array = np.lib.format.open_memmap(temporary, mode="w+", dtype=kind, shape=shape)
            yield array
            array.flush()


def _add_copies(
    index: pd.DataFrame,
    copied: NDArray[np.int64],
    frames: NDArray,
    valid: NDArray,
    settings: PrepareSettings,
    workers: int | None,
) -> pd.DataFrame:
    """Write the augmented copies behind the originals and return the longer index. Each draw depends on its frame alone."""
    jobs = [(copy, row) for copy in range(1, settings.copies + 1) for row in copied.tolist()]

    def augment(job: tuple[int, int]) -> tuple[NDArray, NDArray]:
        copy, row = job
        seed = [settings.seed, copy, int(index["id"][row], 16)]
        return apply_one(frames[row], valid[row], draw(settings.augment, 1, np.random.default_rng(seed)), 0)

    for offset, (pixels, copy_valid) in enumerate(in_order(augment, jobs, workers)):
        frames[len(index) + offset], valid[len(index) + offset] = pixels, copy_valid
    added = index.iloc[[row for _, row in jobs]].assign(copy=[copy for copy, _ in jobs])
    return pd.concat([index, added], ignore_index=True)


def _alike(parts: Path, chunks: int) -> list[tuple[int, int]]:
    """Return the pairs of rows whose crops are near-duplicates."""
    hashes: list[int] = []
    thumbnails: list[NDArray[np.uint8]] = []
    for number in range(chunks):
        with np.load(_part(parts, number)) as part:
            hashes += [dhash(pixels) for pixels in part["pixels"]]
            thumbnails += [thumbnail(pixels) for pixels in part["pixels"]]
    return near_duplicates(np.array(hashes, dtype=np.uint64), thumbnails=np.stack(thumbnails))


def _leaks(index: pd.DataFrame, alike: list[tuple[int, int]]) -> pd.DataFrame:
    """Return the pairs of near-duplicate frames that stand in different splits."""
    paths, splits = index["path"].tolist(), index["split"].tolist()
    table = [(paths[a], splits[a], paths[b], splits[b]) for a, b in alike if splits[a] != splits[b]]
    return pd.DataFrame(table, columns=["path", "split", "other", "other_split"])
