"""Files of results: written so that a reader never sees half of one, CSV and JSON in one form, and the digests that name them."""

from __future__ import annotations

import csv
import json
import math
import mmap
import os
import re
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from hashlib import file_digest, sha256
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import Any, Literal, TextIO

import numpy as np
import pandas as pd

from medgen.errors import ConfigError, MedgenError

# Where pyarrow is installed, pandas would hold texts as it does and refuse the name of a file that is not UTF-8.
pd.set_option("mode.string_storage", "python")

FORMULA = re.compile(r"'*[=+\-@\t\r]")  # what a spreadsheet would run, and what already stands quoted
ROWS = 1 << 12  # of a table that are made text at once
PARQUET_MARK = b"medgen.table"  # in the end of a Parquet file that is one of medgen's tables
LONGEST_FOOTER = 1 << 20  # bytes of it that are looked at
_parquet_too: ContextVar[bool] = ContextVar("parquet_too", default=False)
# How a picture in colours becomes PNG: zlib looks for runs alone, as it finds little else in frames, reconstructions and heat.
# That takes a third of the time, and the same room within some per cent.
PICTURE: Mapping[str, Any] = {"format": "png", "compress_type": zlib.Z_RLE}
LONGEST = 180  # bytes of a name: with what is written behind it, it stays below the 255 of file systems


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` that takes its place when the block ends well, and vanishes when it does not.

    Raises
    ------
    MedgenError : where the folder cannot be written or the disk is full.
    """
    name = path.name if len(os.fsencode(path.name)) < LONGEST else short_digest(os.fsencode(path.name))
    temporary = path.with_name(f".{name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise MedgenError(f"cannot write '{path}': {error.strerror or error}") from None
    finally:
        with suppress(OSError):  # it would hide why the block failed
            temporary.unlink(missing_ok=True)


@contextmanager
def appending(path: Path) -> Iterator[TextIO]:
    """Yield a text file to which lines are added, in UTF-8, their ends as they are given.

    Raises
    ------
    MedgenError : where the file cannot be written or the disk is full, which a file that is closed tells without its name.
    """
    try:
        with path.open("a", encoding="utf-8", newline="") as file:
            yield file
    except OSError as error:
        raise MedgenError(f"cannot write '{path}': {error.strerror or error}") from None


def new_array(path: Path, kind: type, shape: tuple[int, ...]) -> np.memmap:
    """Return a memory-mapped array of zeros in a new .npy file, all of whose blocks are taken on the disk.

    Without that the file has holes, and a disk that is full when one of them is filled ends the process by a bus error.

    Raises
    ------
    OSError : if there is no room.
    """
    array = np.lib.format.open_memmap(path, mode="w+", dtype=kind, shape=shape)
    if hasattr(os, "posix_fallocate"):  # of Linux
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return array


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all, in UTF-8; stray bytes of file names are written as escapes."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace", newline="\n")


def write_bytes(path: Path, content: bytes) -> None:
    """Write a binary file whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def write_csv(path: Path, table: pd.DataFrame) -> None:
    """Write a table whole or not at all: a header, no index, lines that end alike on every system.

    A text that a spreadsheet would take for a formula has an apostrophe before it; `without_quotes` takes it away again. Inside
    `parquet_beside_csv` the table is written as Parquet, too; a Parquet file that an earlier call left of another table goes.
    """
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", errors="backslashreplace", newline="\n") as file:
        file.writelines(csv_blocks(table))
    beside = path.with_suffix(".parquet")
    if _parquet_too.get():
        _write_parquet(beside, table)
    elif _is_own_parquet(beside):
        beside.unlink()


@contextmanager
def parquet_beside_csv() -> Iterator[None]:
    """Inside the ``with``, write each table that is written as CSV as Parquet beside it: numbers as they are, with types.

    Raises
    ------
    ConfigError : if pyarrow is not installed.
    """
    if not find_spec("pyarrow"):
        raise ConfigError("tables are written as Parquet by pyarrow, which is not installed: pip install 'medgen[parquet]'")
    before = _parquet_too.set(True)
    try:
        yield
    finally:
        _parquet_too.reset(before)


def _write_parquet(path: Path, table: pd.DataFrame) -> None:
    import pyarrow
    from pyarrow import parquet

    typed = table.convert_dtypes()
    for name in (name for name in typed if typed[name].dtype == object or isinstance(typed[name].dtype, pd.StringDtype)):
        texts = [None if pd.isna(value) else str(value).encode(errors="backslashreplace").decode() for value in typed[name]]
        typed[name] = pd.Series(texts, index=typed.index, dtype="string")  # a path may hold bytes that are no text
    arrow = pyarrow.Table.from_pandas(typed, preserve_index=False)
    with replacing(path) as temporary:
        parquet.write_table(arrow.replace_schema_metadata({**arrow.schema.metadata, PARQUET_MARK: b"1"}), temporary)


def _is_own_parquet(path: Path) -> bool:
    """Tell whether a file is a table that medgen wrote as Parquet: its end, of the length in its last 8 bytes, says so."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        file.seek(-min(8, path.stat().st_size), os.SEEK_END)
        length = int.from_bytes(file.read(4), "little")
        if file.read() != b"PAR1":
            return False
        file.seek(-min(8 + length, path.stat().st_size), os.SEEK_END)
        return PARQUET_MARK in file.read(min(length, LONGEST_FOOTER))


def csv_text(table: pd.DataFrame) -> str:
    """Return a table as `write_csv` writes it."""
    return "".join(csv_blocks(table))


def csv_blocks(table: pd.DataFrame) -> Iterator[str]:
    """Yield a table as `write_csv` writes it, some rows at a time: the text of all would take more memory than the table."""
    quoted = _changed_texts(table, lambda text: f"'{text}" if FORMULA.match(text) else text)
    columns = (_values(quoted[name]) for name in quoted.columns if not pd.api.types.is_numeric_dtype(quoted[name]))
    names = (str(name) for name in quoted.columns)
    returns = any("\r" in str(value) for value in chain(names, chain.from_iterable(columns)))
    style: Literal[0, 2] = csv.QUOTE_NONNUMERIC if returns else csv.QUOTE_MINIMAL  # a return alone would end its row
    for start in range(0, max(1, len(quoted)), ROWS):
        block = quoted.iloc[start : start + ROWS]
        yield block.to_csv(index=False, header=start == 0, lineterminator="\n", quoting=style)


def without_quotes(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table that was read with its texts as they were before `write_csv` quoted them."""
    return _changed_texts(table, lambda text: text[1:] if text[:1] == "'" and FORMULA.match(text) else text)


def _changed_texts(table: pd.DataFrame, change: Callable[[str], str]) -> pd.DataFrame:
    """Return a table with its texts and names changed; the table itself where none is, as it may be large."""
    texts = [name for name in table.columns if table[name].dtype == object or isinstance(table[name].dtype, pd.StringDtype)]
    changed = {
        name: table[name].map(lambda value: change(value) if isinstance(value, str) else value)
        for name in texts
        if not all(isinstance(value, str) and change(value) == value for value in _values(table[name]))
    }
    names = {name: change(name) for name in table.columns if isinstance(name, str) and change(name) != name}
    return table.assign(**changed).rename(columns=names) if changed or names else table


def _values(column: pd.Series) -> list[Any]:
    """Return the values of a column, over which Python goes four times as fast as over the column itself."""
    return column.to_numpy(dtype=object).tolist()


def disk_name(name: str) -> str:
    """Return the relative path under which to write what belongs to `name`, a path that some table or file states.

    It leads out of no folder, and every file system takes it: characters that do not print become ``_``, a long name is cut.
    Where anything was changed, a digest of the name keeps names apart.

    Examples
    --------
    >>> disk_name("normal/a.jpg"), disk_name("../a.jpg")
    ('normal/a.jpg', '_/a.jpg.d5bcb1ac')
    """
    parts = [part for part in name.split("/") if part]
    kept = ["_" if part in (".", "..") else _printable(part) for part in parts] or ["_"]
    return "/".join(kept) + ("" if kept == parts else f".{short_digest(name.encode(errors='surrogateescape'))[:8]}")


def _printable(part: str) -> str:
    shown = "".join(letter if letter.isprintable() and letter != "\\" else "_" for letter in part)
    return shown.encode()[:LONGEST].decode(errors="ignore")


def write_json(path: Path, value: Any) -> None:
    """Write nested values whole or not at all, as `json_values` makes them."""
    write_text(path, json.dumps(json_values(value), indent=1) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """Return what `write_json` wrote; {} where there is no such file."""
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def json_values(value: Any) -> Any:
    """Return nested values as JSON knows them: NumPy scalars as numbers, arrays as lists, missing or not finite ones as None."""
    if isinstance(value, Mapping):
        return {str(key): json_values(item) for key, item in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [json_values(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or value is pd.NA or (isinstance(value, float) and not math.isfinite(value)):
        return None
    return value if isinstance(value, bool | int | float | str) else str(value)


def short_digest(*contents: str | bytes) -> str:
    """Return 16 hexadecimal digits of the SHA-256 of texts and bytes, one behind the other."""
    return joined_digest(contents)


def joined_digest(contents: Iterable[str | bytes]) -> str:
    """Return the `short_digest` of texts and bytes that are made one by one."""
    hashed = sha256()
    for content in contents:
        hashed.update(content.encode(errors="surrogateescape") if isinstance(content, str) else content)
    return hashed.hexdigest()[:16]


def shown_source(source: str) -> str:
    """Return what a page calls a source: its kind and name, without the folders that it lies in, which may name a person."""
    kind, colon, path = source.rpartition(":")
    return f"{kind}{colon}{Path(path).name}"


def digest_of(path: Path) -> str:
    """Return 16 hexadecimal digits of the SHA-256 of a file; "" where there is none."""
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()[:16]


def cache_folder(name: str) -> Path:
    """Return where results of this kind are kept between runs: below the folder in MEDGEN_CACHE, or below ``~/.cache/medgen``."""
    return Path(os.environ.get("MEDGEN_CACHE") or Path.home() / ".cache" / "medgen") / name


def let_go(*arrays: Any) -> None:
    """Take what was read of mapped files out of the memory of this process; it stays in the system's as long as there is room.

    Otherwise a process that goes over a large file once seems to need as much memory as the file has bytes. What is no mapped
    array is left alone.
    """
    for array in arrays:
        mapped = getattr(array, "base", None)
        if sys.platform != "win32" and isinstance(mapped, mmap.mmap):  # which has no such call
            mapped.madvise(mmap.MADV_DONTNEED)
