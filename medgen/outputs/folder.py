"""What an output folder is to the verb that is to write into it, one rule for all of them.

It is new (not there, or empty), unfinished (the same command goes on), finished (the verb knows what to do with its own results)
or foreign: it holds something else, and is refused. So are results of the same verb that were made of something else, another run
or other frames: they are replaced by the same thing made again and by nothing else.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from medgen.errors import FolderError
from medgen.files import short_digest, write_text
from medgen.outputs.lock import locked

MARK = ".medgen.json"  # in a folder: which verb writes there, and of what; it goes when the results say as much
NOTHING: Mapping[str, str] = {}


class Mark(NamedTuple):
    """What a folder says of itself; `of`: what its results are made of (`medgen.runs.made_of`), nothing where it is not said."""

    verb: str
    finished: bool
    of: Mapping[str, str] = NOTHING

    @classmethod
    def read(cls, folder: Path) -> Mark | None:
        """Return the mark of a folder; None where it has none."""
        try:
            found = json.loads((folder / MARK).read_text(encoding="utf-8"))
            return cls(str(found["verb"]), bool(found["finished"]), dict(found.get("of", NOTHING)))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def write(self, folder: Path) -> None:
        """Write it whole or not at all."""
        write_text(folder / MARK, json.dumps(self._asdict()) + "\n")


@contextmanager
def output_folder(
    folder: Path,
    verb: str,
    results: tuple[str, ...] = (),
    instead: str = "choose another --out",
    others: tuple[str, ...] = (),
    of: Mapping[str, str] = NOTHING,
) -> Iterator[None]:
    """Hold a folder while a verb writes into it, and say in it that the verb has not finished until it has.

    Parameters
    ----------
    folder : to write into; made where it is not there
    verb : the command's name
    results : names of files of which one at least is in each folder that the verb has finished, and which it removes before it
        touches other results; where none is, the mark stays and says so
    instead : what to do about a folder that is refused
    others : names of files that another verb puts beside files of such names
    of : what the results are made of; the mark keeps it, and results made of something else are refused. Nothing for a verb that
        knows what to do with its own results, whatever they were made of

    Raises
    ------
    FolderError : if the folder holds something else, another process writes into it, or it cannot be written.
    """
    check_folder(folder, verb, results, instead, others, of)
    with locked(folder, verb):
        check_folder(folder, verb, results, instead, others, of)  # nobody else changes it any more
        before, stood = Mark.read(folder), _states(folder, results)
        Mark(verb, finished=False, of=of).write(folder)
        try:
            yield
        except BaseException:
            if not any(_holds(folder)) or (_has_any(folder, results) and not of):  # the results say whose they are
                (folder / MARK).unlink(missing_ok=True)
            elif before and before.finished and stood and stood == _states(folder, results):
                before.write(folder)  # they are as they were
            raise
        if _has_any(folder, results) and not of:
            (folder / MARK).unlink()
        else:
            Mark(verb, finished=True, of=of).write(folder)


def check_folder(
    folder: Path,
    verb: str,
    results: tuple[str, ...] = (),
    instead: str = "choose another --out",
    others: tuple[str, ...] = (),
    of: Mapping[str, str] = NOTHING,
) -> None:
    """Refuse a folder that is neither new nor of this verb, and one whose results are made of something else.

    Raises
    ------
    FolderError : saying what it holds.
    """
    if folder.exists() and not folder.is_dir():
        raise FolderError(f"'{folder}' is a file, no folder; {instead}")
    mark = Mark.read(folder)
    if mark and mark.verb != verb:
        state = "is of" if mark.finished else "was left unfinished by"
        raise FolderError(f"'{folder}' is not empty and {state} `medgen {mark.verb}`; {instead}")
    if mark is None and _has_any(folder, others):
        raise FolderError(f"'{folder}' holds results of another command than `medgen {verb}`; {instead}")
    if mark is None and any(_holds(folder)) and not _has_any(folder, results):
        raise FolderError(f"'{folder}' is not empty and holds no result of `medgen {verb}`; {instead}")
    done = not results or _has_any(folder, results) or (mark is not None and mark.finished)
    if of and done and any(_holds(folder)):
        check_same(f"'{folder}'", mark.of if mark else NOTHING, of, instead)


def check_same(results: str, before: Mapping[str, str], of: Mapping[str, str], instead: str) -> None:
    """Refuse to replace results by others than the same ones made again.

    Parameters
    ----------
    results : the path of those that are there, in quotes
    before, of : what they are made of, and what the new ones would be; these may be made of more, such as runs beside the frames

    Raises
    ------
    FolderError : if these differ.
    """
    if not before:
        raise FolderError(f"{results} does not say what it is made of, and is not replaced; {instead}")
    if differing := [name for name in before if before[name] != of.get(name)]:  # those of more are no others
        theirs, ours = (", ".join(f"{name} {facts.get(name, '-')}" for name in differing) for facts in (before, of))
        raise FolderError(f"{results} is made of {theirs}, and is not replaced by that of {ours}; {instead}")


def check_apart(source: Path, out: Path) -> None:
    """Refuse to make copies without names of frames in a folder that lies in theirs, or the other way round.

    Raises
    ------
    FolderError : if one lies in the other.
    """
    here, there = source.resolve(), out.resolve()
    if here == there or here in there.parents or there in here.parents:
        raise FolderError(
            f"--deidentify would read what it writes: '{source}' and '{out}' lie in each other; choose another --out"
        )


def named_place(name: str, place: Path, folder: Path) -> str:
    """Return a name with a digest of where it lies, as seen from the folder of the results, so that both may move together."""
    return f"'{name}' ({short_digest(Path(os.path.relpath(place.resolve(), folder.resolve())).as_posix())})"


def is_unfinished(folder: Path, verb: str) -> bool:
    """Tell whether a verb began to write into a folder and did not finish."""
    mark = Mark.read(folder)
    return mark is not None and mark.verb == verb and not mark.finished


def take_mark_away(folder: Path, verb: str) -> None:
    """Take away the mark that a verb left which was killed behind its last result; for who finds all results there."""
    if is_unfinished(folder, verb):
        (folder / MARK).unlink()


def _has_any(folder: Path, names: tuple[str, ...]) -> bool:
    return any((folder / name).exists() for name in names)


def _states(folder: Path, names: tuple[str, ...]) -> list[tuple[str, int, int]]:
    """Return when each of the files that are there was written last, and its size."""
    states = [(path.name, path.stat()) for path in (folder / name for name in names) if path.is_file()]
    return [(name, state.st_mtime_ns, state.st_size) for name, state in states]


def _holds(folder: Path) -> Iterator[Path]:
    """Yield what a folder holds, hidden files aside: a file browser's, or the mark and the lock."""
    if folder.is_dir():
        yield from (path for path in folder.iterdir() if not path.name.startswith("."))
