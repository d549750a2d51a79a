"""Files of results: written so that a reader never sees half of one, CSV and JSON in one form, and the digests that name them."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from medgen.errors import MedgenError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` that takes its place when the block ends well, and vanishes when it does not.

    Raises
    ------
    MedgenError : where the folder cannot be written or the disk is full.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise MedgenError(f"cannot write '{path}': {error.strerror or error}") from None
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all, in UTF-8; stray bytes of file names are written as escapes."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace", newline="\n")


def write_bytes(path: Path, content: bytes) -> None:
    """Write a binary file whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def write_csv(path: Path, table: pd.DataFrame) -> None:
    """Write a table whole or not at all: a header, no index, lines that end alike on every system."""
    write_text(path, table.to_csv(index=False, lineterminator="\n"))


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
    hashed = sha256()
    for content in contents:
        hashed.update(content.encode() if isinstance(content, str) else content)
    return hashed.hexdigest()[:16]


def cache_folder(name: str) -> Path:
    """Return where results of this kind are kept between runs: below the folder in MEDGEN_CACHE, or below ``~/.cache/medgen``."""
    return Path(os.environ.get("MEDGEN_CACHE") or Path.home() / ".cache" / "medgen") / name
