"""Keyed ids in place of the names of files, folders and groups: what a hospital calls them often names a patient.

The ids depend on a secret key, so that nobody can try names until one fits. Key and names are in one file, which the user keeps
apart from everything that is handed on: who has it can tell which frame is whose, and nobody else.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path

import pandas as pd

from medgen.data.source_file import Listing, SourceFile, file_and_frame
from medgen.errors import DataError
from medgen.files import replacing, without_quotes
from medgen.outputs.leftovers import remove_dead

NAMELESS = "pseudonymised:"  # the source of a data set whose names are kept apart: no path
NAMED = ("path", "file", "group", "other")  # columns of tables that hold such ids


class Pseudonyms:
    """The ids of one key.

    Parameters
    ----------
    path : of the file with key and names; it is made, for its owner alone to read, where there is none
    results : folder of what is handed on; the file lies neither in it nor beside it

    Raises
    ------
    DataError : if the file lies there, or is another one.
    """

    def __init__(self, path: Path, results: Path | None = None) -> None:
        self.path = path
        where, out = path.absolute(), results.absolute() if results else None
        if out and (where.parent == out.parent or where.is_relative_to(out)):
            raise DataError(f"the key '{path}' would lie with the results, which are handed on; name a file in another folder")
        key, names = _read(path) if path.exists() else (secrets.token_hex(32), {})
        self.key, self.names = bytes.fromhex(key), dict(names)

    def id_of(self, name: str) -> str:
        """Return the id of a name, 16 hexadecimal digits, and remember the name; "" of ""."""
        if not name:
            return ""
        keyed = blake2b(name.encode(errors="surrogateescape"), key=self.key, digest_size=8).hexdigest()
        self.names[keyed] = name
        return keyed

    def file_id(self, file: str) -> str:
        """Return the id of a file; the number of a frame stays behind it."""
        name, number = file_and_frame(file)
        return self.id_of(name) + ("" if number is None else f"#{number}")

    def hidden(self, listing: Listing) -> Listing:
        """Return a listing without names, in the order of its ids. What folders of no known label are called goes, too."""
        entries = [self._hidden(entry) for entry in listing.entries]
        entries.sort(key=lambda entry: (entry.whole, entry.frame or 0))
        return replace(listing, entries=entries, notes=())

    def _hidden(self, entry: SourceFile) -> SourceFile:
        related = (relation.partition(":") for relation in entry.related)
        return replace(
            entry,
            file=self.file_id(entry.file),
            finding=entry.finding if entry.label else "",
            group=self.id_of(entry.group),
            related=tuple(f"{kind}:{self.id_of(name)}" for kind, _, name in related),
        )

    def hidden_table(self, table: pd.DataFrame) -> pd.DataFrame:
        """Return a table of files without their names."""
        return table.assign(file=[self.file_id(file) for file in table["file"]])

    def hidden_digest(self, digest: str) -> str:
        """Return a keyed digest of a digest: two files are still known to be the same, and none is known by its content."""
        return blake2b(digest.encode(), key=self.key, digest_size=16).hexdigest() if digest else ""

    def save(self) -> None:
        """Write key and names, for their owner alone to read."""
        remove_dead(self.path.parent, of=self.path.name)  # half a list of names that nobody would look for
        with replacing(self.path) as temporary:
            temporary.touch(mode=0o600)
            temporary.write_text(json.dumps({"key": self.key.hex(), "names": self.names}, indent=1) + "\n", encoding="utf-8")


def reveal(table: Path, key: Path) -> pd.DataFrame:
    """Return a table that medgen wrote (index.csv, scores.csv, ranks.csv, ...) with the names in place of their ids.

    Parameters
    ----------
    table : the CSV file
    key : what `medgen prepare --pseudonymise` wrote

    Raises
    ------
    DataError : if one of the files is not there or is another one, or the table holds no id of this key.

    Examples
    --------
    >>> data = api.prepare(FRAMES, OUT / "data", key=OUT / "apart" / "key.json")
    >>> named = api.reveal(data.folder / "index.csv", OUT / "apart" / "key.json")
    >>> len({path.split("/")[0] for path in named["path"]})
    2
    """
    _, names = _read(key)
    try:
        values = without_quotes(pd.read_csv(table, dtype=str, keep_default_na=False))
    except (OSError, ValueError) as error:
        raise DataError(f"cannot read the table '{table}': {error}") from None
    columns = [name for name in NAMED if name in values]
    shown = {name: [_name(value, names) for value in values[name]] for name in columns}
    if not any(shown[name] != values[name].tolist() for name in columns):
        raise DataError(f"'{table}' holds no id of the key '{key}'; give the key that its data set was prepared with")
    return values.assign(**shown)


def _name(value: str, names: Mapping[str, str]) -> str:
    kind, colon, rest = value.rpartition(":")
    keyed, mark, number = rest.partition("#")
    return f"{kind}{colon}{names[keyed]}{mark}{number}" if keyed in names else value


def _read(path: Path) -> tuple[str, dict[str, str]]:
    """Return key and names."""
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
        bytes.fromhex(known["key"])
        return str(known["key"]), {str(keyed): str(name) for keyed, name in known["names"].items()}
    except OSError as error:
        raise DataError(f"cannot read the key '{path}': {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise DataError(f"'{path}' is no key; expected the file that `medgen prepare --pseudonymise FILE` wrote") from None
