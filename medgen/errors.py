"""Errors that a user can act on: each message says what came, what was expected and what to do."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from functools import wraps
from typing import Any, TypeVar, cast

Function = TypeVar("Function", bound=Callable[..., Any])

OF_THE_MACHINE = {  # reasons why a file cannot be read or written that no program can help
    getattr(errno, name)
    for name in ("EACCES", "EDQUOT", "EFBIG", "EIO", "EMFILE", "ENAMETOOLONG", "ENFILE", "ENOSPC", "EPERM", "EROFS", "ESTALE")
    if hasattr(errno, name)
}
LONGEST = 600  # letters of a reason


class MedgenError(Exception):
    """Base of every error that medgen raises on purpose."""


class ConfigError(MedgenError):
    """A setting, recipe or command-line value is wrong."""


class DataError(MedgenError):
    """A data source or prepared data set cannot be used."""


class ImageError(DataError):
    """One image file cannot be read; the message is the reason, without the path.

    A reason may quote what a damaged file says of itself, which is anything: it is one line of letters that can be shown.
    """

    def __init__(self, reason: object) -> None:
        super().__init__(_shown(str(reason)))


class RunError(MedgenError):
    """A run folder is missing, damaged or does not fit what was asked of it."""


class RankError(RunError):
    """Another process that trains the same model has ended."""


class FolderError(MedgenError):
    """A folder cannot be written into: it holds something else, another process is at work there, or the disk says no."""


class BackendError(MedgenError):
    """A backend does not exist or lacks a capability."""


def _shown(text: str) -> str:
    line = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in " ".join(text.split()))
    return line if len(line) <= LONGEST else f"{line[:LONGEST]} ..."


def explaining_damage(function: Function) -> Function:
    """Let a function that reads a data set raise one reason for whatever libraries raise on damaged files.

    Its first argument is the folder of the data set, or has it as `folder`.
    """

    @wraps(function)
    def explained(first: Any, *more: Any, **named: Any) -> Any:
        try:
            return function(first, *more, **named)
        except (MedgenError, MemoryError):
            raise
        except Exception as error:
            text = f"{error} is missing" if isinstance(error, KeyError) else str(error) or type(error).__name__
            folder = getattr(first, "folder", first)
            raise DataError(f"'{folder}' is damaged ({' '.join(text.split())}); prepare it again with --overwrite") from None

    return cast(Function, explained)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return the sentence that leads from a wrong name to the right ones.

    Parameters
    ----------
    name : what was given
    known : the names that exist
    """
    options = sorted(known)
    close = get_close_matches(name, options, n=1)
    hint = f"did you mean '{close[0]}'? " if close else ""
    return f"{hint}known: {', '.join(options)}"


def number_of(count: int, one: str, several: str) -> str:
    """Return a number before what it counts, in the words for one or for several: "1 file", "2 files"."""
    return f"{count} {one if count == 1 else several}"


def in_one_line(error: Exception, more: str = "`medgen --debug ...` shows more") -> str:
    """Return what a user is told of an error of any kind; `more` says where a bug is told at length."""
    text = " ".join(str(error).split())
    if isinstance(error, MedgenError):
        return text
    if isinstance(error, OSError) and error.errno in OF_THE_MACHINE:
        return f"{error.strerror}: '{error.filename}'" if error.filename else f"{error.strerror}"
    if isinstance(error, MemoryError):
        return "out of memory; try a smaller --set data.batch_size or --size"
    if "allocate memory" in text:
        return "out of memory; try a smaller --set data.batch_size or --size, or a smaller model"
    if "out of memory" in text.lower():
        return "the GPU is out of memory; try a smaller --set data.batch_size, or --device cpu"
    return f"this is a bug in medgen: {type(error).__name__}: {text} ({more})"
