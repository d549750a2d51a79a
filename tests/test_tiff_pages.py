"""Which pages of a TIFF are frames, and headers that are damaged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import tifffile
from numpy.typing import NDArray
from writers import DEEP, DRAW, GREY, RGB, rejected

from medgen.data.images import count_frames, opened, read_image, read_images


def test_every_page_is_a_frame(tmp_path: Path) -> None:
    first, *others = (PIL.Image.fromarray(RGB + np.uint8(k)) for k in range(3))
    first.save(tmp_path / "a.tif", save_all=True, append_images=others)
    images = list(read_images(tmp_path / "a.tif"))
    assert [image.source for image in images] == [f"{tmp_path / 'a.tif'}#{k}" for k in range(3)]
    np.testing.assert_array_equal(images[2].pixels, RGB + np.uint8(2))
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif", frame=1).pixels, RGB + np.uint8(1))


def test_pages_keep_their_own_sizes_and_order(tmp_path: Path) -> None:
    pages = [GREY, RGB, DEEP[:9, :7, 0], RGB[:5]]
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        for page in pages:
            writer.write(page)
    with opened(tmp_path / "a.tif") as file:
        for frame, page in zip(file.frames, pages, strict=True):
            np.testing.assert_array_equal(frame.values.squeeze(), page)


@pytest.mark.parametrize("other, kind", [(RGB[::2, ::2], 1), (GREY > 99, 4)], ids=["smaller copy", "transparency"])
def test_copies_and_masks_of_a_page_are_left_out(tmp_path: Path, other: NDArray[Any], kind: int) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        writer.write(RGB, photometric="rgb")
        writer.write(other, photometric="rgb" if kind == 1 else "minisblack", subfiletype=kind)
    (image,) = read_images(tmp_path / "a.tif")
    np.testing.assert_array_equal(image.pixels, RGB)


def test_smaller_copies_below_a_page_are_left_out(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        writer.write(RGB, photometric="rgb", subifds=1)
        writer.write(RGB[::2, ::2], photometric="rgb", subfiletype=1)
    assert count_frames(tmp_path / "a.tif") == 1


@pytest.mark.parametrize("options", [{"imagej": True}, {"ome": True}], ids=["ImageJ", "OME"])
def test_each_plane_of_a_stack_of_channels_is_a_frame(tmp_path: Path, options: dict[str, Any]) -> None:
    stack = DRAW.integers(0, 65536, (2, 3, 9, 11), dtype=np.uint16)  # time, channel
    tifffile.imwrite(tmp_path / "a.tif", stack, metadata={"axes": "TCYX"}, **options)
    with opened(tmp_path / "a.tif") as file:
        np.testing.assert_array_equal([frame.values[..., 0] for frame in file.frames], stack.reshape(6, 9, 11))


def test_a_stack_below_a_single_header_is_read_whole(tmp_path: Path) -> None:
    stack = DRAW.integers(0, 65536, (5, 9, 11), dtype=np.uint16)
    text = "ImageJ=1.54f\nimages=5\nslices=5\n"  # as ImageJ writes stacks of more than 4 GB
    tifffile.imwrite(tmp_path / "a.tif", stack[0], description=text, metadata=None, byteorder=">")
    with (tmp_path / "a.tif").open("ab") as file, tifffile.TiffFile(tmp_path / "a.tif") as written:
        assert written.pages.first.dataoffsets[0] + stack[0].nbytes == file.tell()
        file.write(stack[1:].astype(">u2").tobytes())
    with opened(tmp_path / "a.tif") as found:
        assert found.total == 5
        np.testing.assert_array_equal([frame.values[..., 0] for frame in found.frames], stack)


def test_a_size_of_several_numbers_is_refused(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", GREY)
    data = bytearray((tmp_path / "a.tif").read_bytes())
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        start = file.pages.first.tags["ImageWidth"].offset
    data[start + 4 : start + 8] = (40).to_bytes(4, "little")  # how many there are
    (tmp_path / "a.tif").write_bytes(data)
    assert "damaged: a size in its header is no single number" in rejected(tmp_path / "a.tif")


def test_a_tile_too_large_for_memory_is_refused(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", GREY, tile=(16, 16), compression="zlib")
    with tifffile.TiffFile(tmp_path / "a.tif", mode="r+b") as file:
        for name in ("TileWidth", "TileLength"):
            file.pages.first.tags[name].overwrite(65520)
    assert "megapixels" in rejected(tmp_path / "a.tif")
