"""Frames that are too large are refused from their header, before anything is decoded."""

from __future__ import annotations

import gzip
import struct
import zlib
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import skimage.exposure
from writers import GREY, rejected, write_dicom

from medgen.data.intensity import FULL, picture
from medgen.data.pixel_format import stored


def _header_only_png(width: int, height: int) -> bytes:
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    idat = b"IDAT" + zlib.compress(b"\0")
    chunks = b"".join(
        struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) for chunk in (header, idat)
    )
    return b"\x89PNG\r\n\x1a\n" + chunks


@pytest.mark.parametrize("side", [10_001, 60_000])
def test_a_bomb_is_rejected_from_its_header(tmp_path: Path, side: int) -> None:
    (tmp_path / "a.png").write_bytes(_header_only_png(side, side))
    write_dicom(tmp_path / "a.dcm", GREY, "MONOCHROME2", Rows=side, Columns=side)
    volume = nib.Nifti1Image(np.zeros((2, 2, 1), dtype=np.uint8), np.eye(4)).to_bytes()
    header = volume[:42] + struct.pack("<2h", min(side, 30_000), 20_000) + volume[46:]
    (tmp_path / "a.nii").write_bytes(header)
    (tmp_path / "a.nii.gz").write_bytes(gzip.compress(header))
    with (tmp_path / "a.npy").open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": (side, side)})
    for path in sorted(tmp_path.iterdir()):
        assert "megapixels" in rejected(path), path.name


def test_100_megapixels_are_the_most_that_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(_header_only_png(10_000, 10_000))
    assert "megapixels" not in rejected(tmp_path / "a.png")


def test_a_volume_too_large_for_memory_is_rejected_from_its_header(tmp_path: Path) -> None:
    volume = nib.Nifti1Image(np.zeros((2, 2, 2), dtype=np.uint8), np.eye(4)).to_bytes()
    (tmp_path / "a.nii").write_bytes(volume[:42] + struct.pack("<3h", 9_000, 9_000, 9_000) + volume[48:])
    assert "9000 x 9000 x 9000 voxels" in rejected(tmp_path / "a.nii")


@pytest.mark.parametrize("top", [4095, 65535])
def test_16_bit_pixels_are_divided_by_white(top: int) -> None:
    raw = np.array([[0, 1, top]], dtype=np.uint16)
    theirs = skimage.exposure.rescale_intensity(raw, (0, top), (0.0, 1.0))
    np.testing.assert_allclose(picture(stored(raw, top), FULL)[..., 0], theirs, atol=1e-7)
