"""Frames that readers mark for review: a table that is written anew with each mark, and read when the page is opened again."""

from __future__ import annotations

import threading
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from medgen.errors import FolderError
from medgen.files import digest_of, short_digest, without_quotes, write_csv
from medgen.outputs.lock import alone_in

COLUMNS = ["path", "reader", "marked_at", "note"]
LONGEST = 500  # letters of a note, and of a reader's name


class Mark(NamedTuple):
    """A frame that a reader marked; `marked_at` is the time with its zone, ISO 8601."""

    path: str
    reader: str
    marked_at: str
    note: str


class Marks:
    """The marks of all readers in one CSV file: columns path, reader, marked_at, note, a row a mark.

    Raises
    ------
    FolderError : if the file is there and is no table of marks.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self._lock = threading.Lock()
        self._digest, self._marks = "", dict[tuple[str, str], Mark]()
        if file.exists():
            self._read()

    def all(self) -> list[Mark]:
        """Return all marks in their order, those that another process wrote since, too.

        Raises
        ------
        FolderError : if the file became another one.
        """
        with self._lock:
            self._read_again()
            return [*self._marks.values()]

    def set(self, path: str, reader: str, marked: bool, note: str = "") -> Mark | None:
        """Mark a frame for review, or take the mark of that reader away; return the mark.

        Another process may have written the file since; what it holds is read first.

        Raises
        ------
        FolderError, MedgenError : if the file became another one, or cannot be written.
        """
        with self._lock, alone_in(self.file.parent):
            self._read_again()
            mark = Mark(path, reader[:LONGEST], datetime.now().astimezone().isoformat(timespec="seconds"), note[:LONGEST])
            changed = {key: one for key, one in self._marks.items() if key != (path, mark.reader)}
            if marked:
                changed[path, mark.reader] = mark
            write_csv(self.file, pd.DataFrame([*changed.values()], columns=COLUMNS))
            self._marks, self._digest = changed, digest_of(self.file)
            return mark if marked else None

    def _read_again(self) -> None:
        if digest_of(self.file) != self._digest:
            self._read()

    def _read(self) -> None:
        if not self.file.exists():
            self._marks, self._digest = {}, ""
            return
        try:
            content = self.file.read_bytes()  # once: what another process writes meanwhile is no part of the digest either
            table = without_quotes(pd.read_csv(BytesIO(content), dtype=str, keep_default_na=False))
        except (OSError, ValueError) as error:
            raise FolderError(f"'{self.file}' is no table of marks ({error}); choose another --marks") from None
        if [*table.columns] != COLUMNS:
            raise FolderError(
                f"'{self.file}' is there and is no table of marks, which has the columns {', '.join(COLUMNS)}, "
                "with commas between them; choose another --marks"
            )
        found = [Mark(*row) for row in table.itertuples(index=False)]
        self._marks, self._digest = {(mark.path, mark.reader): mark for mark in found}, short_digest(content)
