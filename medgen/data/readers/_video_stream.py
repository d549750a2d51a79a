"""The coded pictures of a video in their order, their times, and the decoding of some of them, through PyAV (FFmpeg).

The packets of a container are listed without decoding them: their times are the times of the frames, and a frame depends only on
packets from a key frame on. So of a long video only those packets are decoded that the wanted frames need.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, NamedTuple, cast

from medgen.data.pixel_format import MAX_PIXELS, check_size
from medgen.errors import ImageError

if TYPE_CHECKING:  # PyAV is an extra, and takes a while to import
    from av import VideoFrame
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.codeccontext import VideoCodecContext
    from av.video.stream import VideoStream

BUFFER = 1 << 20  # bytes that are read at once
REORDERING = ("h264", "hevc")  # codecs whose key frames may be followed by frames that need what lies before these
RAW = ("h264", "hevc", "mpegvideo")  # streams without a container, which know no times
RATE = 25.0  # frames a second of a video that does not say
STRETCHED = 4.0  # the most that a pixel is believed to be wider than high
ASF_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
LOST = 0.5  # seconds that the length in a header may exceed what is there: headers are rounded


class Video(NamedTuple):
    """What the packets of a video tell without being decoded.

    Attributes
    ----------
    file : from which they come; it stays open while frames are read
    kind : how FFmpeg calls the container
    seconds : of each frame since the first one, in the order in which they are shown
    keys : whether a decoder can start at a frame
    stamps : the time of the packet in each place of the file, in the unit of the stream, by which its frame is known again; empty
        where there are none, and frames have to be counted
    starts : the places in the file of packets at which a decoder can start
    aspect : how many times as wide as high a pixel is
    missing : what the header promises and the file lacks, or ""
    lossy : whether its codec may lose something; False of FFV1 and others that never do
    """

    file: IO[bytes]
    kind: str
    seconds: Sequence[float]
    keys: Sequence[bool]
    stamps: Sequence[int]
    starts: Sequence[int]
    aspect: float
    missing: str
    lossy: bool


class _Listed(NamedTuple):
    """A packet: its time, None where it has none, and whether a decoder can start at it."""

    stamp: int | None
    key: bool


def survey(file: IO[bytes], kind: str, rate: float | None = None) -> Video:
    """List the packets of the video in a file.

    Parameters
    ----------
    file : of any kind that can seek
    kind : how FFmpeg calls the container
    rate : frames a second of a stream that has no times of its own

    Raises
    ------
    ImageError : if PyAV is not installed, there is no video inside, it is too large, or its codec is not known.
    """
    with _opened(file, kind) as (container, stream):
        from av import FFmpegError

        check_size(stream.codec_context.height, stream.codec_context.width)
        listed, hidden, damage = [], 0, ""
        try:
            for packet in _packets(container, stream):
                if packet.is_discard:
                    hidden += 1
                else:
                    listed.append(_Listed(packet.pts, packet.is_keyframe))
        except FFmpegError as error:
            damage = f"damaged behind frame {len(listed)} ({error.strerror})"
        if not listed:
            raise ImageError("holds no frame: truncated or damaged")
        stamps = [packet.stamp for packet in listed if packet.stamp is not None]
        timed = kind not in RAW and len(set(stamps)) == len(listed)
        every = 1 / (rate or float(stream.average_rate or stream.guessed_rate or RATE))
        order = sorted(range(len(listed)), key=stamps.__getitem__) if timed else list(range(len(listed)))
        unit = float(stream.time_base or 1)
        seconds = [(stamps[place] - stamps[order[0]]) * unit for place in order] if timed else [k * every for k in order]
        ends = (seconds[-1] + every, max(stamps) * unit + every) if timed else None  # since the first frame, and since 0
        damage = damage or _missing(container, stream, hidden + len(listed), ends) or (_cut_short(file) if kind == "asf" else "")
        starts = [place for place, packet in enumerate(listed) if packet.key]
        # an AVI numbers its packets in the order of the file, in which frames that are shown earlier may come later
        known = timed and (kind != "avi" or len(starts) == len(listed))
        keys = [listed[place].key for place in order]
        lossy = stream.codec_context.codec.lossy
        return Video(file, kind, seconds, keys, stamps if known else (), starts, _aspect(stream), damage, lossy)


def decoded(video: Video, wanted: Sequence[int]) -> Iterator[tuple[int, VideoFrame]]:
    """Decode frames of a video, in order; those that are damaged are left out.

    Parameters
    ----------
    wanted : their numbers, rising

    Yields
    ------
    number, from 0, and frame
    """
    with _opened(video.file, video.kind) as (container, stream):
        stream.thread_type = "AUTO"
        stream.codec_context.options = {"max_pixels": str(MAX_PIXELS)}
        if video.stamps:
            order = sorted(range(len(video.stamps)), key=video.stamps.__getitem__)
            numbers = {video.stamps[order[number]]: number for number in wanted}
            spans = needed_spans(video, [order[number] for number in wanted], stream.codec_context.name in REORDERING)
            found = ((numbers.get(frame.pts or 0), frame) for frame in _frames_of(container, stream, spans))
        else:
            chosen = set(wanted)
            whole = [(0, len(video.seconds))] if wanted else []
            counted = enumerate(_frames_of(container, stream, whole))
            found = ((number if number in chosen else None, frame) for number, frame in counted)
        left = len(wanted)
        for number, frame in found:
            if number is not None and not frame.is_corrupt:
                yield number, frame
            left -= number is not None
            if not left:
                return


def needed_spans(video: Video, places: Sequence[int], reordering: bool) -> list[tuple[int, int]]:
    """Return the first and the last place in the file of the packets that have to be decoded, span by span.

    Parameters
    ----------
    places : of the wanted packets in the file
    reordering : whether to start a key frame earlier, as frames after one may need what lies before it
    """
    spans: list[tuple[int, int]] = []
    for place in sorted(places):
        position = bisect_right(video.starts, place) - 1
        while position > 0 and video.stamps[video.starts[position]] > video.stamps[place]:  # shown before its key frame
            position -= 1
        if reordering and position > 0:
            position -= 1
        first = video.starts[position] if position >= 0 else 0
        if spans and first <= spans[-1][1] + 1:
            spans[-1] = (spans[-1][0], place)
        else:
            spans.append((first, place))
    return spans


def _frames_of(container: InputContainer, stream: VideoStream, spans: Sequence[tuple[int, int]]) -> Iterator[VideoFrame]:
    """Decode the packets in some places of the file, and pass over all others; packets that fail give no frame."""
    from av import FFmpegError

    context, remaining = stream.codec_context, iter(spans)
    span = next(remaining, None)
    place = -1  # of the last packet that is shown; others belong to it
    try:
        for packet in _packets(container, stream):
            if span is None:
                return
            if not packet.is_discard and place == span[1]:
                yield from _decode(context, None)
                context.flush_buffers()
                span = next(remaining, None)
            place += not packet.is_discard
            if span is not None and span[0] <= place:
                yield from _decode(context, packet)
    except FFmpegError:  # of the container; `survey` has met it, too, and said so
        pass
    if span is not None:
        yield from _decode(context, None)


def _decode(context: VideoCodecContext, packet: Packet | None) -> list[VideoFrame]:
    from av import FFmpegError

    try:
        return context.decode(packet)
    except FFmpegError:
        return []


def _packets(container: InputContainer, stream: VideoStream) -> Iterator[Packet]:
    """Yield the packets that hold something, in the order of the file."""
    return (packet for packet in container.demux(stream) if packet.size)


@contextmanager
def _opened(file: IO[bytes], kind: str) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open the container and its main video.

    Raises
    ------
    ImageError : if PyAV is not installed, the container cannot be read, or it holds no video.
    """
    try:
        import av
    except ImportError:
        raise ImageError("is a video, which needs PyAV: pip install 'medgen[video]'") from None
    file.seek(0)
    try:
        container = av.open(file, "r", format=kind, buffer_size=BUFFER)
    except av.FFmpegError as error:
        index = ", or its end, where its index may lie, is missing" if kind == "mov" else ""
        raise ImageError(f"cannot be opened as video ({kind}): damaged{index} ({error.strerror})") from None
    with container:
        stream = container.streams.best("video")
        if stream is None or stream.disposition & stream.disposition.attached_pic:  # a song's cover
            raise ImageError("holds sound alone, and no video" if container.streams.audio else "holds no video")
        if stream.codec_context is None:
            raise ImageError("its codec is not known to FFmpeg")
        yield container, cast("VideoStream", stream)


