"""The frames that a caller from Python hands over, in whatever form, to a data set that a run can look at.

A folder, data set or address is opened as `medgen score` opens it. Files that are named one by one are prepared as a folder of
them would be. Arrays are taken as the same arrays in .npy files would be, and dictionaries of MONAI as transforms left them.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Mapping, Sequence, Sized
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch.utils.data import Dataset

from medgen.data.field.tensors import as_array, check_axes
from medgen.data.images import read_image
from medgen.data.pixel_format import joined
from medgen.data.prepared import Prepared
from medgen.data.preparing.in_memory import crop_entries, shown, take_crops
from medgen.data.preparing.prepare import prepare
from medgen.data.preparing.video_frames import KEPT
from medgen.data.readers.arrays import frames_of
from medgen.data.source_file import Listing, SourceFile
from medgen.errors import DataError, ImageError, number_of
from medgen.runs.datasets import as_seen_by
from medgen.runs.run import Run
from medgen.types import OnProgress
from medgen.verbs.in_memory.arrays import is_array, of_arrays
from medgen.verbs.score import Split, chosen_rows, open_input, raw_settings, shown_in_few_levels

Rows = NDArray[np.int64]
Frames = Any  # what `open_given` takes
IMAGE, VALID = "image", ("valid", "image_valid")  # keys of a dictionary of MONAI
EXPECTED = (
    "expected a folder, a data set, an address, a list or column of files, an array (H, W, C) or (N, H, W, C) of uint8 or of "
    "floats from 0 to 1, pictures of Pillow, or dictionaries of MONAI with 'image'"
)


def open_given(run: Run, frames: Frames, *, split: Split | None, axes: str, on_progress: OnProgress) -> tuple[Prepared, Rows]:
    """Return frames as a data set that a run can look at, and which of its rows are meant.

    Parameters
    ----------
    frames : a path, address or opened data set, or several paths of files; an array or tensor (H, W), (H, W, C) or (N, H, W, C),
        C 1 or 3, uint8 or floats from 0 to 1, or several arrays or pictures of Pillow; a dictionary of MONAI or several, with
        channels first, or with the path of a file
    split : of a data set
    axes : what the axes of an array mean, a letter for each: N frames, H rows, W columns, C channels; "" leaves it to its shape

    Raises
    ------
    DataError, RunError : if the frames do not fit the run, or are of no form that is known.
    """
    if isinstance(frames, str | os.PathLike):
        return _of_source(run, Path(frames), split, on_progress)
    if isinstance(frames, Prepared):
        data = as_seen_by(run, frames)
        return data, chosen_rows(data, frames.folder, split)
    if split is not None:
        raise DataError(f"only a data set has a split '{split}'; leave it away for frames that are handed over")
    if isinstance(frames, Mapping):
        data = _of_dictionaries(run, [frames], on_progress)
    elif isinstance(frames, pd.DataFrame):
        columns = ", ".join(map(str, frames.columns))
        raise DataError(f"cannot take frames from a table (its columns are {columns}); name the column of files: table['path']")
    elif is_array(frames) and not _is_column(frames):
        data = of_arrays(run, [frames], axes)
    elif isinstance(frames, Iterable) and not isinstance(frames, bytes):
        data = _of_several(run, [*frames], axes, on_progress)
    elif isinstance(frames, Dataset) and isinstance(frames, Sized):
        data = _of_several(run, [frames[k] for k in range(len(frames))], axes, on_progress)
    else:
        raise DataError(f"cannot take frames from {type(frames).__name__}; {EXPECTED}")
    return data, data.rows()


def _of_several(run: Run, items: Sequence[Any], axes: str, on_progress: OnProgress) -> Prepared:
    if not items:
        raise DataError(f"there are no frames: the list is empty; {EXPECTED}")
    if all(isinstance(item, str | os.PathLike) for item in items):
        return _of_files(run, [Path(item) for item in items], on_progress)
    if all(isinstance(item, Mapping) for item in items):
        return _of_dictionaries(run, items, on_progress)
    if all(map(is_array, items)):
        return of_arrays(run, items, axes)
    kinds = ", ".join(sorted({type(item).__name__ for item in items}))
    raise DataError(f"the frames are of several kinds or of none that is known ({kinds}); {EXPECTED}")


def _is_column(frames: Any) -> bool:
    """Tell a column of a table, or an array, of paths or of arrays: several frames, where a picture has numbers."""
    return getattr(frames, "ndim", 0) == 1 and as_array(frames).dtype.kind in "OUT"


def open_entries(run: Run, entries: Sequence[SourceFile]) -> Prepared:
    """Return files, or single frames of them, as a data set in memory that a run can look at; nothing is written.

    Raises
    ------
    ImageError, DataError, RunError : if one cannot be read, or does not fit the run.
    """
    if not run.origin.kind:
        return as_seen_by(run, crop_entries(entries, raw_settings(run)))
    pictures = [read_image(entry.path, entry.frame or 0).pixels for entry in entries]
    return of_arrays(run, pictures, "", [entry.file for entry in entries])


def _of_source(run: Run, source: Path, split: Split | None, on_progress: OnProgress) -> tuple[Prepared, Rows]:
    with TemporaryDirectory() as scratch:  # where raw frames are prepared
        data, rows = open_input(run, source, Path(scratch), split, on_progress, shows_unread=True)
        if not data.folder.is_relative_to(scratch):
            return data, rows
        refused = tuple(data.rejected().itertuples(index=False, name=None))
        if refused:
            files, (name, why) = number_of(len(refused), "file", "files"), refused[0]
            said = f"of {files} in '{source}' nothing or not all could be read, the first is '{name}': {why}"
            warnings.warn(f"{said}; what could be read is taken", UserWarning, stacklevel=5)  # where `score` is called
        for sentence in shown_in_few_levels(data.warnings):
            warnings.warn(sentence, UserWarning, stacklevel=5)
        return replace(_kept(data), refused=refused), rows


def _of_files(run: Run, files: Sequence[Path], on_progress: OnProgress) -> Prepared:
    """Prepare files in their order; unlike those of a folder each is wanted, so that one that cannot be read is refused."""
    if run.origin.kind:
        return _of_whole_files(run, files)
    if folder := next((file for file in files if file.is_dir()), None):
        raise DataError(f"'{folder}' is a folder; a list is of files, and a folder is given alone, as a path")
    if missing := [file for file in files if not file.is_file()]:
        raise DataError(f"{len(missing)} of {len(files)} files do not exist, the first is '{missing[0]}'")
    entries = [SourceFile(file, file.as_posix(), "", "", "", "") for file in files]
    with TemporaryDirectory() as scratch:
        data = prepare(Listing(entries), Path(scratch) / "prepared", raw_settings(run), on_progress=on_progress)
        refused = data.rejected()
        if len(refused):
            raise DataError(_refusal(refused, len(files)))
        return _kept(as_seen_by(run, data))


def _refusal(refused: pd.DataFrame, of: int) -> str:
    """Return why files that were named one by one, of so many, are refused; `refused` is the table of `Prepared.rejected`."""
    name, reason = refused.iloc[0][["file", "reason"]]
    why, partly, _ = reason.partition(KEPT)
    how, them = " to the end" if partly else "", "it" if len(refused) == 1 else "them"
    said = f"{len(refused)} of {of} files cannot be read{how}, the first is '{name}': {why}; leave {them} out"
    return said + (", or give the path alone and not in a list: that takes what can be read" if partly else "")


def _of_whole_files(run: Run, files: Sequence[Path]) -> Prepared:
    """Read files for a run whose own frames were taken whole."""
    pictures = []
    for file in files:
        try:
            pictures.append(read_image(file).pixels)
        except ImageError as error:
            raise DataError(f"'{file}': {error}") from error
    return of_arrays(run, pictures, "", [file.as_posix() for file in files])


def _kept(data: Prepared) -> Prepared:
    """Return a data set whose arrays are in memory, once its folder goes."""
    masks = None if data.masks is None else np.array(data.masks[:])
    own = None if data.own_valid is None else np.array(data.own_valid[:])
    return replace(data, frames=np.array(data.frames[:]), valid=np.array(data.valid[:]), masks=masks, own_valid=own)


def _of_dictionaries(run: Run, dictionaries: Sequence[Mapping[Any, Any]], on_progress: OnProgress) -> Prepared:
    """Take dictionaries of one frame or of a batch: files, crops where they say what is valid, else raw frames."""
    named = [items.get(IMAGE) for items in dictionaries]
    if all(isinstance(path, str | os.PathLike) for path in named):
        return _of_files(run, [Path(str(path)) for path in named], on_progress)
    images: list[NDArray[Any]] = []
    masks: list[NDArray[np.bool_]] = []
    paths: list[str] = []
    for number, items in enumerate(dictionaries):
        if IMAGE not in items:
            raise DataError(f"a dictionary has the keys {', '.join(map(repr, items))}; expected '{IMAGE}'")
        image = as_array(items[IMAGE])
        check_axes(image, getattr(items[IMAGE], "meta", {}))
        if image.ndim not in (3, 4):
            raise DataError(f"'{IMAGE}' has shape {joined(image.shape)}; expected (C, H, W), or a batch (B, C, H, W)")
        batch = image if image.ndim == 4 else image[None]
        images += [*batch]
        valid = next((as_array(items[key]) for key in VALID if key in items), None)
        masks += [] if valid is None else [*valid.reshape(-1, *valid.shape[-2:]).astype(bool)]
        paths += _paths(items, len(batch), f"image {number}" if len(dictionaries) > 1 else "image")
    if masks and len(masks) != len(images):
        raise DataError(
            f"{len(masks)} of {len(images)} images have '{VALID[0]}', which says that they are crops; expected all or none"
        )
    turned = [image.transpose(1, 2, 0) for image in images]  # (C, H, W) -> (H, W, C)
    if not masks:
        return of_arrays(run, turned, "HWC", paths)
    own = run.origin.prepare
    wanted = (own.channels, own.size, own.size)
    if wrong := next((image.shape for image in images if image.shape != wanted), None):
        raise DataError(f"crops are {joined(wrong)}; run '{run.folder}' was trained on {joined(wanted)}, channels first")
    settings = raw_settings(run)
    pictures = shown((next(frames_of(pixels, "HWC")) for pixels in turned), paths, settings)
    return as_seen_by(run, take_crops(np.array(pictures), np.array(masks), paths, settings))


def _paths(items: Mapping[Any, Any], count: int, name: str) -> list[str]:
    """Return the names of the frames of a dictionary: "path", or what MONAI keeps of a file, else a number."""
    known = items.get("path", getattr(items[IMAGE], "meta", {}).get("filename_or_obj"))
    names = [known] if isinstance(known, str | os.PathLike) else [*known] if known is not None else []
    if len(names) == count:
        return [str(path) for path in names]
    return [f"{name}#{k}" for k in range(count)] if count > 1 else [name]
