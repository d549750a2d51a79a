"""Bounding boxes as truth: JSON of Kvasir and COCO, tables, XML of Pascal VOC, YOLO. Right and bottom edges are exclusive."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from medgen.data.source_file import BoxShares, SourceFile
from medgen.data.tree.tables import LARGEST, column, read_json_file, read_rows
from medgen.data.tree.yolo import names_of_images, whole_name, yolo_boxes
from medgen.errors import DataError
from medgen.types import Box

Boxes = dict[str, list[Box]]  # by the name of the image, with or without its suffix; [] for one that is listed without any

NAMES = ("filename", "file_name", "file", "image", "image_name", "image_id", "img", "patientid", "path", "image_path", "name")
CORNERS = (
    ("xmin", "ymin", "xmax", "ymax"), ("x_min", "y_min", "x_max", "y_max"), ("x1", "y1", "x2", "y2"),
    ("left", "top", "right", "bottom"),
)  # fmt: skip
POLYGON = tuple(f"{axis}{k}" for k in range(1, 5) for axis in "xy")  # four corners, as Kvasir-Capsule has them
SIZES = (("x", "y", "width", "height"), ("x", "y", "w", "h"), ("bbox_x", "bbox_y", "bbox_w", "bbox_h"))


def with_boxes(entries: Sequence[SourceFile], files: Sequence[Path]) -> tuple[list[SourceFile], list[str], list[Path]]:
    """Give the boxes in the files of a source that are no images to the images that have no mask.

    Returns
    -------
    The entries, a sentence for each kind of boxes that were left out, and the files that hold boxes.
    """
    read = {path: _read(path) for path in files}
    found: Boxes = defaultdict(list)
    for boxes in read.values():
        for name, list_of in boxes.items():
            found[name].extend(list_of)
    texts = yolo_boxes(files)
    owners = _owners(entries) if found or texts else {}
    claims: list[tuple[Sequence[str], Sequence[Box | BoxShares]]] = [
        *(((name, PurePosixPath(name).name, PurePosixPath(name).stem), list_of) for name, list_of in found.items()),
        *((names_of_images(path), shares) for path, shares in texts.items()),
    ]
    given: dict[str, list[Box | BoxShares]] = {}
    missed = 0
    for names, marks in claims:
        entry = next((owner for name in names if (owner := owners.get(name))), None)
        if entry is None:
            missed += 1
        elif not entry.masks:
            given.setdefault(entry.file, []).extend(marks)
    notes = []
    if missed:
        notes.append(f"boxes of {missed} of {len(claims)} names belong to no image, or to several of one name, and are left out")
    holding = [path for path, boxes in read.items() if boxes] + [*texts]
    return [boxed(entry, given[entry.file]) if entry.file in given else entry for entry in entries], notes, holding


def boxed(entry: SourceFile, boxes: Iterable[Box | BoxShares]) -> SourceFile:
    """Return an entry that is known to have these boxes and no others; one with a box and without a label is abnormal.

    An abnormal one without a box is not annotated: where its finding is, nobody said.
    """
    unique = tuple(dict.fromkeys(boxes))
    label = entry.label or ("abnormal" if unique else "")
    return replace(entry, boxes=unique, annotated=bool(unique) or label != "abnormal", label=label)


def box_of(left: float, top: float, right: float, bottom: float) -> Box | None:
    """Return the smallest box of whole pixels around these edges, or None where they enclose nothing."""
    edges = (left, top, right, bottom)
    if not all(map(math.isfinite, edges)) or right <= left or bottom <= top:
        return None
    return Box(max(math.floor(left), 0), max(math.floor(top), 0), math.ceil(right), math.ceil(bottom))


def box_of_row(row: Mapping[str, str]) -> Box | None:
    """Return the box in a row of a table, by any of the usual names of its columns; None where there is none."""
    try:
        if all(name in row for name in POLYGON):
            across, down = ([float(row[f"{axis}{k}"]) for k in range(1, 5)] for axis in "xy")
            return box_of(min(across), min(down), max(across), max(down))
        for names in (*CORNERS, *SIZES):
            if all(name in row for name in names):
                a, b, c, d = (float(row[name]) for name in names)
                return box_of(a, b, c, d) if names in CORNERS else box_of(a, b, a + c, b + d)
    except ValueError:  # an empty cell: nothing was found
        pass
    return None


def _owners(entries: Sequence[SourceFile]) -> dict[str, SourceFile | None]:
    """Return each image by its path, name and stem, and by what `names_of_images` calls it; None where several have one."""
    owners: dict[str, SourceFile | None] = {}
    for entry in entries:
        path = PurePosixPath(entry.file)
        for key in {entry.file, path.name, path.stem, whole_name(entry.path)}:
            owners[key] = None if key in owners else entry
    return owners


def _read(path: Path) -> Boxes:
    """Return the boxes in a file by the names of their images; none of a file that holds something else."""
    readers = {".json": _of_json, ".csv": _of_table, ".tsv": _of_table, ".xml": _of_xml}
    reader = readers.get(path.suffix.lower())
    try:
        if reader is None or path.stat().st_size > LARGEST:
            return {}
        return reader(path)
    except (DataError, OSError, KeyError, TypeError, ValueError, AttributeError, ET.ParseError):  # something else of that suffix
        return {}


def _of_table(path: Path) -> Boxes:
    rows = read_rows(path)
    names = rows[0].keys() if rows else ()
    name = column(names, NAMES)
    if not name or not any(all(part in names for part in parts) for parts in (*CORNERS, *SIZES)):
        return {}
    boxes: Boxes = defaultdict(list)
    for row in rows:
        box = box_of_row(row)
        boxes[row[name]] += [box] if box else []
    return boxes


def _of_json(path: Path) -> Boxes:
    content = read_json_file(path)
    if "images" in content and "annotations" in content:
        return _of_coco(content)
    return {
        str(name): [
            box for found in about["bbox"] if (box := box_of(*(float(found[edge]) for edge in ("xmin", "ymin", "xmax", "ymax"))))
        ]
        for name, about in content.items()
    }


def _of_coco(content: Mapping[str, Any]) -> Boxes:
    names = {image["id"]: str(image["file_name"]) for image in content["images"]}
    boxes: Boxes = {name: [] for name in names.values()}
    unknown = set()
    for found in content["annotations"]:
        name, edges = names[found["image_id"]], _edges_of_coco(found)
        if edges is None:
            unknown.add(name)
        elif box := box_of(*edges):
            boxes[name].append(box)
    return {name: found for name, found in boxes.items() if name not in unknown}


def _edges_of_coco(found: Mapping[str, Any]) -> tuple[float, float, float, float] | None:
    """Return left, top, right and bottom of an annotation, without a box those of its outlines; None where it has neither."""
    if stated := found.get("bbox"):
        left, top, width, height = map(float, stated)
        return left, top, left + width, top + height
    outlines = found.get("segmentation")
    corners = [float(number) for outline in (outlines if isinstance(outlines, list) else ()) for number in outline]
    return (min(corners[::2]), min(corners[1::2]), max(corners[::2]), max(corners[1::2])) if corners else None


def _of_xml(path: Path) -> Boxes:
    root = ET.parse(path).getroot()
    if root.tag != "annotation" or (root.find("object") is None and root.find("size") is None):
        return {}
    boxes = []
    for edges in root.iterfind("object/bndbox"):
        values = [float(edges.findtext(name, "nan")) for name in ("xmin", "ymin", "xmax", "ymax")]
        boxes += [box] if (box := box_of(*values)) else []
    return {path.stem: boxes}
