"""Videos: frames by their times, upright, in the colours that the stream states; what is damaged, and what is no video."""

from __future__ import annotations

import builtins
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sample_video import LOSSLESS, av, number_of, numbered, write_frames, write_video

from medgen.data.images import count_frames, opened, read_image, read_images
from medgen.data.prepared import PrepareSettings
from medgen.data.preparing.source_frames import read_frames
from medgen.data.readers._video_stream import Video, needed_spans
from medgen.data.sampling import Sampling
from medgen.data.source_file import MaskFile, SourceFile
from medgen.errors import ConfigError, ImageError

EVERY = Sampling("all")
MATRICES = {1: (0.2126, 0.0722), 6: (0.299, 0.114), 9: (0.2627, 0.0593)}  # red and blue weights: BT.709, BT.601, BT.2020
LIMITED, FULL = 1, 2
CODECS = [
    ("a.mp4", "libx264", {"reordered": 2}), ("a.mov", "libx264", {"reordered": 2}), ("a.mkv", "libx264", {"reordered": 2}),
    ("a.ts", "libx264", {"reordered": 2}), ("hevc.mp4", "libx265", {"options": {"x265-params": "log-level=none"}}),
    ("a.avi", "mpeg4", {}), ("h264.avi", "libx264", {"reordered": 2}), ("jpeg.avi", "mjpeg", {"form": "yuvj420p"}),
    ("a.mpg", "mpeg2video", {"container": "mpeg", "reordered": 2}), ("a.m2v", "mpeg2video", {"container": "mpeg2video"}),
    ("a.wmv", "wmv2", {"container": "asf"}), ("a.webm", "libvpx-vp9", {"options": {"cpu-used": "8"}}),
]  # fmt: skip


