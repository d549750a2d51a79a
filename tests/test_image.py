"""Pictures against a second reader, and every way in which a file of any format can fail."""

from __future__ import annotations

import logging
import os
import struct
import threading
import warnings
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import PIL.Image
import pytest
import skimage.io
import tifffile  # scikit-image reads TIFF with it
from numpy.typing import NDArray
from PIL import ImageOps
from writers import DEEP, DRAW, GREY, RGB, monai_reads, nifti, rejected, save, smooth, write_dicom

from medgen.data.readers.image import SUFFIXES, is_image, read_image, read_images, stem
from medgen.errors import ImageError


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.tif", "a.webp", "a.tiff", "A.PNG"])
def test_lossless_colour_equals_opencv(tmp_path: Path, name: str) -> None:
    path = save(tmp_path / name, RGB, **({"lossless": True} if name.endswith("webp") else {}))
    image = read_image(path)
    assert image.pixels.dtype == np.uint8 and image.spacing is None and image.source == str(path)
    np.testing.assert_array_equal(image.pixels, cv2.imread(str(path))[..., ::-1])
    np.testing.assert_array_equal(image.pixels, RGB)


@pytest.mark.parametrize("name", ["a.jpg", "a.jpeg", "a.webp"])
def test_lossy_colour_is_within_three_grey_levels_of_opencv(tmp_path: Path, name: str) -> None:
    path = save(tmp_path / name, smooth(), quality=95)
    theirs = cv2.imread(str(path))[..., ::-1].astype(int)
    assert np.abs(read_image(path).pixels.astype(int) - theirs).max() <= 3


@pytest.mark.parametrize("name", ["a.png", "a.jpg"])
def test_monai_returns_the_transposed_picture(tmp_path: Path, name: str) -> None:
    path = save(tmp_path / name, smooth())
    np.testing.assert_array_equal(read_image(path).pixels, monai_reads(path, "PILReader").swapaxes(0, 1))


def test_grey_has_one_channel(tmp_path: Path) -> None:
    np.testing.assert_array_equal(read_image(save(tmp_path / "a.png", GREY)).pixels, GREY[..., None])


def test_one_bit_masks_become_0_and_255(tmp_path: Path) -> None:
    mask = GREY > 127
    np.testing.assert_array_equal(read_image(save(tmp_path / "a.png", mask)).pixels[..., 0], np.where(mask, 255, 0))


def test_16_bit_grey_png_is_divided_by_65535(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", DEEP[..., 0])
    image = read_image(path)
    assert image.pixels.dtype == np.float32
    np.testing.assert_allclose(image.pixels[..., 0], skimage.io.imread(path) / 65535, atol=1e-7)


def test_16_bit_colour_png_keeps_its_16_bits(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), DEEP[..., ::-1])
    np.testing.assert_array_equal(np.rint(read_image(tmp_path / "a.png").pixels * 65535), DEEP)


def test_16_bit_colour_tiff_keeps_its_16_bits(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", DEEP, photometric="rgb")
    np.testing.assert_array_equal(np.rint(read_image(tmp_path / "a.tif").pixels * 65535), DEEP)


def test_16_bit_alpha_is_laid_over_black(tmp_path: Path) -> None:
    alpha = DRAW.integers(0, 65536, (22, 34, 1), dtype=np.uint16)
    cv2.imwrite(str(tmp_path / "a.png"), np.concatenate([DEEP[..., ::-1], alpha], axis=-1))
    np.testing.assert_allclose(read_image(tmp_path / "a.png").pixels, DEEP / 65535 * (alpha / 65535), atol=1e-6)


def test_alpha_is_laid_over_black_as_pillow_does(tmp_path: Path) -> None:
    rgba = np.concatenate([RGB, GREY[..., None]], axis=-1)
    path = save(tmp_path / "a.png", rgba)
    black = PIL.Image.new("RGBA", (34, 22), (0, 0, 0, 255))
    theirs = np.asarray(PIL.Image.alpha_composite(black, PIL.Image.open(path)))[..., :3].astype(int)
    assert np.abs(read_image(path).pixels - theirs).max() <= 1


def test_grey_with_alpha_stays_grey(tmp_path: Path) -> None:
    pixels = read_image(save(tmp_path / "a.png", np.stack([GREY, np.full_like(GREY, 255)], axis=-1))).pixels
    np.testing.assert_array_equal(pixels, GREY[..., None])


def test_palette_becomes_its_colours(tmp_path: Path) -> None:
    picture = PIL.Image.fromarray(RGB).quantize(16)
    picture.save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_image(tmp_path / "a.png").pixels, np.asarray(picture.convert("RGB")))


