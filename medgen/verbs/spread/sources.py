"""Files that lie anywhere, listed and fetched: below a folder, by a pattern, in a table of paths, behind ``s3://`` and the like.

What fsspec can open can be listed. A folder and a manifest on a disk of this machine are read as everywhere (`sources`), with all
that their layout says. Elsewhere the path of a file says what the row of a manifest that has only the column `file` says: its
folders name its finding. A table of paths, Parquet or CSV, has the columns of a manifest; its files are relative to it, or each
has a whole path or address.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from medgen.data.images import is_image
from medgen.data.layouts.manifest import check_columns, listing_of, rows_of
from medgen.data.preparing.left_over import COLUMNS, left_over, reason_of
from medgen.data.source_file import MANIFEST, Listing, SourceFile, as_text
from medgen.data.sources import in_stated_order, list_source
from medgen.data.storage.remote import SCHEME, explaining_storage, file_system
from medgen.data.tree.walk import is_hidden
from medgen.errors import ConfigError, DataError

if TYPE_CHECKING:
    from fsspec.spec import AbstractFileSystem

TABLES = (".parquet", ".csv")
AT_ONCE = 8  # files that are fetched together
STATE = ("size", "ETag", "etag", "mtime", "LastModified", "created")  # what file systems call the state of a file

Row = tuple[int, Mapping[str, str]]


class Archive(NamedTuple):
    """Files that were listed; none of them was opened.

    Attributes
    ----------
    listing : the files, in order
    root : address that stands before the path of each; "" where they lie on disks of this machine
    states : of each file, what is known of its content from the list; () where the disk is asked
    unread : file, reason and kind of what is no image, as `left_over` says it
    """

    listing: Listing
    root: str
    states: Sequence[str]
    unread: pd.DataFrame


def is_elsewhere(source: str) -> bool:
    """Tell an address such as ``s3://bucket/frames``, a pattern or a Parquet file from a folder, manifest or file on a disk."""
    path = Path(source)
    if SCHEME in source or path.suffix.lower() == ".parquet":
        return True
    return not path.exists() and any(letter in source for letter in "*?[")


def list_archive(source: str, assume: str = "", group_names: bool = True, modality: str = "") -> Archive:
    """List the files of a source; see the top of this file.

    Parameters
    ----------
    source : folder, manifest, file, pattern (``FRAMES/**/*.png``), table of paths, or the address of one of these
    assume, group_names, modality : as for `sources.list_source`

    Raises
    ------
    DataError : if there is nothing, or a table does not fit.
    ConfigError : if what reads such addresses is not installed.
    MedgenError : if the storage does not answer.
    """
    if not is_elsewhere(source):
        listing = list_source(Path(source), assume, group_names, modality)
        return Archive(listing, "", (), left_over(Path(source), listing))
    with explaining_storage(source):
        system, path = file_system(source)
        is_table = PurePosixPath(path).suffix.lower() in TABLES
        found = _of_table(system, path) if is_table else _of_files(system, path, source)
    listing = in_stated_order(found.listing, assume, group_names)
    states = dict(zip((entry.file for entry in found.listing.entries), found.states, strict=False))
    return found._replace(listing=listing, states=[states[entry.file] for entry in listing.entries] if states else ())


@contextmanager
def at_hand(entries: Sequence[SourceFile], root: str, scratch: Path, marks: bool = False) -> Iterator[Sequence[SourceFile]]:
    """Yield files as they lie on a disk of this machine; what lies elsewhere is fetched for as long as the block lasts.

    A file that is not there any more stays away, so that whoever reads it says so.

    Parameters
    ----------
    root : `Archive.root` of the files
    scratch : folder to fetch them into
    marks : whether their masks are fetched, too; without, what is fetched is marked by nothing

    Raises
    ------
    MedgenError : if the storage does not answer; no file is then taken for a damaged one.
    """
    if not root:
        yield entries
        return
    wanted = [path for entry in entries for path in (entry.path, *(mask.path for mask in entry.masks if marks))]
    places = {path: scratch / f"{number}{path.name}" for number, path in enumerate(dict.fromkeys(wanted))}
    with explaining_storage(root):
        system, folder = file_system(root)

        def fetch(path: Path) -> None:
            try:
                system.get_file(f"{folder.rstrip('/')}/{path.as_posix()}".lstrip("/"), str(places[path]))
            except FileNotFoundError:
                places[path].unlink(missing_ok=True)

        with ThreadPoolExecutor(AT_ONCE) as pool:
            for _ in pool.map(fetch, places):
                pass
    try:
        yield [_placed_at(entry, places, marks) for entry in entries]
    finally:
        for place in places.values():
            place.unlink(missing_ok=True)


def _placed_at(entry: SourceFile, places: Mapping[Path, Path], marks: bool) -> SourceFile:
    here = replace(entry, path=places[entry.path])
    if not marks:
        return replace(here, masks=(), boxes=(), annotated=False)
    return replace(here, masks=tuple(mask._replace(path=places[mask.path]) for mask in entry.masks))