def yuv(form: str, planes: tuple[int, int, int], size: tuple[int, int] = (64, 64)) -> Any:
    """A frame of one colour, as its planes hold it."""
    frame = av.VideoFrame(*size, form)
    kind = np.uint16 if "10" in form else np.uint8
    for plane, value in zip(frame.planes, planes, strict=True):
        plane.update(np.full(plane.buffer_size // np.dtype(kind).itemsize, value, kind).tobytes())
    return frame


def rgb(planes: tuple[int, int, int], matrix: int, full: bool, bits: int) -> NDArray[np.float64]:
    """Rec. ITU-R BT.601, BT.709 and BT.2020: Y'CbCr to R'G'B' in [0, 255]."""
    red_weight, blue_weight = MATRICES[matrix]
    y, cb, cr = (value / 2 ** (bits - 8) for value in planes)
    luma, blue, red = (y / 255, (cb - 128) / 255, (cr - 128) / 255)
    if not full:
        luma, blue, red = (y - 16) / 219, (cb - 128) / 224, (cr - 128) / 224
    r, b = luma + 2 * (1 - red_weight) * red, luma + 2 * (1 - blue_weight) * blue
    g = (luma - red_weight * r - blue_weight * b) / (1 - red_weight - blue_weight)
    return np.clip(255 * np.array([r, g, b]), 0, 255)


@pytest.mark.parametrize(("name", "codec", "options"), CODECS, ids=[name for name, *_ in CODECS])
def test_frames_of_every_container_come_in_the_order_in_which_they_are_shown(
    name: str, codec: str, options: dict[str, Any], tmp_path: Path
) -> None:
    write_video(tmp_path / name, numbered(), codec, **options)
    images = list(read_images(tmp_path / name))
    assert [number_of(image.pixels) for image in images] == list(range(60))
    np.testing.assert_allclose([image.seconds for image in images], np.arange(60) / 25, atol=1e-3)


@pytest.mark.parametrize("text", ["seconds:0.5", "frames:7", "keys"])
@pytest.mark.parametrize(("name", "codec", "options"), CODECS, ids=[name for name, *_ in CODECS])
def test_a_frame_that_is_chosen_is_the_one_that_is_read_in_turn(
    name: str, codec: str, options: dict[str, Any], text: str, tmp_path: Path
) -> None:
    write_video(tmp_path / name, numbered(), codec, **options)
    chosen = list(read_images(tmp_path / name, sampling=Sampling.parse(text)))
    assert count_frames(tmp_path / name, Sampling.parse(text)) == len(chosen) > 0
    assert [number_of(image.pixels) for image in chosen] == [image.number for image in chosen]
    whole = {image.number: image for image in read_images(tmp_path / name)}
    assert all(np.array_equal(image.pixels, whole[image.number].pixels) for image in chosen)


def test_a_name_says_which_frame_of_the_video_it_is(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", numbered())
    chosen = read_images(tmp_path / "a.mp4", sampling=Sampling("seconds", 1))
    assert [image.source.partition("#")[2] for image in chosen] == ["0", "25", "50"]


def test_a_single_frame_of_the_middle_is_read(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", numbered(), reordered=2)
    assert number_of(read_image(tmp_path / "a.mp4", 37).pixels) == 37


def test_a_frame_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", numbered(3))
    with pytest.raises(ImageError, match="has no frame 3"):
        read_image(tmp_path / "a.mp4", 3)


@pytest.mark.parametrize("named", [None, 12])
def test_a_frame_of_a_video_has_the_frame_of_a_video_of_masks(tmp_path: Path, named: int | None) -> None:
    write_video(tmp_path / "a.mp4", frames := np.stack(numbered(20)))
    columns = np.arange(frames.shape[2]) < np.arange(20)[:, None]  # (frame, column): k columns of frame k are marked
    write_frames(tmp_path / "m.mp4", np.broadcast_to(columns[:, None, :, None] * np.uint8(255), frames.shape))
    entry = SourceFile(tmp_path / "a.mp4", "a.mp4#12", "", "", "", "", (MaskFile(tmp_path / "m.mp4", named),), frame=12)
    (frame,) = read_frames(entry, PrepareSettings())
    np.testing.assert_array_equal(frame.marks.mask, np.broadcast_to(columns[12], frames.shape[1:3]))


def test_a_frame_beyond_the_end_of_a_video_is_refused_without_a_wrong_count(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", numbered(3))
    entry = SourceFile(tmp_path / "a.mp4", "a.mp4#3", "", "", "", "", frame=3)
    with pytest.raises(ImageError, match=r"^has no frame 3; frames count from 0$"):
        list(read_frames(entry, PrepareSettings()))


def test_times_of_a_variable_frame_rate_are_kept(tmp_path: Path) -> None:
    times = [0, 1, 2, 30, 31, 80, 81, 82]
    write_video(tmp_path / "a.mp4", numbered(8), times=times)
    images = list(read_images(tmp_path / "a.mp4"))
    np.testing.assert_allclose([image.seconds for image in images], np.array(times) / 25, atol=1e-6)


def test_a_frame_a_second_of_a_variable_frame_rate_is_the_first_of_each_second(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", numbered(8), times=[0, 1, 2, 30, 31, 80, 81, 82])
    chosen = read_images(tmp_path / "a.mp4", sampling=Sampling("seconds", 1))
    assert [number_of(image.pixels) for image in chosen] == [0, 3, 5]


def test_times_count_from_the_first_frame(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mkv", numbered(4), times=[50, 51, 52, 53])
    assert [image.seconds for image in read_images(tmp_path / "a.mkv")] == pytest.approx([0, 0.04, 0.08, 0.12])


def test_key_frames_are_those_at_which_a_decoder_can_start(tmp_path: Path) -> None:
    options = {"sc_threshold": "0"}
    write_video(tmp_path / "a.mp4", numbered(), options=options, key_every=20)
    assert [image.number for image in read_images(tmp_path / "a.mp4", sampling=Sampling("keys"))] == [0, 20, 40]


def test_packets_that_no_wanted_frame_needs_are_not_decoded() -> None:
    video = Video(None, "mov", (), (), [0, 10, 20, 30, 25, 40, 50, 60], [0, 3, 6], 1, "", True)  # type: ignore[arg-type]
    assert needed_spans(video, [7], reordering=False) == [(6, 7)]
    assert needed_spans(video, [4], reordering=False) == [(0, 4)]  # it is shown before its key frame
    assert needed_spans(video, [7], reordering=True) == [(3, 7)]
    assert needed_spans(video, [1, 2, 7], reordering=False) == [(0, 2), (6, 7)]


@pytest.mark.parametrize("colour_range", [LIMITED, FULL])
@pytest.mark.parametrize("matrix", MATRICES)
@pytest.mark.parametrize(("form", "codec"), [("yuv420p", "libx264"), ("yuv444p", "libx264"), ("yuv420p10le", "libx265")])
def test_colours_are_those_of_the_stated_matrix_and_range(
    form: str, codec: str, matrix: int, colour_range: int, tmp_path: Path
) -> None:
    bits = 10 if "10" in form else 8
    colours = [(81, 90, 240), (145, 54, 34), (41, 240, 110), (128, 128, 128), (235, 128, 128), (200, 100, 150)]
    coded = [tuple(value << (bits - 8) for value in colour) for colour in colours]
    options = {"x265-params": "lossless=1:log-level=none"} if codec == "libx265" else LOSSLESS
    frames = [yuv(form, (y, cb, cr)) for y, cb, cr in coded]
    write_video(tmp_path / "a.mp4", frames, codec, form, options, colours=(matrix, colour_range))
    for (y, cb, cr), image in zip(coded, read_images(tmp_path / "a.mp4"), strict=True):
        expected = rgb((y, cb, cr), matrix, colour_range == FULL, bits)
        np.testing.assert_allclose(image.pixels[20:40, 20:40].reshape(-1, 3), np.tile(expected, (400, 1)), atol=0.6)


@pytest.mark.parametrize(("size", "matrix"), [((720, 576), 6), ((1280, 720), 1)])
def test_a_stream_that_states_no_matrix_has_that_of_its_size(size: tuple[int, int], matrix: int, tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", [yuv("yuv420p", (81, 90, 240), size)], options=LOSSLESS)
    (image,) = read_images(tmp_path / "a.mp4")
    np.testing.assert_allclose(image.pixels[300, 300], rgb((81, 90, 240), matrix, False, 8), atol=0.6)


def test_grey_is_read_as_three_equal_channels(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mkv", [np.full((32, 32, 3), 77, np.uint8)], "ffv1", "gray")
    (image,) = read_images(tmp_path / "a.mkv")
    assert np.abs(image.pixels.astype(int) - 77).max() <= 1 and image.pixels.shape == (32, 32, 3)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize(("across", "down"), [(False, False), (True, False), (False, True)])
@pytest.mark.parametrize("quarters", range(4))
def test_a_picture_is_turned_and_mirrored_as_the_container_says(
    quarters: int, across: bool, down: bool, suffix: str, tmp_path: Path
) -> None:
    picture = np.zeros((32, 64, 3), np.uint8)
    picture[:16, :32], picture[:16, 32:], picture[16:, :32] = (255, 0, 0), (0, 255, 0), (0, 0, 255)
    path = tmp_path / f"a{suffix}"
    write_video(path, [picture], "libx264rgb", "rgb24", LOSSLESS, turn=(90 * quarters, across, down))
    expected = np.rot90(picture, quarters)  # to the left
    expected = expected[:: -1 if down else 1, :: -1 if across else 1]
    np.testing.assert_array_equal(next(read_images(path)).pixels, expected)


def test_pixels_become_square(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", [np.zeros((48, 64, 3), np.uint8)], aspect=Fraction(3, 2))
    assert next(read_images(tmp_path / "a.mp4")).pixels.shape == (48, 96, 3)


def test_of_an_interlaced_frame_one_moment_is_shown(tmp_path: Path) -> None:
    picture = np.zeros((64, 64, 3), np.uint8)
    picture[1::2] = 255  # the second field is of a moment when all was white
    write_video(
        tmp_path / "a.mpg", [picture] * 4, "mpeg2video", options={"flags": "+ildct+ilme", "qscale": "1"}, container="mpeg"
    )
    assert max(image.pixels.max() for image in read_images(tmp_path / "a.mpg")) < 40


@pytest.mark.parametrize(("name", "codec", "options"), [CODECS[k] for k in (2, 5, 7, 10)], ids=["mkv", "avi", "jpeg", "wmv"])
def test_a_broken_end_gives_the_good_frames_first_and_is_said(
    name: str, codec: str, options: dict[str, Any], tmp_path: Path
) -> None:
    path = tmp_path / name
    write_video(path, numbered(), codec, **options)
    content = path.read_bytes()
    path.write_bytes(content[: int(0.6 * len(content))])
    good = []
    with pytest.raises(ImageError, match=r"truncated: the header says (60 frames|2\.\d+ seconds|\d+ bytes)"):
        for image in read_images(path):
            good.append(number_of(image.pixels))
    assert len(good) > 5 and good == list(range(len(good)))


def test_a_broken_index_is_said(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", numbered())
    content = (tmp_path / "a.mp4").read_bytes()
    (tmp_path / "a.mp4").write_bytes(content[: len(content) // 2])
    with pytest.raises(ImageError, match="its end, where its index may lie, is missing"):
        count_frames(tmp_path / "a.mp4")


def test_a_damaged_middle_costs_its_own_frames_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.avi"
    write_video(path, numbered(), "mjpeg", "yuvj420p")
    content = bytearray(path.read_bytes())
    start = content.find(b"\xff\xd8\xff", len(content) // 2)
    stop = content.find(b"\xff\xd8\xff", start + 3) - 16  # before the header of the next packet
    content[start:stop] = bytes(stop - start)
    path.write_bytes(content)
    good = []
    with pytest.raises(ImageError, match="1 of 60 frames are damaged or missing, the first at 1"):
        for image in read_images(path):
            good.append(image.number)
    assert len(good) == 59 and good[-1] == 59


def test_sound_alone_is_refused(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.mp4"), "w") as out:
        stream = out.add_stream("aac", rate=44100, layout="mono")
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        sound.sample_rate, sound.pts = 44100, 0
        out.mux(stream.encode(sound))
        out.mux(stream.encode(None))
    with pytest.raises(ImageError, match="holds sound alone, and no video"):
        count_frames(tmp_path / "a.mp4")


def test_without_pyav_one_line_says_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_video(tmp_path / "a.mp4", numbered(2))
    found = builtins.__import__

    def absent(name: str, *args: Any) -> Any:
        if name == "av":
            raise ImportError(name)
        return found(name, *args)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(ImageError, match=r"needs PyAV: pip install 'medgen\[video\]'"):
        count_frames(tmp_path / "a.mp4")


def test_what_only_bears_the_name_of_a_video_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_text("#EXTM3U\nhttp://example.org/a.ts\n")
    with pytest.raises(ImageError, match="is not an image inside"):
        count_frames(tmp_path / "a.mp4")


def test_frames_are_decoded_when_they_are_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_video(tmp_path / "a.mp4", numbered())
    with opened(tmp_path / "a.mp4", EVERY) as content:
        next(content.frames)
        assert content.total == 60


@pytest.mark.parametrize(
    ("text", "chosen"), [("seconds:1", [0, 4, 8]), ("seconds:0.25", list(range(9))), ("frames:3", [0, 3, 6]), ("keys", [0, 5])]
)
def test_a_rule_chooses_frames(text: str, chosen: list[int]) -> None:
    seconds, keys = [0.25 * k for k in range(9)], [k % 5 == 0 for k in range(9)]
    assert Sampling.parse(text).choose(seconds, keys) == chosen


def test_a_frame_a_second_is_chosen_whatever_the_times_are_rounded_to() -> None:
    seconds = [round(k / 29.97, 3) for k in range(300)]
    chosen = Sampling.parse("seconds:0.1001").choose(seconds, [True] * 300)
    assert 95 <= len(chosen) <= 101


@pytest.mark.parametrize("text", ["every:1", "seconds", "seconds:0", "seconds:-1", "seconds:nan", "frames:1.5", "keys:2", ""])
def test_a_rule_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        Sampling.parse(text)