def test_transparent_palette_entries_are_black(tmp_path: Path) -> None:
    picture = PIL.Image.fromarray(RGB).quantize(16)
    picture.save(tmp_path / "a.png", transparency=3)
    pixels, clear = read_image(tmp_path / "a.png").pixels, np.asarray(picture) == 3
    assert not pixels[clear].any()
    np.testing.assert_array_equal(pixels[~clear], np.asarray(picture.convert("RGB"))[~clear])


def test_cmyk_jpeg_becomes_rgb(tmp_path: Path) -> None:
    PIL.Image.fromarray(smooth()).convert("CMYK").save(tmp_path / "a.jpg", quality=100)
    theirs = PIL.Image.open(tmp_path / "a.jpg").convert("RGB")
    np.testing.assert_array_equal(read_image(tmp_path / "a.jpg").pixels, np.asarray(theirs))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["a.jpg", "a.png", "deep.png", "a.webp", "a.tif"])
def test_exif_orientation_is_honoured(tmp_path: Path, name: str, orientation: int) -> None:
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    small = PIL.Image.fromarray(DEEP[..., 0] if name == "deep.png" else smooth())
    small.save(tmp_path / name, exif=exif)
    small.save(tmp_path / f"plain_{name}")
    if name == "deep.png":  # 16-bit colour goes another way through the reader
        cv2.imwrite(str(tmp_path / name), DEEP)
        _add_exif_to_png(tmp_path / name, exif.tobytes().removeprefix(b"Exif\0\0"))
        plain = PIL.Image.fromarray((DEEP[..., 2] >> 8).astype(np.uint8))
    else:
        plain = PIL.Image.open(tmp_path / f"plain_{name}")
    plain.getexif()[0x0112] = orientation
    theirs = np.asarray(ImageOps.exif_transpose(plain))
    ours = read_image(tmp_path / name).pixels
    np.testing.assert_array_equal(np.floor(ours[..., 0] * 65535 / 256) if name == "deep.png" else ours, theirs)


def _add_exif_to_png(path: Path, exif: bytes) -> None:
    data, chunk = path.read_bytes(), b"eXIf" + exif
    path.write_bytes(data[:33] + struct.pack(">I", len(exif)) + chunk + struct.pack(">I", zlib.crc32(chunk)) + data[33:])


def test_every_page_of_a_tiff_is_a_frame(tmp_path: Path) -> None:
    first, *others = (PIL.Image.fromarray(RGB + np.uint8(k)) for k in range(3))
    first.save(tmp_path / "a.tif", save_all=True, append_images=others)
    images = list(read_images(tmp_path / "a.tif"))
    assert [image.source for image in images] == [f"{tmp_path / 'a.tif'}#{k}" for k in range(3)]
    np.testing.assert_array_equal(images[2].pixels, RGB + np.uint8(2))
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif", frame=1).pixels, RGB + np.uint8(1))


def test_reduced_copies_inside_a_tiff_are_left_out(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        writer.write(RGB, photometric="rgb")
        writer.write(RGB[::2, ::2], photometric="rgb", subfiletype=1)
    (image,) = read_images(tmp_path / "a.tif")
    np.testing.assert_array_equal(image.pixels, RGB)


@pytest.mark.parametrize("pixels", [GREY, DEEP[..., 0]], ids=["8 bit", "16 bit"])
def test_tiff_in_which_white_is_zero_is_inverted(tmp_path: Path, pixels: NDArray[Any]) -> None:
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="miniswhite")
    top = np.iinfo(pixels.dtype).max
    ours = read_image(tmp_path / "a.tif").pixels[..., 0]
    np.testing.assert_allclose(ours, (top - pixels) / (1 if top == 255 else top), atol=1e-7)


def test_16_bit_tiff_in_planes_is_refused_rather_than_scrambled(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.moveaxis(DEEP, -1, 0), photometric="rgb", planarconfig="separate")
    assert "not interleaved" in rejected(tmp_path / "a.tif")


def test_float_tiff_is_taken_as_it_is(tmp_path: Path) -> None:
    values = DRAW.random((9, 8), dtype=np.float32)
    np.testing.assert_array_equal(read_image(save(tmp_path / "a.tif", values)).pixels[..., 0], values)


def test_a_frame_beyond_the_last_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="no frame 4"):
        read_image(save(tmp_path / "a.png", GREY), frame=4)


