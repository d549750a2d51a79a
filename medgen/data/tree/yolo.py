"""Boxes and outlines as YOLO has them: a text for each image, in shares of its sides (https://docs.ultralytics.com/datasets/detect).

A row is a class and the middle, width and height of a box, or a class and the corners of an outline, of which the box around it
is taken. The text of ``images/train/a.jpg`` is ``labels/train/a.txt``; it may lie beside the image, too. An empty one says that
there is nothing to find.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from medgen.data.source_file import BoxShares
from medgen.data.tree.tables import LARGEST

LABELS, IMAGES = "labels", "images"
ROUNDING = 0.001  # by which edges may lie outside of a frame
BOX, TRIANGLE = 5, 7  # words of a row: a class and four numbers; a class and three corners, the fewest of an outline


def yolo_boxes(files: Sequence[Path]) -> dict[Path, list[BoxShares]]:
    """Return the boxes of each text of YOLO among some files; an empty text counts where others lie in its folder."""
    texts = {path: boxes for path in files if path.suffix.lower() == ".txt" and (boxes := _read(path)) is not None}
    folders = {path.parent for path, boxes in texts.items() if boxes}
    return {path: boxes for path, boxes in texts.items() if path.parent in folders}


def whole_name(path: Path) -> str:
    """Return the name of a file with its folders and without its suffix, in lower case."""
    return "/".join((*path.parts[:-1], path.stem)).lower()


def names_of_images(path: Path) -> list[str]:
    """Return what the image of a text may be called, the likeliest first: as `whole_name` writes it, at last its stem alone."""
    parts = path.parts
    place = next((place for place in range(len(parts) - 2, -1, -1) if parts[place].lower() == LABELS), None)
    beside = [Path(*parts[:place], *folder, *parts[place + 1 :]) for folder in ((IMAGES,), ())] if place is not None else []
    return [*(whole_name(name) for name in (*beside, path)), path.stem]


def _read(path: Path) -> list[BoxShares] | None:
    """Return the boxes in a text; None where it holds something else."""
    try:
        if path.stat().st_size > LARGEST:
            return None
        rows = [line.split() for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
        return [_box(row) for row in rows]
    except (OSError, ValueError):
        return None


def _box(row: Sequence[str]) -> BoxShares:
    """Return the box in a row.

    Raises
    ------
    ValueError : if it is no row of YOLO.
    """
    numbers = [float(word) for word in row[1:]]
    outline = len(row) >= TRIANGLE and len(row) % 2 == 1
    if not row[0].isdigit() or not (len(row) == BOX or outline) or not all(0 <= number <= 1 + ROUNDING for number in numbers):
        raise ValueError(f"is no class with a box or an outline: {' '.join(row)[:40]}")
    if outline:
        edges = min(numbers[::2]), min(numbers[1::2]), max(numbers[::2]), max(numbers[1::2])
    else:
        x, y, width, height = numbers
        edges = x - width / 2, y - height / 2, x + width / 2, y + height / 2
    left, top, right, bottom = (min(max(edge, 0.0), 1.0) for edge in edges)
    if right <= left or bottom <= top:
        raise ValueError("is empty")
    return BoxShares(left, top, right, bottom)
