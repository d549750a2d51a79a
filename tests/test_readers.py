"""Every file in `medgen.data.readers` keeps the contract of `medgen.data.reader.Reader`.

``sample_NAME.py`` beside this file makes the files with which ``readers/NAME.py`` is tested: `SUFFIX`;
`write_frames(path, frames)` with frames (N, H, W, 3) uint8, or (N, H, W, 1) where `COLOURLESS` says so; `write_header(path,
height, width)` of a frame whose pixels are missing; and `write_corner(path, value)`, unless the format holds integers alone: a
frame [[value, 1], [0, 0.5]].
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from numpy.typing import NDArray
from writers import DRAW

from medgen.data.images import HEAD, all_readers, count_frames, is_image, read_image, read_images
from medgen.data.pixel_format import MAX_PIXELS
from medgen.data.readers import _volume
from medgen.errors import ImageError

FRAMES = DRAW.integers(0, 256, (3, 22, 34, 3), dtype=np.uint8)


FLOATING = [
    name for name in sorted(all_readers()) if hasattr(import_module(f"sample_{name}"), "write_corner")
]  # no integers alone


@pytest.fixture(params=sorted(all_readers()))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def samples(name: str) -> ModuleType:
    module = f"sample_{name}"
    assert Path(__file__).with_name(f"{module}.py").is_file(), f"write tests/{module}.py, which makes files of the format"
    return import_module(module)


@pytest.fixture
def frames(samples: ModuleType) -> NDArray[np.uint8]:
    """The three frames of `path`, (3, 22, 34, C)."""
    return FRAMES[..., :1] if getattr(samples, "COLOURLESS", False) else FRAMES


@pytest.fixture
def path(samples: ModuleType, tmp_path: Path, frames: NDArray[np.uint8]) -> Path:
    """A good file of three frames."""
    path = tmp_path / f"good{samples.SUFFIX}"
    samples.write_frames(path, frames)
    return path


def test_suffixes_are_stated_in_lower_case_with_their_dots(name: str) -> None:
    stated = all_readers()[name].SUFFIXES
    assert stated and all(suffix == suffix.lower() and suffix[:1] in (".", "") for suffix in stated)


def test_no_suffix_belongs_to_two_readers() -> None:
    stated = [suffix for reader in all_readers().values() for suffix in reader.SUFFIXES if suffix]
    assert len(stated) == len(set(stated))


def test_one_reader_alone_recognises_a_file(path: Path, samples: ModuleType, name: str) -> None:
    head = path.read_bytes()[:HEAD]
    assert [other for other, reader in all_readers().items() if reader.recognises(head, samples.SUFFIX)] == [name]


def test_a_file_is_meant_as_an_image_by_its_suffix(path: Path) -> None:
    assert is_image(path)


def test_frames_come_as_they_were_written(path: Path, frames: NDArray[np.uint8]) -> None:
    np.testing.assert_array_equal([image.pixels for image in read_images(path)], frames)


def test_frames_are_counted(path: Path) -> None:
    assert count_frames(path) == len(FRAMES)


def test_counting_decodes_nothing(path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    def refuse(*args: object, **options: object) -> None:
        raise AssertionError("a frame was decoded")

    makes_frames = all_readers()[name] if hasattr(all_readers()[name], "stored") else _volume
    monkeypatch.setattr(makes_frames, "stored", refuse)
    assert count_frames(path) == len(FRAMES)


def test_frames_can_be_written_to(path: Path) -> None:
    assert all(image.pixels.flags.writeable and image.pixels.flags.c_contiguous for image in read_images(path))


def test_a_frame_names_its_file_and_its_number(path: Path) -> None:
    assert [image.source for image in read_images(path)] == [f"{path}#{number}" for number in range(len(FRAMES))]


def test_reading_twice_gives_the_same_bits(path: Path) -> None:
    first, second = (b"".join(image.pixels.tobytes() for image in read_images(path)) for _ in range(2))
    assert first == second


def test_a_single_frame_is_the_one_that_is_read_in_turn(path: Path, frames: NDArray[np.uint8]) -> None:
    np.testing.assert_array_equal(read_image(path, 1).pixels, frames[1])


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 0.9])
def test_a_truncated_file_is_refused(path: Path, share: float) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ImageError):
        list(read_images(path))


def test_a_header_that_claims_too_many_pixels_is_refused_before_they_are_decoded(samples: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / f"large{samples.SUFFIX}"
    samples.write_header(path, 20_000, MAX_PIXELS // 20_000 + 1)  # nothing is there that could be decoded
    with pytest.raises(ImageError, match="megapixels"):
        list(read_images(path))


@pytest.mark.parametrize("name", FLOATING)
def test_infinity_is_refused(samples: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / f"infinite{samples.SUFFIX}"
    samples.write_corner(path, np.inf)
    with pytest.raises(ImageError, match="1 of 4 pixels are infinite"):
        list(read_images(path))


@pytest.mark.parametrize("name", FLOATING)
def test_nan_is_black_and_changes_no_other_pixel(samples: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / f"nan{samples.SUFFIX}"
    samples.write_corner(path, np.nan)
    np.testing.assert_array_equal(np.sort(read_image(path).pixels.ravel()), [0, 0, 0.5, 1])  # a format may turn a frame


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="only Linux tells which files are open")
def test_a_file_is_closed_when_reading_stops_early(path: Path) -> None:
    images = read_images(path)
    next(images)
    assert path in _open_files()
    images.close()
    assert path not in _open_files()


def _open_files() -> list[Path]:
    return [link.readlink() for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
