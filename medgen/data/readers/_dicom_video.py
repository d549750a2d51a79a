"""The video in a DICOM file (MPEG-2, MPEG-4 AVC/H.264, HEVC/H.265) to frames: its stream is taken out and read as any video.

The pixel data of such a file are one stream, cut into fragments, in a container (MP4, MPEG-2 program or transport stream) or
without one (DICOM PS3.5, 8.2.5 to 8.2.9 and annex A.4). A stream without a container knows no times; the file states its rate.
"""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

from medgen.data.pixel_format import FileFrames
from medgen.data.readers._video_stream import survey
from medgen.data.readers.video import kind_of, video_frames

if TYPE_CHECKING:  # pydicom takes a while to import, and few need it
    from pydicom import Dataset

RATES = ("CineRate", "RecommendedDisplayFrameRate")  # frames a second


def encapsulated_video(ds: Dataset) -> FileFrames:
    """Return the frames of the video in a file; the stream itself is held in memory.

    Raises
    ------
    ImageError : as `readers.video.open_frames` does.
    """
    from pydicom.encaps import generate_fragments, parse_basic_offsets
    from pydicom.uid import HEVCM10P51, HEVCMP51, MPEG2MPHL, MPEG2MPML

    source = BytesIO(ds.PixelData)
    parse_basic_offsets(source)
    stream = b"".join(generate_fragments(source))
    syntax = ds.file_meta.TransferSyntaxUID
    bare = "hevc" if syntax in (HEVCMP51, HEVCM10P51) else "h264"
    bare = "mpegvideo" if str(syntax).startswith((MPEG2MPML, MPEG2MPHL)) else bare
    return video_frames(survey(BytesIO(stream), kind_of(stream[:197]) or bare, _rate(ds)))


def _rate(ds: Dataset) -> float | None:
    """Return how many frames a second a file says that it has."""
    for keyword in RATES:
        if (rate := float(ds.get(keyword) or 0)) > 0:
            return rate
    milliseconds = float(ds.get("FrameTime") or 0)
    return 1000 / milliseconds if milliseconds > 0 else None
