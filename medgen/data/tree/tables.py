"""Tables and JSON files beside images, as data sets publish them."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from medgen.errors import DataError

Row = Mapping[str, str]
LARGEST = 500_000_000  # bytes of a JSON file that is read; a larger one holds more than boxes and lists


def read_rows(path: Path) -> list[Row]:
    """Return the rows of a table by their columns, names in lower case; the separator may be a comma, semicolon or tab.

    A cell that is missing at the end of a row is empty.

    Raises
    ------
    DataError : if it cannot be read.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            first = file.readline()
            file.seek(0)
            reader = csv.DictReader(file, delimiter=max(",;\t", key=first.count), restval="")
            return [{(name or "").strip().lower(): str(cell or "").strip() for name, cell in row.items()} for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"cannot read '{path}': {error}") from None


def read_json_file(path: Path) -> Any:
    """Return what a JSON file holds.

    Raises
    ------
    DataError : if it cannot be read.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"cannot read '{path}': {error}") from None


def column(names: Iterable[str], known: Iterable[str]) -> str:
    """Return the first of the `known` names that a table has, or ''."""
    present = set(names)
    return next((name for name in known if name in present), "")
