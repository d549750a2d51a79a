"""One file to the crops of its frames: what a worker does with each file of a source."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from medgen.data.field.contour import crop, cut
from medgen.data.field.overlay import reduce_truth, rules_for
from medgen.data.field.sharpness import sharpness
from medgen.data.pixel_format import FileFrames, with_channels
from medgen.data.prepared import PrepareSettings
from medgen.data.preparing.alike.duplicates import digest
from medgen.data.preparing.groups import keyed_digest
from medgen.data.preparing.source_frames import SourceFrame, counted, opened_source
from medgen.data.source_file import SourceFile
from medgen.files import short_digest

Row = dict[str, Any]


class HeaderFacts(NamedTuple):
    """What is known of a file from its header.

    Attributes
    ----------
    related : what its frames belong to (`groups.find_groups`): what folders, names and the file itself say
    understood : how it is understood where that could be otherwise ("axes NHW"), or ""
    """

    related: list[str]
    understood: str


class Cropped(NamedTuple):
    """One frame, ready to be stored: its row of the index, (S, S, C) uint8, (S, S) bool, (S, S) bool."""

    row: Row
    pixels: NDArray[np.uint8]
    valid: NDArray[np.bool_]
    mask: NDArray[np.bool_]


def crop_file(entry: SourceFile, settings: PrepareSettings, key: bytes) -> Iterator[Cropped]:
    """Read and crop the frames of one file, one after the other.

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
    with opened_source(entry, settings) as (content, frames):
        related = header_facts(entry, content, key).related
        yield from (crop_frame(entry, frame, settings, sha, related) for frame in frames)


def header_facts(entry: SourceFile, content: FileFrames, key: bytes) -> HeaderFacts:
    """Return what is known of a file from its header.

    Parameters
    ----------
    entry : the file
    content : as it was opened
    key : of the digests by which patients are kept (`groups.keyed_digest`)
    """
    own = [f"file:{entry.whole}"] if content.total > 1 else []
    related = [relation for relation in (*entry.related, *own, keyed_digest(content.identity, key)) if relation]
    return HeaderFacts(related, content.understood)


def crop_frame(
    entry: SourceFile, frame: SourceFrame, settings: PrepareSettings, sha: str = "", related: Sequence[str] = ()
) -> Cropped:
    """Crop one frame.

    Parameters
    ----------
    entry : the file that it is of, whatever holds its pixels
    frame : its picture
    settings : of the data set, with its overlay rules and what is black and white
    sha : digest of the file
    related : what the frame belongs to
    """
    picture, size, counts = frame.picture, settings.size, counted(entry, frame)
    rules = rules_for(picture, settings.overlay)
    cut_out, field = crop(picture.converted(settings.channels, with_channels), size, settings.square, rules)
    empty = np.zeros((size, size), dtype=bool)
    mask = reduce_truth(cut(frame.marks.mask, cut_out.box), size) if counts["marked"] else empty
    row: Row = {
        "id": short_digest(frame.name)[:12],
        "label": frame.label,
        "finding": frame.finding,
        "split": entry.split,
        "group": entry.group,
        "related": [*related],
        "copy": 0,
        "width": picture.width,
        "height": picture.height,
        **cut_out.box._asdict(),
        "digest": sha,
        "status": "cropped" if field.bordered else "whole",
        **counts,
        "rules": rules,
        "blanked": float(1 - cut_out.valid.mean()),
        "seconds": frame.seconds,
        "sharpness": sharpness(picture.at(1), field.box) if frame.seconds is not None else 0.0,
        "kept": int(np.count_nonzero(mask)),
        "kept_valid": int(np.count_nonzero(mask & cut_out.valid)),
    }
    return Cropped(row, cut_out.pixels, cut_out.valid, mask)
