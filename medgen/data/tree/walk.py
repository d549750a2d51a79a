"""What lies in a folder and below it, and the folders by which a data set is known."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path

from medgen.data.images import suffixes
from medgen.data.source_file import MANIFEST
from medgen.errors import DataError
from medgen.outputs.folder import MARK, Mark

Folders = tuple[str, ...]
# what archives, file servers and disks keep for themselves: small copies of each picture, and what was deleted
SYSTEM = frozenset({"@eadir", "@recycle", "#recycle", "#snapshot", "~snapshot", "$recycle.bin", "system volume information"})

WHOLE = frozenset({"prepare.toml", "run.toml"})  # what a prepared data set and a run have
DRAWN = frozenset({"sample", "translate", "reconstruct"})  # verbs whose pictures are taken for frames


def files_below(source: Path) -> list[Path]:
    """Return the files of a source, as `walk` finds them.

    Raises
    ------
    DataError : if there is none, the folder is a prepared data set or cannot be read.
    """
    if (source / "prepare.toml").is_file():
        raise DataError(f"'{source}' is a prepared data set; expected a folder of images as they came from the camera")
    files = list(walk(source))
    if not files:
        raise DataError(f"'{source}' is empty; expected images, a folder of images for each class, or a {MANIFEST}")
    return files


def is_hidden(name: str) -> bool:
    """Tell the name of a file or folder that no user means, hidden or of the system."""
    return name.startswith((".", "__MACOSX")) or name.lower() in SYSTEM


def walk(source: Path, special: bool = False) -> Iterator[Path]:
    """Yield all files that are not hidden (`is_hidden`), below links too, each folder once.

    Data sets, runs and scores that were written among the frames are left out: crops and maps are no frames of a camera.

    Parameters
    ----------
    special : yield what only looks like a file instead: pipes, sockets and devices, of which a reader would wait for ever

    Raises
    ------
    DataError : if a folder cannot be read.
    """
    waiting, visited = [os.fspath(source)], set()
    while waiting:
        folder = waiting.pop()
        if (real := os.path.realpath(folder)) in visited:  # a link that leads back up
            continue
        visited.add(real)
        try:
            with os.scandir(folder) as listed:
                found = [*listed]
                if visited != {real} and _is_result(folder, {entry.name for entry in found}):
                    continue
                entries = sorted((entry for entry in found if not is_hidden(entry.name)), key=lambda entry: entry.name)
                files = [entry.name for entry in entries if not entry.is_dir() and is_special(entry) == special]
                below = [entry.path for entry in entries if entry.is_dir()]
        except OSError as error:
            raise DataError(f"cannot read the folder '{folder}': {error.strerror}") from None
        yield from (Path(folder, name) for name in files)
        waiting += reversed(below)


def _is_result(folder: str, names: set[str]) -> bool:
    """Tell a folder that a command has filled, or was about to, with what is made of frames."""
    if names & WHOLE:
        return True
    mark = Mark.read(Path(folder)) if MARK in names else None
    return mark is not None and mark.verb not in DRAWN


def is_special(entry: os.DirEntry[str]) -> bool:
    """Tell a pipe, a socket or a device; a link that leads nowhere is a file that is missing."""
    return not entry.is_file() and not entry.is_dir() and (not entry.is_symlink() or Path(entry.path).exists())


def folders_of(path: Path, source: Path) -> Folders:
    """Return the folders between a source and a file in it."""
    return _between(os.path.dirname(path), source)  # noqa: PTH120 - a tenth of the time that a Path of it takes


@lru_cache(maxsize=1024)  # of the files of a folder one after the other
def _between(folder: str, source: Path) -> Folders:
    return Path(folder).relative_to(source).parts


def roots(source: Path, known: Callable[[Path], bool], depth: int = 2) -> list[Path]:
    """Return the folders by which a data set is known: the source itself, or those at most `depth` levels below it.

    Folders that cannot be read, hidden ones and files are passed over, so that this never fails.
    """
    if not source.is_dir():
        return []
    if known(source):
        return [source]
    if depth == 0:
        return []
    return [root for child in children(source) for root in roots(child, known, depth - 1)]


def is_below(path: Path, folders: Sequence[Path]) -> bool:
    """Tell whether a file lies in one of these folders or below it: what a data set says of its own holds of no neighbour's."""
    return any(path.is_relative_to(folder) for folder in folders)


def children(folder: Path) -> list[Path]:
    """Return the folders directly in a folder that are not hidden, sorted; none where it cannot be read."""
    try:
        with os.scandir(folder) as entries:  # which knows what is a folder without looking at each file
            names = sorted(entry.name for entry in entries if entry.is_dir() and not is_hidden(entry.name))
        return [folder / name for name in names]
    except OSError:  # whoever reads the folder says what is wrong with it
        return []


def outside(source: Path, paths: Sequence[Path], which: str) -> str:
    """Return the sentence on images that lie beside those of a data set, `which` being what is said of them."""
    return f"{len(paths)} images {which} and are left out, the first '{paths[0].relative_to(source).as_posix()}'"


def no_images(source: Path, files: int, masks: int) -> DataError:
    """Return the error of a source that holds files, but no image."""
    only = f" but {masks} mask{'s' if masks > 1 else ''}" if masks else ""
    count = f"{files} file{'s' if files > 1 else ''}"
    return DataError(f"'{source}' holds {count}, none of them an image{only}; expected {', '.join(suffixes())}")