def every_format(folder: Path) -> list[Path]:
    """One good file of each kind."""
    np.save(folder / "a.npy", RGB)
    np.savez_compressed(folder / "a.npz", RGB)
    cv2.imwrite(str(folder / "deep.png"), DEEP)
    cv2.imwrite(str(folder / "deep.tif"), DEEP)
    nifti(folder / "a.nii", DEEP.astype(np.float32)[..., :2])
    nifti(folder / "a.nii.gz", DEEP.astype(np.float32)[..., :2])
    write_dicom(folder / "a.dcm", RGB, "RGB")
    for name in ("a.jpg", "a.png", "a.tif", "a.bmp", "a.webp"):
        save(folder / name, RGB)
    return sorted(folder.iterdir())


def test_a_truncated_file_of_any_format_is_rejected(tmp_path: Path) -> None:
    for path in every_format(tmp_path):
        data = path.read_bytes()
        assert list(read_images(path))
        for share in (0.01, 0.1, 0.5, 0.9):
            path.write_bytes(data[: int(len(data) * share)])
            assert rejected(path), f"{path.name} cut to {share}"


def test_damaged_bytes_are_read_or_rejected_but_never_crash(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    draw = np.random.default_rng(0)
    for path in every_format(tmp_path):
        data = path.read_bytes()
        for _ in range(25):
            damaged = bytearray(data)
            for place in draw.integers(0, min(len(data), int(draw.choice([64, 400, 10**6]))), 3):
                damaged[place] = draw.integers(256)
            path.write_bytes(damaged)
            try:
                list(read_images(path))
            except ImageError as error:
                assert "\n" not in str(error)
    assert capfd.readouterr().out == ""


def test_an_empty_file_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").touch()
    assert rejected(tmp_path / "a.jpg") == "empty file"


def test_text_named_jpg_is_rejected(tmp_path: Path) -> None:
    for name in ("a.jpg", "a.dcm", "a.nii", "a.npz"):
        (tmp_path / name).write_text("<html>please log in</html>" * 40)
        assert "not an image inside" in rejected(tmp_path / name) or "not DICOM inside" in rejected(tmp_path / name)


def test_png_named_jpg_is_read_as_the_png_that_it_is(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", RGB).rename(tmp_path / "a.jpg")
    np.testing.assert_array_equal(read_image(path).pixels, RGB)


def test_dicom_named_png_is_read_as_dicom(tmp_path: Path) -> None:
    np.testing.assert_array_equal(read_image(write_dicom(tmp_path / "a.png", RGB, "RGB")).pixels, RGB)


def test_an_unknown_suffix_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "a.gif").write_bytes(b"GIF89a")
    assert "suffix '.gif' is not supported; expected one of .bmp, .dcm" in rejected(tmp_path / "a.gif")


def test_a_missing_file_and_a_folder_are_rejected(tmp_path: Path) -> None:
    assert rejected(tmp_path / "a.jpg") == "no such file"
    (tmp_path / "b.jpg").mkdir()
    assert rejected(tmp_path / "b.jpg") == "is a folder, not a file"


def test_a_file_without_permission_is_rejected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(tmp_path / "a.png", RGB)
    if os.geteuid() == 0:  # root may read everything
        real = Path.open
        monkeypatch.setattr(Path, "open", lambda self, *args: _forbid() if self == path else real(self, *args))
    else:
        path.chmod(0)
    assert rejected(path) == "permission denied"


def _forbid() -> None:
    raise PermissionError(13, "Permission denied")


def test_reading_in_threads_leaves_warnings_and_logging_as_they_were(tmp_path: Path) -> None:
    path = nifti(tmp_path / "a.nii", DEEP.astype(np.float32))
    before = list(warnings.filters)
    threads = [threading.Thread(target=lambda: [read_image(path) for _ in range(20)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert warnings.filters == before and not logging.getLogger("nibabel.global").disabled


def test_suffixes_and_stems(tmp_path: Path) -> None:
    assert {".jpg", ".png", ".tiff", ".bmp", ".webp", ".dcm", ".nii", ".nii.gz", ".npy", ".npz"} <= SUFFIXES
    assert stem(Path("x/a.b.NII.GZ")) == "a.b" and stem(Path("a.jpg")) == "a"
    (tmp_path / "DICOMDIR").write_bytes(b"\0" * 128 + b"DICM")
    assert not any(is_image(tmp_path / name) for name in ("Thumbs.db", "notes.txt", "README", "DICOMDIR"))


def test_real_frames_equal_opencv(real_data: Path) -> None:
    for path in sorted((real_data / "hyperkvasir" / "polyps").iterdir())[:5]:
        theirs = cv2.imread(str(path))[..., ::-1].astype(int)
        assert np.abs(read_image(path).pixels.astype(int) - theirs).mean() < 1
