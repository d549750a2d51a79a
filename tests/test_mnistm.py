"""MNIST-M: digits over patches of photographs, row by row those of MNIST."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from commands import fail
from sources import DIGITS, idx, mnist, noise
from writers import save

from medgen.data.images import read_image
from medgen.data.native.addresses import open_dataset
from medgen.data.native.mnistm import make_mnist_m
from medgen.data.prepared import Prepared
from medgen.errors import DataError, FolderError
from medgen.types import Progress

ALL = np.concatenate([*DIGITS.values()]).astype(int)  # (9, 28, 28)
TONES = (200, 90, 13)


@pytest.fixture
def digits(tmp_path: Path) -> Path:
    return mnist(tmp_path / "mnist")


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    """Two photographs, one of them in a folder below, as the published archive has them; and what a file server keeps."""
    folder = tmp_path / "bsds" / "images" / "train"
    folder.mkdir(parents=True)
    save(folder / "2.jpg", noise(40, 60, 3))
    save(folder.parents[1] / "1.png", noise(60, 40, 3, seed=1))
    (folder.parents[1] / "@eaDir").mkdir()
    save(folder.parents[1] / "@eaDir" / "1.png", noise(30, 30, 3, seed=2))
    return folder.parents[1]


def refusal(mnist_folder: Path, bsds: Path, out: Path) -> str:
    with pytest.raises((DataError, FolderError)) as error:
        make_mnist_m(mnist_folder, bsds, out)
    assert "\n" not in str(error.value)
    return str(error.value)


def plain(folder: Path, **shape: int) -> Path:
    """A folder with one photograph of a single colour."""
    folder.mkdir()
    save(folder / "flat.png", np.full((shape.get("height", 33), 50, 3), TONES, np.uint8))
    return folder


# what a digit becomes


def test_a_pixel_is_the_absolute_difference_of_patch_and_digit(tmp_path: Path, digits: Path) -> None:
    made = make_mnist_m(digits, plain(tmp_path / "flat"), tmp_path / "out")
    assert made.frames.shape == (9, 28, 28, 3)
    for channel, tone in enumerate(TONES):
        assert np.array_equal(made.frames[:][..., channel], abs(tone - ALL))


def test_black_digits_leave_patches_of_the_photographs(tmp_path: Path, digits: Path, photographs: Path) -> None:
    for name in ("train", "t10k"):
        (digits / f"{name}-images-idx3-ubyte").write_bytes(idx(np.zeros_like(DIGITS[name])))
    (photographs / "images" / "train" / "2.jpg").unlink()
    made = make_mnist_m(digits, photographs, tmp_path / "out")
    photograph = read_image(photographs / "1.png").pixels
    cuts = {photograph[y : y + 28, x : x + 28].tobytes() for y in range(33) for x in range(13)}
    found = {frame.tobytes() for frame in made.frames[:]}
    assert found <= cuts and len(found) > 5  # nine draws out of 429 places


def test_patches_reach_every_corner_of_a_photograph(tmp_path: Path, digits: Path) -> None:
    (tmp_path / "bsds").mkdir()
    marked = np.zeros((29, 29, 3), np.uint8)
    marked[0, 0], marked[0, 28], marked[28, 0], marked[28, 28] = 10, 20, 30, 40
    save(tmp_path / "bsds" / "a.png", marked)
    many = np.zeros((60, 28, 28), np.uint8)
    (digits / "train-images-idx3-ubyte").write_bytes(idx(many))
    (digits / "train-labels-idx1-ubyte").write_bytes(idx(many[:, 0, 0]))
    made = make_mnist_m(digits, tmp_path / "bsds", tmp_path / "out")
    assert {frame.max() for frame in made.frames[:60]} == {10, 20, 30, 40}


def test_grey_photographs_are_taken_as_grey_patches(tmp_path: Path, digits: Path) -> None:
    (tmp_path / "bsds").mkdir()
    save(tmp_path / "bsds" / "a.png", np.full((30, 30), 77, np.uint8))
    frames = make_mnist_m(digits, tmp_path / "bsds", tmp_path / "out").frames[:]
    assert np.array_equal(frames, np.repeat(abs(77 - ALL)[..., None], 3, axis=3))


# the same again


def test_frames_of_another_size_are_the_blended_ones_resized(tmp_path: Path, digits: Path, photographs: Path) -> None:
    plain_ones, larger = (make_mnist_m(digits, photographs, tmp_path / str(size), size) for size in (28, 32))
    assert larger.size == 32 and larger.valid.shape == larger.frames.shape[:3]
    assert np.array_equal(larger.frames[2], cv2.resize(plain_ones.frames[2], (32, 32), interpolation=cv2.INTER_LINEAR))


def test_the_same_seed_makes_the_same_bytes_and_another_one_others(tmp_path: Path, digits: Path, photographs: Path) -> None:
    made = [make_mnist_m(digits, photographs, tmp_path / f"out{k}", seed=seed) for k, seed in enumerate((0, 0, 1))]
    first, again, other = ((one.folder / "frames.npy").read_bytes() for one in made)
    assert first == again and first != other
    assert made[0].digest == made[1].digest != made[2].digest


def test_a_finished_data_set_is_opened_and_not_made_again(tmp_path: Path, digits: Path, photographs: Path) -> None:
    made = make_mnist_m(digits, photographs, tmp_path / "out")
    written = (tmp_path / "out" / "frames.npy").stat().st_mtime_ns
    assert make_mnist_m(digits, photographs, tmp_path / "out").digest == made.digest
    assert (tmp_path / "out" / "frames.npy").stat().st_mtime_ns == written


# index


def same_rows(made: Prepared, digits: Path) -> bool:
    expected = open_dataset(f"mnist:{digits}").index
    return made.index[expected.columns].equals(expected)


def test_rows_findings_and_splits_are_those_of_mnist(tmp_path: Path, digits: Path, photographs: Path) -> None:
    made = make_mnist_m(digits, photographs, tmp_path / "out")
    assert same_rows(made, digits)
    assert made.index["finding"].tolist() == [*"504192721"]
    assert set(made.index["label"]) == {"normal"} and set(made.index["split"]) == {"train", "val", "test"}


def test_all_pixels_are_valid_and_nothing_is_rejected_or_leaks(tmp_path: Path, digits: Path, photographs: Path) -> None:
    made = make_mnist_m(digits, photographs, tmp_path / "out")
    assert made.valid.shape == (9, 28, 28) and made.valid.all() and made.masks is None
    assert (made.size, made.channels) == (28, 3) and made.rejected().empty and made.leaks().empty


def test_progress_ends_at_the_number_of_digits(tmp_path: Path, digits: Path, photographs: Path) -> None:
    seen: list[Progress] = []
    make_mnist_m(digits, photographs, tmp_path / "out", on_progress=seen.append)
    assert (seen[-1].done, seen[-1].total) == (9, 9)


# what is refused


def test_a_missing_folder_of_photographs_is_named(tmp_path: Path, digits: Path) -> None:
    assert "there is no folder" in refusal(digits, tmp_path / "none", tmp_path / "out")


def test_a_folder_without_photographs_is_refused(tmp_path: Path, digits: Path) -> None:
    (tmp_path / "bsds").mkdir()
    assert "holds no photograph" in refusal(digits, tmp_path / "bsds", tmp_path / "out")


def test_a_photograph_smaller_than_a_digit_is_named_with_its_size(tmp_path: Path, digits: Path) -> None:
    message = refusal(digits, plain(tmp_path / "bsds", height=27), tmp_path / "out")
    assert "flat.png' is 50 x 27" in message and "28" in message


def test_a_damaged_photograph_is_named(tmp_path: Path, digits: Path) -> None:
    (plain(tmp_path / "bsds") / "broken.jpg").write_bytes(b"\xff\xd8 no picture")
    assert "broken.jpg" in refusal(digits, tmp_path / "bsds", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_missing_digits_are_named(tmp_path: Path, photographs: Path) -> None:
    assert "there is no file or folder" in refusal(tmp_path / "none", photographs, tmp_path / "out")


def test_a_folder_with_something_else_in_it_is_left_alone(tmp_path: Path, digits: Path, photographs: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "notes.txt").write_text("mine")
    assert "is not empty" in refusal(digits, photographs, tmp_path / "out")


def test_a_data_set_of_another_seed_is_left_alone(tmp_path: Path, digits: Path, photographs: Path) -> None:
    make_mnist_m(digits, photographs, tmp_path / "out", seed=1)
    assert "other digits, photographs, size or seed" in refusal(digits, photographs, tmp_path / "out")


# the real ones


def test_digits_over_real_photographs_keep_their_difference(tmp_path: Path, digits: Path, real_data: Path) -> None:
    for name in ("train", "t10k"):
        (digits / f"{name}-images-idx3-ubyte").write_bytes(idx(np.full_like(DIGITS[name], 255)))
    white = make_mnist_m(digits, real_data / "bsds500", tmp_path / "white").frames[:]
    for name in ("train", "t10k"):
        (digits / f"{name}-images-idx3-ubyte").write_bytes(idx(np.zeros_like(DIGITS[name])))
    black = make_mnist_m(digits, real_data / "bsds500", tmp_path / "black").frames[:]
    assert np.array_equal(white, 255 - black) and black.std() > 20  # |p - 255| and |p - 0| of the same patches


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        (["mnist-m", "--mnist", "x"], "made of two folders: give --mnist and --bsds"),
        (["mnist-m", "--mnist", "x", "--bsds", "y", "--val-share", "0.2"], "mnist-m has no --val-share; it takes"),
        (["mnist-m", "--mnist", "x", "--bsds", "y", "--overwrite"], "mnist-m has no --overwrite; it takes"),
        (["frames", "--bsds", "y"], "--mnist and --bsds are for SOURCE mnist-m, got 'frames'"),
    ],
)
def test_options_that_do_not_go_together_are_refused(tmp_path: Path, arguments: list[str], answer: str) -> None:
    assert answer in fail("prepare", *arguments, "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()
