"""A table of images, ``manifest.csv`` in a folder or a .csv that is named directly: its columns say what each image is.

Where it holds other columns or words than it may, one line of help says so.
"""

from __future__ import annotations

import csv
import io
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path, PurePath

from medgen.data.source_file import MANIFEST, Listing, MaskFile, SourceFile, file_and_frame, nearest
from medgen.data.tree.boxes import box_of
from medgen.data.tree.class_names import SPLITS, finding_of, label_of, split_of
from medgen.data.tree.related import with_relations
from medgen.errors import DataError, did_you_mean
from medgen.types import LABELS, Box

ORDER = 10
MEANING = "a table of images"
COLUMNS = ("file", "finding", "label", "split", "group", "mask", "boxes")
PATIENT = re.compile(r"(patient|subject|examination|exam|procedure|video)([-_ ]?(id|uid|nr|no|number|name))?")  # of a column
NO_BOX = "none"  # a cell of boxes that says that there is no finding to mark


def recognises(source: Path) -> bool:
    """Tell a folder with a ``manifest.csv``, or a .csv."""
    return (source / MANIFEST).is_file() if source.is_dir() else source.suffix.lower() == ".csv"


def read(source: Path) -> Listing:
    """Read a table of images, or that in a folder, one row a file, in the order of its rows.

    The first line names the columns: `file`, and as many of `finding`, `label`, `split`, `group`, `mask` and `boxes` as there
    are. Other columns (age, hospital, ...) are ignored, unless their name is nearly one of these. The separator may be a comma,
    semicolon or tab. Files and masks are relative to the folder of the table and stay inside it. Where there is no column
    `finding`, the folder of the file names it; where there is no column `label`, the finding says it; where there is no column
    `split`, the folder does. A cell that is empty says unknown. An image that does not exist stays in, so that it is reported
    when it is read; a mask that does not exist is an error.

    ``volume.nii.gz#12`` is frame 12 of a file, counted from 0, as an image or as a mask. Several masks, and several boxes (left,
    top, right and bottom in pixels; right and bottom exclusive), have ``;`` between them. A row with either is annotated, and so
    is one whose boxes are ``none``.

    Raises
    ------
    DataError : naming the line.
    """
    path = source / MANIFEST if source.is_dir() else source
    return listing_of(path.name, _rows(path), path.parent)


def listing_of(name: str, rows: Iterable[tuple[int, Mapping[str, str]]], folder: Path | None) -> Listing:
    """Return the images that the rows of a table name, as `read` does.

    Parameters
    ----------
    name : of the table, for whoever has to look at it
    rows : the number of each line and its cells by their columns
    folder : of the table; None where its files lie on no disk of this machine. They and their masks have paths relative to the
        table then, and nothing is looked for

    Raises
    ------
    DataError : naming the line.
    """
    entries: dict[str, SourceFile] = {}
    lines: dict[str, int] = {}
    columns: Iterable[str] = ()
    for line, row in rows:
        columns = row
        where = f"{name}, line {line}"
        entry = _remote_entry(row, where) if folder is None else _entry(folder, row, where)
        if entry.file in entries:
            raise DataError(f"{where}: '{entry.file}' was already on line {lines[entry.file]}; keep one row for each file")
        entries[entry.file], lines[entry.file] = entry, line
    for entry in entries.values():
        if entry.frame is not None and entry.whole in entries:
            raise DataError(
                f"{name}, line {lines[entry.file]}: '{entry.file}' is a frame of '{entry.whole}', which stands on line "
                f"{lines[entry.whole]} as a whole; keep the one or the other"
            )
    if not entries:
        where = name if folder is None else str(folder / name)
        raise DataError(f"'{where}' names no files; expected one row for each image below the header")
    return Listing(with_relations(list(entries.values())), _unnamed_groups(name, columns))


def _unnamed_groups(name: str, columns: Iterable[str]) -> list[str]:
    """Return a sentence where a column of patients is not called group, as nothing keeps their frames in one split then."""
    patients = [column for column in columns if PATIENT.fullmatch(column)]
    if not patients or "group" in columns:
        return []
    return [
        f"{name} has no column 'group', so that its column '{patients[0]}' is not looked at, and frames of one {patients[0]} may "
        "stand in several splits; call it group if they belong together"
    ]


def read_column(path: Path, column: str) -> dict[str, str]:
    """Return what a column of a manifest, whatever its name, says of each file.

    Raises
    ------
    DataError : if there is no such column, or the table cannot be read.
    """
    values: dict[str, str] = {}
    for line, row in _rows(path):
        if column.lower() not in row:
            raise DataError(f"{path.name}: no column '{column}'; {did_you_mean(column, row)}")
        values[_inside(row["file"], "file", f"{path.name}, line {line}")] = row[column.lower()]
    return values


def _rows(path: Path) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Yield the line number and the cells of each row that is not blank."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot read '{path}': {error.strerror or error}") from None
    yield from rows_of(content, path)