def _aspect(stream: VideoStream) -> float:
    stated = float(stream.sample_aspect_ratio or 1)
    return stated if 1 / STRETCHED <= stated <= STRETCHED else 1.0


def _missing(container: InputContainer, stream: VideoStream, packets: int, ends: tuple[float, float] | None) -> str:
    """Return what the header promises and the file lacks: frames, or, where it does not count them, seconds."""
    if stream.frames > packets:
        return f"truncated: the header says {stream.frames} frames, {packets} are there"
    length = _seconds(stream.metadata.get("DURATION", ""))  # Matroska
    if length is None and stream.duration is not None and stream.time_base is not None:
        length = float(stream.duration * stream.time_base)
    if length is None and container.duration is not None and len(container.streams) == 1:
        length = container.duration / 1e6
    if ends is not None and length is not None and length > max(ends) + LOST:
        return f"truncated: the header says {length:.2f} seconds, {ends[0]:.2f} are there"
    return ""


def _cut_short(file: IO[bytes]) -> str:
    """Return what an ASF file lacks of the size that its File Properties Object states (ASF Specification 1.2, 3.2)."""
    file.seek(0)
    head = file.read(BUFFER)
    start = head.find(ASF_PROPERTIES) + 40  # behind GUID, size of the object and GUID of the file
    stated = int.from_bytes(head[start : start + 8], "little") if start >= 40 else 0  # 0 of a broadcast
    size = file.seek(0, 2)
    return f"truncated: the header says {stated} bytes, {size} are there" if size < stated else ""


def _seconds(text: str) -> float | None:
    """Read 00:01:02.500000000."""
    try:
        hours, minutes, seconds = (float(part) for part in text.split(":"))
    except ValueError:
        return None
    return 3600 * hours + 60 * minutes + seconds
