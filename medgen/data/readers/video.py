"""Videos to frames: MP4, MOV, AVI, MPEG, Matroska, WebM, WMV and others, through PyAV (extra ``video``).

A frame is what a player shows: upright as the container says, with square pixels, RGB by the matrix and the range of the stream.
Of interlaced frames, which hold two moments, the first field is taken. The container says how many frames there are and when each
is shown; `FileFrames.sampled` reads some of them without decoding what they do not need.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import partial
from io import BufferedReader
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray

from medgen.data.pixel_format import FileFrames, StoredFrame, check_size, stored
from medgen.data.readers._video_stream import Video, decoded, survey
from medgen.data.sampling import Sampling
from medgen.errors import ImageError

if TYPE_CHECKING:  # PyAV is an extra, and takes a while to import
    from av import VideoFrame
    from av.buffer import Buffer
    from av.filter import Graph

SUFFIXES = frozenset(
    {".mp4", ".m4v", ".mov", ".qt", ".avi", ".mpg", ".mpeg", ".m1v", ".m2v", ".vob", ".ts", ".mts", ".m2ts"}
    | {".mkv", ".webm", ".wmv", ".asf", ".flv", ".ogv", ".3gp"}
)
KINDS = {  # how a container begins, and how FFmpeg calls it
    b"\x1aE\xdf\xa3": "matroska",
    b"0&\xb2u\x8ef\xcf\x11": "asf",
    b"\0\0\1\xba": "mpeg",
    b"\0\0\1\xb3": "mpegvideo",
    b"FLV\1": "flv",
    b"OggS": "ogg",
}
QUICKTIME = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")  # the first boxes of MP4 and MOV
STILL = (b"avif", b"avis", b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"crx ")  # brands of pictures
UNSPECIFIED = 2  # matrix, as ITU-T H.273 numbers them
HD = (1280, 576)  # width and height from which on a stream that does not state its matrix has that of HD, as players take it


def recognises(head: bytes, suffix: str) -> bool:
    """Tell a video by how its container begins."""
    return kind_of(head) != ""


def kind_of(head: bytes) -> str:
    """Return how FFmpeg calls the container that begins like this, or ""."""
    for magic, kind in KINDS.items():
        if head.startswith(magic):
            return kind
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return "avi"
    if head[4:8] in QUICKTIME and not (head[4:8] == b"ftyp" and head[8:12] in STILL):
        return "mov"
    if (head[0:1], head[188:189]) == (b"G", b"G") or (head[4:5], head[196:197]) == (b"G", b"G"):
        return "mpegts"
    return ""


def open_frames(file: BufferedReader) -> FileFrames:
    """Read all frames of a video in the order in which they are shown.

    Returns
    -------
    Each frame as (H, W, 3) uint8 with its time since the first one. Good frames come first where others are damaged or missing.

    Raises
    ------
    ImageError : if PyAV is not installed, there is no video inside, it is too large, or its codec is not known; at the end, if
        frames are damaged or missing.
    """
    kind = kind_of(file.read(197))
    return video_frames(survey(file, kind))


def video_frames(video: Video) -> FileFrames:
    """Return all frames of a video that was listed, and how to read some of them."""
    content = _chosen(video, Sampling("all"))
    return content._replace(sampled=partial(_chosen, video))


def _chosen(video: Video, sampling: Sampling) -> FileFrames:
    wanted = sampling.choose(video.seconds, video.keys)
    return FileFrames(len(wanted), _frames(video, wanted))


def _frames(video: Video, wanted: Sequence[int]) -> Iterator[StoredFrame]:
    display, lost = Display(video.aspect), set(wanted)
    for number, frame in decoded(video, wanted):
        shown = stored(display.show(frame), lossy=True)  # by any codec, as most store other colours than RGB
        yield shown._replace(number=number, seconds=video.seconds[number], residue=video.lossy)
        lost.discard(number)
    if lost:
        first = video.seconds[min(lost)]
        damage = f"{len(lost)} of {len(wanted)} frames are damaged or missing, the first at {first:.2f} seconds"
        raise ImageError(damage + (f"; {video.missing}" if video.missing else ""))
    if video.missing:
        raise ImageError(video.missing)


class Display:
    """Shows decoded frames as a player does."""

    def __init__(self, aspect: float) -> None:
        """Show frames whose pixels are `aspect` times as wide as they are high."""
        from av.video.reformatter import VideoReformatter

        self._aspect = aspect
        self._reformatter = VideoReformatter()
        self._field: tuple[tuple[int, int, str], Graph] | None = None

    def show(self, frame: VideoFrame) -> NDArray[np.uint8]:
        """Return a frame upright, with square pixels: (H, W, 3) RGB.

        Raises
        ------
        ImageError : if it has more than `MAX_PIXELS`.
        """
        from av.video.reformatter import ColorRange, Colorspace, Interpolation

        width, height = round(frame.width * self._aspect), frame.height
        check_size(height, max(width, frame.width))
        unstated = Colorspace.ITU709 if frame.width >= HD[0] or height > HD[1] else Colorspace.ITU601
        pixels = self._reformatter.reformat(
            self._first_field(frame) if frame.interlaced_frame else frame,
            width,
            height,
            "rgb24",
            src_colorspace=unstated if frame.colorspace == UNSPECIFIED else frame.colorspace,
            interpolation=Interpolation.BILINEAR
            | Interpolation.ACCURATE_RND
            | Interpolation.FULL_CHR_H_INT
            | Interpolation.BITEXACT,
            src_color_range=frame.color_range,
            dst_color_range=ColorRange.JPEG,
            threads=1,
        ).to_ndarray()
        matrix = cast("Buffer | None", frame.side_data.get("DISPLAYMATRIX"))
        return np.ascontiguousarray(turned(cast(NDArray[np.uint8], pixels), matrix))

    def _first_field(self, frame: VideoFrame) -> VideoFrame:
        """Return every other line of a frame; its colours are divided between the two moments in the same way."""
        from av.filter import Graph

        form = (frame.width, frame.height, frame.format.name)
        if self._field is None or self._field[0] != form:
            graph = Graph()
            source = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=Fraction(1, 1000))
            graph.link_nodes(source, graph.add("field", "type=top"), graph.add("buffersink")).configure()
            self._field = form, graph
        self._field[1].push(frame)
        return cast("VideoFrame", self._field[1].pull())


def turned(pixels: NDArray[np.uint8], matrix: Buffer | None) -> NDArray[np.uint8]:
    """Turn and mirror a picture as the display matrix of a container says, to a quarter turn.

    Parameters
    ----------
    pixels : (H, W, 3)
    matrix : 9 int32 a, b, u, c, d, v, x, y, w: a pixel at (column p, row q) is shown at (a p + c q, b p + d q); or None
    """
    if matrix is None:
        return pixels
    a, b, _, c, d, *_ = np.frombuffer(bytes(matrix), np.int32).tolist()
    across, down = a, d
    if abs(b) > abs(a):
        pixels, across, down = pixels.swapaxes(0, 1), c, b
    return pixels[:: -1 if down < 0 else 1, :: -1 if across < 0 else 1]
