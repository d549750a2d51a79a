"""Raw frames to a prepared data set: in parallel, resumable, and the same bytes whatever the number of workers."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path

import pandas as pd

from medgen import __version__
from medgen.config import read_toml
from medgen.data.contents import SAMPLE
from medgen.data.images import parts_of, suffix_of
from medgen.data.prepared import Prepared, PrepareSettings, evenly_spaced, is_prepared, open_prepared
from medgen.data.preparing.alike.duplicates import digest
from medgen.data.preparing.assembling.assemble import assemble
from medgen.data.preparing.assembling.parts import FORMAT, PartWriter, discard_unfinished, part_file, part_files
from medgen.data.preparing.crop_file import Cropped, crop_file
from medgen.data.preparing.fetching import HERE, Storage
from medgen.data.preparing.groups import group_key
from medgen.data.preparing.left_over import COLUMNS, left_over
from medgen.data.preparing.parallel import in_order, nothing
from medgen.data.preparing.survey import Survey, survey
from medgen.data.readers import video
from medgen.data.source_file import Listing, SourceFile, file_and_frame
from medgen.data.sources import check_splits, list_source
from medgen.data.tree.pseudonyms import NAMELESS, Pseudonyms
from medgen.errors import DataError, ImageError
from medgen.files import joined_digest
from medgen.outputs.folder import output_folder
from medgen.types import OnProgress, Progress, no_progress

CHUNK = 32  # files a worker takes at once, and so what an interrupted run loses at the most
PARTS = ".parts"
OWN = ("prepare.toml", PARTS, "frames.npy", "index.csv")  # one of them is in each data set, be it whole, begun or damaged
CROPPING = 6  # raise it when the same files may get other crops, valid pixels or masks: it is part of the digest


def prepare(
    source: Path | Listing,
    out: Path,
    settings: PrepareSettings | None = None,
    workers: int | None = None,
    overwrite: bool = False,
    on_progress: OnProgress = no_progress,
    key: Path | None = None,
    crop_parts: CropParts | None = None,
    shards: int = 0,
    storage: Storage = HERE,
) -> Prepared:
    """Write the prepared data set of `source` to `out` and open it; a run that was interrupted goes on where it stopped.

    Parameters
    ----------
    source : folder, table or file of raw frames; or files that are named one by one, in the order in which they are to stand
    out : folder of the data set
    settings : of the data set; None for the defaults
    workers : threads; None for one a core
    overwrite : replace the data set that is in `out`
    key : file with a secret key, made where there is none: files, folders and groups are called by keyed ids then, and what they
        are called is kept in that file alone (`medgen.data.tree.pseudonyms`)
    crop_parts : who crops the files, part by part; None is threads of this process
    shards : frames in each file of the data set, which is then read from any of them as it is needed; 0 for one file of all
    storage : how the files are stored that are named one by one

    Raises
    ------
    DataError : if the source holds no image that can be read, or `out` holds a data set of other frames or settings.
    FolderError : if `out` holds something else, or another process writes into it.

    Examples
    --------
    >>> from medgen.data.prepared import PrepareSettings
    >>> api.prepare(FRAMES, OUT / "data", PrepareSettings(size=32)).frames.shape
    (56, 32, 32, 3)
    """
    settings = settings or PrepareSettings()
    by_folder = (settings.assume, settings.group_names, settings.modality)
    listing = source if isinstance(source, Listing) else list_source(source, *by_folder)
    settings = settings.of(listing.axes)
    if not settings.all_test:
        check_splits(listing.entries)
    pseudonyms = Pseudonyms(key, out) if key else None
    folder = Path() if isinstance(source, Listing) else source
    unread = storage.unread if isinstance(source, Listing) else left_over(source, listing)
    unread = pd.DataFrame(columns=COLUMNS) if unread is None else unread
    if pseudonyms:
        listing, unread = pseudonyms.hidden(listing), pseudonyms.hidden_table(unread)
        pseudonyms.save()
    entries = listing.entries
    digest_key = source_key(entries, settings, storage.states)
    with output_folder(out, "prepare", OWN):
        if is_prepared(out):
            if not overwrite:
                data = _existing(out, digest_key, entries, pseudonyms, shards, storage)
                shutil.rmtree(out / PARTS, ignore_errors=True)  # of a process that was killed when all else was done
                return data
            shutil.rmtree(out / PARTS, ignore_errors=True)  # they are what is to be read again
            (out / "prepare.toml").unlink()
        where = NAMELESS if pseudonyms else storage.address or Path(os.path.relpath(folder, out)).as_posix()
        parts = out / PARTS / f"{digest_key}-{FORMAT}"
        found = _crop(entries, parts, settings, workers, on_progress, pseudonyms, crop_parts, storage)
        about = {"source": where, "digest": digest_key, "cropping": CROPPING, "medgen": __version__, "intensity": found.intensity}
        notes, hide = listing.notes, pseudonyms.hidden_digest if pseudonyms else str
        del listing, entries  # which take as much memory as the table of the frames, and have no part in it
        assemble(out, part_files(parts), unread, about, notes, found.settings, workers, hide, shards)
        shutil.rmtree(out / PARTS)
        return open_prepared(out)


def _crop(
    entries: Sequence[SourceFile],
    parts: Path,
    settings: PrepareSettings,
    workers: int | None,
    on_progress: OnProgress,
    pseudonyms: Pseudonyms | None,
    crop_parts: CropParts | None,
    storage: Storage,
) -> Survey:
    """Crop all files into parts, but those that an interrupted process has left; return what was found for all of them."""
    parts.mkdir(parents=True, exist_ok=True)
    discard_unfinished(parts)
    found = survey(entries, settings, workers, storage.at_hand)
    settings = found.settings
    reading = _Reading(len(entries), on_progress, counts=crop_parts is None)
    secret = pseudonyms.key if pseudonyms else group_key(entry.file for entry in entries)
    job = CropJob(parts, settings, secret, pseudonyms is not None)
    numbered = enumerate(chunks(entries, CHUNK))
    here = partial(job, on_frame=reading.add_frame)
    for files in crop_parts(job, numbered) if crop_parts else in_order(here, numbered, workers, reading.show):
        reading.files += files
        reading.show()
    return found


Part = tuple[int, Sequence[SourceFile]]  # its number, and its files


@dataclass(frozen=True)
class CropJob:
    """What whoever crops files is told.

    Attributes
    ----------
    parts : folder of the part files
    settings : of the data set, with what was found for all of it
    secret : key of the digests by which patients are kept
    nameless : whether reasons name no file
    """

    parts: Path
    settings: PrepareSettings
    secret: bytes
    nameless: bool

    def __call__(self, part: Part, on_frame: Callable[[], object] = nothing) -> int:
        """Crop the frames of a few files into one part, unless it is there; return how many files it stands for."""
        number, entries = part
        if not part_file(self.parts, number).exists():
            of_file = _crop_nameless if self.nameless else crop_file
            writer = PartWriter(self.parts, number, self.settings, on_frame)
            for entry in entries:
                writer.add(entry.file, of_file(entry, self.settings, self.secret))
            writer.close()
        return len(entries)


CropParts = Callable[[CropJob, Iterable[Part]], Iterator[int]]  # yields how many files a part stands for, in any order


class _Reading:
    """How far all workers have come: `files` that are done, and the frames read, of which one file may have thousands.

    Workers that are no threads of this process count no frames.
    """

    def __init__(self, total: int, on_progress: OnProgress, counts: bool) -> None:
        self.files, self._total, self._on_progress, self._counts = 0, total, on_progress, counts
        self._frames, self._lock = 0, threading.Lock()

    def add_frame(self) -> None:
        """Count a frame; called by the workers."""
        with self._lock:
            self._frames += 1

    def show(self) -> None:
        """Report it, in the thread of whoever waits for the workers."""
        self._on_progress(Progress("prepare", self.files, self._total, {"frames": self._frames} if self._counts else {}))


def _existing(
    out: Path, key: str, entries: Sequence[SourceFile], pseudonyms: Pseudonyms | None, shards: int, storage: Storage
) -> Prepared:
    """Open the data set that is there, if it is the one that was asked for; a sample of its source files is read again."""
    data = open_prepared(out)
    files = {entry.file: entry for entry in entries}
    digests = {file_and_frame(path)[0]: sha for path, sha in zip(data.index["path"], data.index["digest"], strict=True)}
    known = [(files[file], sha) for file, sha in digests.items() if file in files and sha]
    if read_toml(out / "prepare.toml")["digest"] != key:
        raise DataError(f"'{out}' holds a data set of other frames or settings; choose another --out or pass --overwrite")
    if data.per_shard != shards:
        stands = f"in shards of {data.per_shard} frames" if data.per_shard else "in one file"
        raise DataError(
            f"'{out}' holds this data set {stands}; give --shards as it was given then, or --overwrite to store it anew"
        )
    sample = [known[row] for row in evenly_spaced(len(known), SAMPLE).tolist()]
    with storage.at_hand([entry for entry, _ in sample]) as here:
        for (entry, sha), path in zip(sample, (file.path for file in here), strict=True):
            if (pseudonyms.hidden_digest(digest(path)) if pseudonyms else digest(path)) != sha:
                raise DataError(
                    f"'{entry.path}' has other content than when '{out}' was prepared of it; pass --overwrite to do so again"
                )
    return data


def chunks(entries: Sequence[SourceFile], most: int) -> Iterator[Sequence[SourceFile]]:
    """Divide the files among parts of at most so many; a video, which may have thousands of frames, has one for itself."""
    chunk: list[SourceFile] = []
    for entry in entries:
        if chunk and (len(chunk) == most or any(suffix_of(file.path) in video.SUFFIXES for file in (chunk[-1], entry))):
            yield chunk
            chunk = []
        chunk.append(entry)
    if chunk:
        yield chunk


def source_key(entries: Sequence[SourceFile], settings: PrepareSettings, states: Sequence[str] = ()) -> str:
    """Return a digest of the settings, of every file's name and label, and of the state on disk of all files and masks.

    Parameters
    ----------
    states : of each file, where a storage says it in place of the disk
    """
    known = map(_known, entries) if not states else map(_known_elsewhere, entries, states)
    return joined_digest(chain([f"{CROPPING} {settings.digest()}"], known))


def _known_elsewhere(entry: SourceFile, state: str) -> str:
    return repr((replace(entry, path=Path(entry.file)), state))


def _known(entry: SourceFile) -> str:
    """Return what is known of a file before it is read."""
    files = (entry.path, *(mask.path for mask in entry.masks))
    states = [_state(path) for file in files for path in (file, *parts_of(file))]
    return repr((replace(entry, path=Path(entry.file)), states))


def _state(path: Path) -> tuple[int, int] | None:
    try:
        state = path.stat()
    except (OSError, ValueError):  # which is said when it is read
        return None
    return state.st_size, state.st_mtime_ns


def _crop_nameless(entry: SourceFile, settings: PrepareSettings, key: bytes) -> Iterator[Cropped]:
    """Yield what `crop_file` does; the reason why a file cannot be read does not name it or its masks."""
    try:
        yield from crop_file(entry, settings, key)
    except ImageError as error:
        reason = str(error)
        for path in (entry.path, *(mask.path for mask in entry.masks)):
            reason = reason.replace(path.name, "the file").replace(path.stem, "the file")
        raise ImageError(reason) from None
