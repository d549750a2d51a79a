"""Frames from arrays against NumPy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from writers import DEEP, DRAW, GREY, RGB, rejected, save

from medgen.data.images import opened, read_image, read_images
from medgen.errors import ImageError


@pytest.mark.parametrize(
    ("shape", "frames"),
    [
        ((5, 6), [(5, 6, 1)]),
        ((5, 6, 3), [(5, 6, 3)]),
        ((5, 6, 1), [(5, 6, 1)]),
        ((4, 5, 6, 3), [(5, 6, 3)] * 4),
        ((4, 5, 6), [(5, 6, 1)] * 4),
    ],
)
@pytest.mark.parametrize("name", ["a.npy", "a.npz", "fortran.npy"])
def test_arrays_hold_frames(tmp_path: Path, shape: tuple[int, ...], frames: list[tuple[int, ...]], name: str) -> None:
    array = DRAW.integers(0, 256, shape, dtype=np.uint8)
    if name == "a.npz":
        np.savez_compressed(tmp_path / name, array)
    else:
        np.save(tmp_path / name, np.asfortranarray(array) if name == "fortran.npy" else array)
    images = list(read_images(tmp_path / name))
    assert [image.pixels.shape for image in images] == frames
    np.testing.assert_array_equal(np.stack([image.pixels for image in images]).ravel(), array.ravel())
    assert images[-1].source.endswith(f"#{len(frames) - 1}" if len(frames) > 1 else name)


def test_pixels_can_be_written_to(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", RGB)
    assert read_image(tmp_path / "a.npy").pixels.flags.writeable
    assert read_image(save(tmp_path / "a.png", RGB)).pixels.flags.writeable


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (DEEP, DEEP / 65535),
        (GREY.astype(np.int64), GREY / 255),
        (GREY > 9, (GREY > 9) * 255),
        (GREY / 255, GREY / 255),
        ((GREY / 255).astype(">f4"), GREY / 255),
    ],
    ids=["uint16", "small int64", "bool", "float64", "big-endian"],
)
def test_array_values_become_8_bit_or_unit_range(tmp_path: Path, array: NDArray[Any], expected: NDArray[Any]) -> None:
    np.save(tmp_path / "a.npy", array)
    pixels = read_image(tmp_path / "a.npy").pixels
    assert pixels.dtype in (np.uint8, np.float32)
    np.testing.assert_allclose(pixels.reshape(expected.shape), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (np.array([[0.5, np.nan], [0, np.inf]]), "1 of 4 pixels are infinite"),
        (np.array([[0.0, 255.0]]), "from 0 to 255, and what is black"),
        (np.array([[-1000, 3000]]), "from -1000 to 3000"),
        (np.zeros((3, 8, 9)), "colour first, or three grey frames"),
        (np.zeros((120, 160, 4)), "say --axes HWC or HWN"),
        (np.zeros((120, 160, 2)), "say --axes HWC or HWN"),
        (np.zeros((120, 160, 40)), "say --axes NHW (the first) or HWN (the last)"),
        (np.zeros((64, 64, 30)), "which axis counts the frames"),
        (np.zeros((16, 16, 16)), "which axis counts the frames"),
        (np.zeros((5, 3, 8, 9)), "say --axes NCHW"),
        (np.zeros((5, 8, 9, 4)), "say --axes NHWC"),
        (np.zeros((2, 5, 8, 9)), "has shape 2 x 5 x 8 x 9"),
        (np.zeros(7), "has shape 7"),
        (np.zeros((0, 5)), "has no pixels"),
        (np.zeros((2, 2), dtype=complex), "complex128"),
        (np.array([{}, {}]), "never loaded"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_arrays_that_are_no_pictures_are_rejected(tmp_path: Path, array: NDArray[Any], reason: str) -> None:
    np.save(tmp_path / "a.npy", array, allow_pickle=True)
    assert reason in rejected(tmp_path / "a.npy")


def test_npz_with_labels_beside_the_images(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", images=RGB, labels=np.arange(3))
    np.testing.assert_array_equal(read_image(tmp_path / "a.npz").pixels, RGB)
    np.savez(tmp_path / "b.npz", train_images=RGB, val_images=RGB)
    assert "2 arrays (train_images, val_images)" in rejected(tmp_path / "b.npz")


@pytest.mark.parametrize("axes", ["HW", "HWC", "CHW", "NHW", "HWN", "HNW", "NHWC", "NCHW", "HWCN", "CHWN", "CNHW"])
@pytest.mark.parametrize("fortran", [False, True])
def test_stated_axes_are_taken_as_they_are(tmp_path: Path, axes: str, fortran: bool) -> None:
    sides = {"N": 5, "H": 7, "W": 6, "C": 3}
    array = DRAW.integers(0, 256, [sides[axis] for axis in axes], dtype=np.uint8)
    np.save(tmp_path / "a.npy", np.asfortranarray(array) if fortran else array)
    whole = np.einsum(f"{axes.lower()}->{''.join(axis for axis in 'nhwc' if axis.upper() in axes)}", array)
    frames = whole.reshape(sides["N"] if "N" in axes else 1, 7, 6, -1)
    np.testing.assert_array_equal([image.pixels for image in read_images(tmp_path / "a.npy", axes=axes)], frames)


def test_alpha_of_stated_channels_is_laid_over_black(tmp_path: Path) -> None:
    rgba = DRAW.integers(0, 256, (12, 16, 4), dtype=np.uint8)
    np.save(tmp_path / "a.npy", rgba)
    (image,) = read_images(tmp_path / "a.npy", axes="HWC")
    np.testing.assert_allclose(image.pixels, rgba[..., :3] * (rgba[..., 3:] / 255), atol=0.5001)


@pytest.mark.parametrize("shape", [(40, 120, 160), (1000, 64, 64), (300, 24, 30), (500, 64, 48), (2, 64, 64)])
def test_frames_come_first_where_the_shape_leaves_no_doubt(tmp_path: Path, shape: tuple[int, ...]) -> None:
    np.save(tmp_path / "a.npy", np.zeros(shape, dtype=np.uint8))
    with opened(tmp_path / "a.npy") as file:
        assert (file.total, file.understood) == (shape[0], "axes NHW")


def test_axes_that_do_not_fit_the_array_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((8, 9), dtype=np.uint8))
    with pytest.raises(ImageError, match="2 axes; --axes HWC names 3"):
        list(read_images(tmp_path / "a.npy", axes="HWC"))


@pytest.mark.parametrize("fortran", [False, True])
@pytest.mark.parametrize("axes", ["HW", "NHW", "HWN", "HWC"])
def test_one_item_of_a_further_axis_is_taken(tmp_path: Path, axes: str, fortran: bool) -> None:
    sides = {"N": 5, "H": 7, "W": 6, "C": 3}
    array = DRAW.integers(0, 256, [*(sides[axis] for axis in axes), 4], dtype=np.uint8)
    np.save(tmp_path / "a.npy", np.asfortranarray(array) if fortran else array)
    np.save(tmp_path / "b.npy", array[..., 2])
    taken = [image.pixels for image in read_images(tmp_path / "a.npy", axes=f"{axes}2")]
    np.testing.assert_array_equal(taken, [image.pixels for image in read_images(tmp_path / "b.npy", axes=axes)])


def test_an_item_beyond_the_last_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((7, 6, 4)))
    with pytest.raises(ImageError, match="its last axis has no item 4, counted from 0"):
        list(read_images(tmp_path / "a.npy", axes="HW4"))
