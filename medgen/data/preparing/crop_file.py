"""One file to the crops of its frames: what a worker does with each file of a source."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from medgen.data.field.contour import crop, cut
from medgen.data.field.overlay import reduce_truth
from medgen.data.images import opened, read_images
from medgen.data.pixel_format import with_channels
from medgen.data.prepared import PrepareSettings
from medgen.data.preparing.duplicates import digest
from medgen.data.preparing.groups import keyed_digest
from medgen.data.sampling import Sampling
from medgen.data.source_file import SourceFile
from medgen.data.truth import read_mask
from medgen.errors import ImageError
from medgen.files import short_digest
from medgen.types import Box


class Cropped(NamedTuple):
    """One frame, ready to be stored: its row of the index, (S, S, C) uint8, (S, S) bool, (S, S) bool."""

    row: dict[str, str | int | list[str]]
    pixels: NDArray[np.uint8]
    valid: NDArray[np.bool_]
    mask: NDArray[np.bool_]


def crop_file(entry: SourceFile, settings: PrepareSettings, key: bytes) -> list[Cropped]:
    """Read and crop every frame of one file.

    Parameters
    ----------
    entry : the file
    settings : of the data set
    key : of the digests by which patients are kept (`groups.keyed_digest`)

    Raises
    ------
    ImageError : if the file or its mask cannot be read.
    """
    sha = digest(entry.path) if entry.path.is_file() else ""
    cropped = []
    related = relations(entry, key)
    for image in read_images(entry.path, sampling=Sampling()):
        cut_out, field = crop(
            replace(image, pixels=with_channels(image.pixels, settings.channels)), settings.size, settings.square
        )
        height, width = image.pixels.shape[:2]
        frame = image.source.removeprefix(str(entry.path))  # "#k" of a file with several
        row = {
            "id": short_digest(f"{entry.file}{frame}")[:12],
            "path": entry.file + frame,
            "label": entry.label,
            "finding": entry.finding,
            "split": entry.split,
            "group": entry.group,
            "related": related,
            "copy": 0,
            "annotated": int(entry.annotated),
            "width": width,
            "height": height,
            **cut_out.box._asdict(),
            "digest": sha,
            "status": "cropped" if field.bordered else "whole",
        }
        cropped.append(Cropped(row, cut_out.pixels, cut_out.valid, _cut_mask(entry, cut_out.box, (height, width), settings.size)))
    return cropped


def relations(entry: SourceFile, key: bytes) -> list[str]:
    """Return what the frames of a file belong to (`groups.find_groups`): what folders, names and the file itself say.

    Raises
    ------
    ImageError : if the header of the file cannot be read.
    """
    with opened(entry.path) as content:
        own = [f"file:{entry.file.partition('#')[0]}"] if content.total > 1 else []
        return [relation for relation in (*entry.related, *own, keyed_digest(content.identity, key)) if relation]


def _cut_mask(entry: SourceFile, box: Box, shape: tuple[int, int], size: int) -> NDArray[np.bool_]:
    """Return the truth mask below `box`, resized to (size, size) bool; all False without a mask."""
    whole = np.zeros(shape, dtype=bool)
    for mask in entry.masks:
        marks = read_mask(mask)
        if marks.shape != shape:
            height, width = marks.shape
            raise ImageError(f"its mask {mask.path.name} is {width} x {height}, the frame {shape[1]} x {shape[0]}")
        whole |= marks
    return reduce_truth(cut(whole, box), size)