@contextmanager
def fetched(root: str, entries: Sequence[SourceFile], marks: bool = False) -> Iterator[Sequence[SourceFile]]:
    """Yield what `at_hand` does, with a folder of its own to fetch into."""
    with TemporaryDirectory(prefix="medgen-") as scratch, at_hand(entries, root, Path(scratch), marks) as here:
        yield here


def _of_files(system: AbstractFileSystem, path: str, source: str) -> Archive:
    """List what a pattern matches or a folder holds; a manifest in the folder is the list."""
    pattern = any(letter in path for letter in "*?[")
    if pattern:
        found = {name: about for name, about in system.glob(path, detail=True).items() if about["type"] == "file"}
        root = path[: min(path.index(letter) for letter in "*?[" if letter in path)].rpartition("/")[0]
    elif system.isfile(path):
        found, root = {path: system.info(path)}, path.rpartition("/")[0]
    else:
        root = path.rstrip("/")
        if system.isfile(f"{root}/{MANIFEST}"):
            return _with_left_over(_of_table(system, f"{root}/{MANIFEST}"), system, root)
        found = system.find(root, detail=True)
    named = {_below(name, root): about for name, about in found.items()}
    files = {name: about for name, about in named.items() if not _is_hidden(name)}
    images = {name: about for name, about in files.items() if is_image(Path(name))}
    if not images:
        others = f"{len(files)} other files" if files else "nothing at all"
        raise DataError(f"there is no image at '{source}', but {others}; give a folder, a pattern or a table of paths")
    here = _is_here(system)
    listing = listing_of(source, enumerate({"file": name} for name in images), Path(f"/{root.lstrip('/')}") if here else None)
    unread = _reasons(name for name in files if name not in images)
    states = () if here else [repr([about.get(word) for word in STATE]) for about in images.values()]
    return Archive(listing, "" if here else _address(system, root), states, unread)


def _with_left_over(archive: Archive, system: AbstractFileSystem, root: str) -> Archive:
    """Return an archive with the files of its folder that its manifest does not name."""
    named = {path.as_posix() for entry in archive.listing.entries for path in (entry.path, *(mask.path for mask in entry.masks))}
    others = [
        name for file in system.find(root) if (name := _below(file, root)) not in named | {MANIFEST} and not _is_hidden(name)
    ]
    return archive._replace(unread=_reasons(others))


def _reasons(names: Iterable[str]) -> pd.DataFrame:
    return pd.DataFrame([(as_text(name), *reason_of(Path(name))) for name in names], columns=COLUMNS)


def _of_table(system: AbstractFileSystem, path: str) -> Archive:
    """List the files that a table names."""
    place, name = PurePosixPath(path), PurePosixPath(path).name
    with system.open(path, "rb") as file:
        rows = _parquet_rows(file, name) if place.suffix.lower() == ".parquet" else [*rows_of(file.read(), place)]
    root, rows = _placed(rows, name)
    if root == "/" or (not root and _is_here(system)):
        return Archive(listing_of(name, rows, Path(root or place.parent)), "", (), pd.DataFrame(columns=COLUMNS))
    return Archive(listing_of(name, rows, None), root or _address(system, str(place.parent)), (), pd.DataFrame(columns=COLUMNS))


def _parquet_rows(file: Any, name: str) -> list[Row]:
    try:
        from pyarrow import parquet
    except ImportError:
        raise ConfigError("Parquet is read by pyarrow, which is not installed: pip install 'medgen[parquet]'") from None
    columns = parquet.read_schema(file).names
    check_columns(name, [column.strip().lower() for column in columns])
    table = parquet.read_table(file).to_pylist()
    cells = ({column.strip().lower(): "" if cell is None else str(cell).strip() for column, cell in row.items()} for row in table)
    return [*enumerate(cells, start=1)]


def _placed(rows: Iterable[Row], name: str) -> tuple[str, list[Row]]:
    """Return what stands before all files of a table, "s3://", "/" or "" where they are relative, and the rows without it."""
    found: dict[str, int] = {}
    relative: list[Row] = []
    for line, row in rows:
        protocol, scheme, behind = row["file"].partition(SCHEME)
        root = protocol + scheme if scheme else "/" if row["file"].startswith("/") else ""
        found.setdefault(root, line)
        relative.append((line, {**row, "file": behind if scheme else row["file"].lstrip("/")}))
    if len(found) > 1:
        (first, one), (second, other), *_ = found.items()
        raise DataError(
            f"{name}: line {one} has {_in_words(first)}, line {other} {_in_words(second)}; a table names files of one place"
        )
    return next(iter(found), ""), relative


def _in_words(root: str) -> str:
    return "a relative path" if not root else "a whole path" if root == "/" else f"an address {root}"


def _below(name: str, root: str) -> str:
    return name.strip("/").removeprefix(root.strip("/")).lstrip("/")


def _is_hidden(name: str) -> bool:
    return any(map(is_hidden, name.split("/")))


def _is_here(system: AbstractFileSystem) -> bool:
    return "file" in ([system.protocol] if isinstance(system.protocol, str) else system.protocol)


def _address(system: AbstractFileSystem, path: str) -> str:
    return str(system.unstrip_protocol(path))
