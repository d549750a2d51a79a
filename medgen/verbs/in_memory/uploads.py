"""Files that came as bytes, to a data set in memory that a run can look at; none of it touches a disk.

Each is cropped, shown and masked as `medgen score` does it with the same file, and gets the same score, bit for bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from medgen.data.pixel_format import with_channels
from medgen.data.prepared import Prepared
from medgen.data.preparing.crop_file import Cropped
from medgen.data.preparing.in_memory import crop_read, join_crops
from medgen.data.preparing.source_frames import content_frames
from medgen.errors import DataError, ImageError
from medgen.runs.datasets import as_seen_by
from medgen.runs.run import Run
from medgen.verbs.in_memory.arrays import whole_frames
from medgen.verbs.score import raw_settings


class TooManyFramesError(DataError):
    """More frames came than are taken at once."""


class Upload(NamedTuple):
    """A file: what it is called, and its bytes."""

    name: str
    content: bytes


class Opened(NamedTuple):
    """What was found in some files.

    Attributes
    ----------
    data : the frames that could be read, one a row; None where there are none
    origins : of each row, which of the files it is of, and which frame of that, from 0
    refused : name of each file that could not be read, and the reason
    """

    data: Prepared | None
    origins: list[tuple[int, int]]
    refused: list[tuple[str, str]]


def open_uploads(run: Run, uploads: Sequence[Upload], most: int) -> Opened:
    """Crop the frames of some files for a run, or take them whole where its own were.

    Parameters
    ----------
    run : that is to look at them
    uploads : pictures, TIFF and DICOM files, told by their first bytes
    most : frames of all of them together

    Raises
    ------
    TooManyFramesError : if there are more.
    DataError : if they do not fit the run.
    """
    settings, origins, refused = raw_settings(run), list[tuple[int, int]](), list[tuple[str, str]]()
    whole, crops = list[tuple[str, NDArray[np.uint8]]](), list[Cropped]()
    for place, upload in enumerate(uploads):
        try:
            for number, frame in enumerate(content_frames(*upload, settings, most)):
                if len(origins) == most:
                    raise TooManyFramesError(f"there are more than {most} frames; send fewer at once")
                if run.origin.kind:
                    whole.append((frame.name, frame.picture.at(1)))
                else:
                    crops.append(crop_read(frame, settings))
                origins.append((place, number))
        except TooManyFramesError:
            raise
        except Exception as error:  # decoders raise anything, and one file must not stop the others
            reason = (
                str(error) if isinstance(error, ImageError) else f"truncated, damaged or of a rare kind ({type(error).__name__})"
            )
            refused.append((upload.name, reason))
    if not origins:
        return Opened(None, origins, refused)
    if run.origin.kind:
        return Opened(whole_frames(run, [pixels for _, pixels in whole], [name for name, _ in whole]), origins, refused)
    return Opened(as_seen_by(run, join_crops(crops, settings)), origins, refused)


def picture_of(run: Run, upload: Upload, number: int) -> NDArray[np.uint8]:
    """Return a frame of a file as a picture in colour, (H, W, 3) uint8; `number` counts from 0."""
    for place, frame in enumerate(content_frames(*upload, raw_settings(run))):
        if place == number:
            return with_channels(frame.picture.at(1), 3)
    raise DataError(f"there is no frame {number}")