def rows_of(content: bytes, path: PurePath) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Yield the line number and the cells of each row of a table that was read from `path` and is not blank.

    Raises
    ------
    DataError : naming the line.
    """
    try:
        text = content.decode("utf-8-sig")  # a spreadsheet may begin it with a byte order mark
    except UnicodeDecodeError:
        raise DataError(f"'{path}' is not UTF-8 text; save it as 'CSV UTF-8'") from None
    first = text.partition("\n")[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=first.count), strict=True)
    try:
        names = [name.strip().lower() for name in next(reader, [])]
        check_columns(path.name, names)
        for cells in reader:
            if any(cell.strip() for cell in cells):
                if len(cells) != len(names):
                    raise DataError(
                        f"{path.name}, line {reader.line_num}: {len(cells)} cells, but the header names {len(names)} columns"
                    )
                yield reader.line_num, {name: cell.strip() for name, cell in zip(names, cells, strict=True)}
    except csv.Error as error:
        raise DataError(f"{path.name}, line {reader.line_num}: {error}") from None


def check_columns(manifest: str, names: list[str]) -> None:
    """Refuse a table without a column `file`, and one with a column that is nearly one of those that are known.

    Raises
    ------
    DataError : naming the column.
    """
    if "file" not in names:
        raise DataError(f"{manifest}: no column 'file'; {did_you_mean('file', filter(None, names))}")
    for name in names:
        near = get_close_matches(name, COLUMNS, n=1, cutoff=0.8)
        if near and (name not in COLUMNS or names.count(name) > 1):
            hint = "it is there twice" if name in COLUMNS else f"did you mean '{near[0]}'? rename it if it means something else"
            raise DataError(f"{manifest}: column '{name}': {hint}")


def _entry(folder: Path, row: Mapping[str, str], where: str) -> SourceFile:
    file = _inside(row["file"], "file", where)
    name, frame = _frame(folder, file, where)
    masks = tuple(_mask(folder, cell, where) for cell in _cells(row, "mask"))
    return _marked(replace(_named(row, file, folder / name, where), frame=frame), row, masks, where)


def _remote_entry(row: Mapping[str, str], where: str) -> SourceFile:
    file = _inside(row["file"], "file", where)
    name, frame = file_and_frame(file)
    marks = [file_and_frame(_inside(cell, "mask", where)) for cell in _cells(row, "mask")]
    masks = tuple(MaskFile(Path(mask), number) for mask, number in marks)
    return _marked(replace(_named(row, file, Path(name), where), frame=frame), row, masks, where)


def _cells(row: Mapping[str, str], column: str) -> list[str]:
    return [cell.strip() for cell in row.get(column, "").split(";") if cell.strip()]


def _marked(entry: SourceFile, row: Mapping[str, str], masks: tuple[MaskFile, ...], where: str) -> SourceFile:
    """Return a file with what marks findings in it."""
    marked = row.get("boxes", "")
    boxes = () if marked.lower() == NO_BOX else tuple(_box(cell, where) for cell in _cells(row, "boxes"))
    return replace(entry, masks=masks, boxes=boxes, annotated=bool(masks or marked))


def _named(row: Mapping[str, str], file: str, path: Path, where: str) -> SourceFile:
    """Return what a row says of a file, but its masks and boxes; its folders say what the row does not."""
    folders = file.split("/")[:-1]
    finding = row["finding"] if "finding" in row else finding_of(folders)
    label = _word(row["label"], dict(zip(LABELS, LABELS, strict=True)), "label", where) if "label" in row else label_of(finding)
    split = _word(row["split"], SPLITS, "split", where) if "split" in row else split_of(folders)
    return SourceFile(path, file, label, finding, split, row.get("group", ""))


def _frame(folder: Path, file: str, where: str) -> tuple[str, int | None]:
    """Return a file and the frame of it that is meant; a file whose own name ends so is no frame of another."""
    parted = file_and_frame(file)
    name, frame = (file, None) if parted[1] is not None and (folder / file).exists() else parted
    path = folder / name
    lies_in = path.resolve() if path.is_symlink() else _without_links(path.parent)
    if not lies_in.is_relative_to(_without_links(folder)):
        raise DataError(f"{where}: '{name}' is behind a link that leads out of the folder of the manifest; copy what it leads to")
    return name, frame


@lru_cache(maxsize=1024)
def _without_links(folder: Path) -> Path:
    """Return a folder with all links followed; the many files of a table share a few folders."""
    return folder.resolve()


def _mask(folder: Path, cell: str, where: str) -> MaskFile:
    name, frame = _frame(folder, _inside(cell, "mask", where), where)
    mask = folder / name
    if not mask.is_file():
        raise DataError(f"{where}: the mask '{cell}' does not exist{nearest(mask)}")
    return MaskFile(mask, frame)


def _box(cell: str, where: str) -> Box:
    try:
        left, top, right, bottom = map(float, cell.replace(",", " ").split())
        box = box_of(left, top, right, bottom)
    except ValueError:
        box = None
    if box is None:
        raise DataError(f"{where}: the box '{cell.strip()}' is not left, top, right and bottom in pixels, as in '10 20 50 60'")
    return box


def _inside(cell: str, column: str, where: str) -> str:
    """Return a relative path with forward slashes that stays below the manifest's folder."""
    if not cell:
        raise DataError(f"{where}: the column '{column}' is empty")
    if "\0" in cell:
        raise DataError(f"{where}: the column '{column}' holds a zero byte, which no name of a file does")
    file = posixpath.normpath(cell.replace("\\", "/"))
    if file.startswith(("/", "../")) or file in ("..", ".") or file[1:2] == ":":
        raise DataError(f"{where}: '{cell}' leads out of the folder of the manifest; expected a relative path inside it")
    return file


def _word(cell: str, known: Mapping[str, str], column: str, where: str) -> str:
    if cell and cell.lower() not in known:
        raise DataError(f"{where}: unknown {column} '{cell}'; {did_you_mean(cell.lower(), set(known.values()))}")
    return known.get(cell.lower(), "")
