"""Videos in DICOM files are read as the streams in them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom.uid import UID
from sample_video import number_of, numbered, write_video
from writers import dicom

from medgen.data.images import opened, read_images
from medgen.data.sampling import Sampling

TS = "1.2.840.10008.1.2.4."
STREAMS = [
    ("100", "mpeg2video", "mpeg", True), ("100.1", "mpeg2video", "mpeg2video", True), ("101", "mpeg2video", "mpegts", True),
    ("102", "libx264", "mp4", True), ("104.1", "libx264", "mpegts", True), ("103", "libx264", "h264", False),
    ("107", "libx265", "mp4", True), ("108", "libx265", "hevc", False),
]  # fmt: skip


@pytest.mark.parametrize(("syntax", "codec", "container", "timed"), STREAMS, ids=[f"{row[0]}-{row[2]}" for row in STREAMS])
def test_a_video_in_dicom_is_read_as_the_stream_in_it(
    syntax: str, codec: str, container: str, timed: bool, tmp_path: Path
) -> None:
    options = {"x265-params": "log-level=none"} if codec == "libx265" else {}
    write_video(tmp_path / "stream", numbered(30), codec, options=options, container=container)
    write_encapsulated(tmp_path / "a.dcm", (tmp_path / "stream").read_bytes(), syntax, CineRate=10)
    images = list(read_images(tmp_path / "a.dcm"))
    assert [number_of(image.pixels) for image in images] == list(range(30))
    rate = 25 if timed and container != "mpeg2video" else 10  # a stream without a container has the rate of the file
    np.testing.assert_allclose([image.seconds for image in images], np.arange(30) / rate, atol=1e-3)


def test_a_frame_a_second_of_a_video_in_dicom_is_read(tmp_path: Path) -> None:
    write_video(tmp_path / "stream", numbered(), container="mp4")
    write_encapsulated(tmp_path / "a.dcm", (tmp_path / "stream").read_bytes(), "102")
    assert [image.number for image in read_images(tmp_path / "a.dcm", sampling=Sampling())] == [0, 25, 50]


def test_a_video_in_dicom_is_of_its_patient(tmp_path: Path) -> None:
    write_video(tmp_path / "stream", numbered(3), container="mp4")
    write_encapsulated(tmp_path / "a.dcm", (tmp_path / "stream").read_bytes(), "102", PatientID="P7")
    with opened(tmp_path / "a.dcm") as content:
        assert content.identity == ("patient", "P7") and content.instance


def write_encapsulated(path: Path, stream: bytes, syntax: str, **tags: object) -> None:
    """The stream in two fragments behind an empty table of offsets."""
    ds = dicom(np.zeros((32, 128, 3), np.uint8), "YBR_PARTIAL_420", **tags)
    half = len(stream) // 4 * 2
    ds.PixelData = encapsulated([stream[:half], stream[half:]])
    ds["PixelData"].VR, ds["PixelData"].is_undefined_length = "OB", True
    ds.file_meta.TransferSyntaxUID = UID(TS + syntax)
    ds.save_as(path, enforce_file_format=True)


def encapsulated(fragments: list[bytes]) -> bytes:
    items = [b"", *(fragment + bytes(len(fragment) % 2) for fragment in fragments)]
    return b"".join(b"\xfe\xff\x00\xe0" + len(item).to_bytes(4, "little") + item for item in items)
