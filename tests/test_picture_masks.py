"""Masks that come as pictures: what their palettes, alpha and compressions say of what is marked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import PIL.Image
import pytest
import tifffile
from numpy.typing import NDArray
from writers import save

from medgen.data.images import opened
from medgen.data.pixel_format import StoredFrame
from medgen.data.preparing.truth import Mask, marked

Y, X = np.mgrid[0:40, 0:48]
DISC = (X - 20) ** 2 + (Y - 18) ** 2 < 100
LABELS = (DISC * (1 + (X > 20) + 2 * (Y > 18))).astype(np.uint8)  # 0, 1, 2, 3, 4


def stored_frame(path: Path) -> StoredFrame:
    with opened(path) as file:
        return next(file.frames)


def marks(path: Path) -> Mask:
    return marked(stored_frame(path))


def with_palette(path: Path, indices: NDArray[Any], colours: list[list[int]], **options: Any) -> Path:
    if path.suffix == ".tif":
        table = np.zeros((3, 256), np.uint16)
        table[:, : len(colours)] = np.array(colours).T * 257
        tifffile.imwrite(path, indices, photometric="palette", colormap=table)
        return path
    picture = PIL.Image.fromarray(indices)
    picture.putpalette([level for colour in colours for level in colour])
    picture.save(path, **options)
    return path


PALETTED = pytest.mark.parametrize("name", ["a.png", "a.tif", "a.gif", "a.bmp"])


@PALETTED
def test_labels_are_the_indices_of_a_palette(tmp_path: Path, name: str) -> None:
    colours = [[0, 0, 0], [1, 0, 0], [0, 255, 0], [9, 9, 9], [0, 0, 3]]
    path = with_palette(tmp_path / name, LABELS, colours)
    np.testing.assert_array_equal(stored_frame(path).labels, LABELS)


@PALETTED
def test_black_at_another_index_than_0_is_no_finding(tmp_path: Path, name: str) -> None:
    path = with_palette(tmp_path / name, np.where(DISC, 0, 1).astype(np.uint8), [[255, 255, 255], [0, 0, 0]])
    np.testing.assert_array_equal(marks(path), DISC)


@PALETTED
def test_index_0_is_no_finding_where_no_colour_is_black(tmp_path: Path, name: str) -> None:
    path = with_palette(tmp_path / name, DISC.astype(np.uint8), [[68, 1, 84], [253, 231, 37], [1, 1, 1]])
    np.testing.assert_array_equal(marks(path), DISC)


def test_labels_that_a_palette_leaves_black_stay_findings(tmp_path: Path) -> None:
    path = with_palette(tmp_path / "a.png", LABELS, [[0, 0, 0], [255, 0, 0]])
    np.testing.assert_array_equal(marks(path), DISC)


def test_what_a_palette_leaves_transparent_is_no_finding(tmp_path: Path) -> None:
    indices = np.where(DISC, 0, 1).astype(np.uint8)
    path = with_palette(tmp_path / "a.png", indices, [[255, 0, 0], [255, 255, 255]], transparency=1)
    np.testing.assert_array_equal(marks(path), DISC)


@pytest.mark.parametrize("colour", [[0, 0, 0], [255, 0, 0], [255, 255, 255]], ids=["black", "red", "white"])
@pytest.mark.parametrize("clear", [[0, 0, 0], [255, 255, 255]], ids=["on black", "on white"])
@pytest.mark.parametrize("name", ["a.png", "a.webp", "a.tif"])
def test_alpha_marks_where_the_colour_is_one(tmp_path: Path, name: str, colour: list[int], clear: list[int]) -> None:
    pixels = np.dstack([np.where(DISC[..., None], colour, clear), DISC * 255]).astype(np.uint8)
    path = save(tmp_path / name, pixels, **({"lossless": True} if name == "a.webp" else {}))
    np.testing.assert_array_equal(marks(path), DISC)


def test_colours_mark_where_all_is_opaque(tmp_path: Path) -> None:
    pixels = np.dstack([DISC * 7, np.zeros_like(X), np.zeros_like(X), np.full_like(X, 255)]).astype(np.uint8)
    np.testing.assert_array_equal(marks(save(tmp_path / "a.png", pixels)), DISC)


def test_a_mask_of_one_bit_marks_what_is_shown_white_though_white_is_zero(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", ~DISC, photometric="miniswhite")
    np.testing.assert_array_equal(marks(tmp_path / "a.tif"), DISC)


@pytest.mark.parametrize("name", ["a.jpg", "a.webp", "a.tif", "a.jp2", "a.avif"])
def test_the_edges_of_lossy_masks_are_told_by_half_of_their_range(tmp_path: Path, name: str) -> None:
    grey = (DISC * 255).astype(np.uint8)
    options: dict[str, Any] = {"quality": 60}
    if name == "a.tif":
        options = {"compression": "jpeg", "quality": 60}
    if name == "a.jp2":
        options = {"irreversible": True, "quality_layers": [3]}
    path = save(tmp_path / name, grey, **options)
    assert stored_frame(path).lossy
    assert (marks(path) != DISC).mean() < 0.01


@pytest.mark.parametrize("name", ["a.png", "a.gif", "a.bmp", "a.webp", "a.jp2", "a.tif", "a.pgm"])
def test_lossless_masks_mark_all_that_is_not_zero(tmp_path: Path, name: str) -> None:
    path = save(tmp_path / name, LABELS, **({"lossless": True} if name == "a.webp" else {}))
    assert not stored_frame(path).lossy
    np.testing.assert_array_equal(marks(path), DISC)


@pytest.mark.parametrize("reversible", [True, False])
def test_jpeg_2000_inside_a_tiff_is_lossy_by_its_wavelet(tmp_path: Path, reversible: bool) -> None:
    options = {"compression": "jpeg2000", "compressionargs": {"reversible": reversible, "level": 0 if reversible else 40}}
    tifffile.imwrite(tmp_path / "a.tif", LABELS, **options)
    assert stored_frame(tmp_path / "a.tif").lossy is not reversible


def test_an_animated_webp_is_lossy_where_one_frame_is(tmp_path: Path) -> None:
    pictures = [PIL.Image.fromarray((DISC * level).astype(np.uint8)) for level in (255, 128)]
    for quality, lossless in ((60, False), (100, True)):
        pictures[0].save(tmp_path / "a.webp", save_all=True, append_images=pictures[1:], lossless=lossless, quality=quality)
        assert stored_frame(tmp_path / "a.webp").lossy is not lossless


@pytest.mark.parametrize("orientation", [3, 6, 8])
@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif", "a.webp", "a.avif"])
def test_a_mask_is_turned_with_its_picture(tmp_path: Path, name: str, orientation: int) -> None:
    exif = PIL.Image.Exif()
    exif[274] = orientation
    turned = {3: np.rot90(LABELS, 2), 6: np.rot90(LABELS), 8: np.rot90(LABELS, -1)}[orientation]
    palette = PIL.Image.fromarray(np.ascontiguousarray(turned))
    palette.putpalette([0, 0, 0, 90, 0, 0, 0, 90, 0, 0, 0, 90, 90, 90, 90])
    picture = PIL.Image.fromarray((np.ascontiguousarray(turned) > 0).astype(np.uint8) * 255) if name != "a.png" else palette
    picture.save(tmp_path / name, exif=exif)
    assert (marks(tmp_path / name) != DISC).mean() < 0.01


def test_a_lossless_jpeg_is_no_lossy_mask(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(imagecodecs.jpeg8_encode(LABELS, lossless=True))
    np.testing.assert_array_equal(marks(tmp_path / "a.jpg"), DISC)
