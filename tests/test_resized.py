"""Frames at native size that are brought to another size or number of channels when they are read."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from commands import succeed
from PIL import Image as Picture
from sources import mnist

from medgen.data.native.addresses import ReadSettings, open_dataset
from medgen.data.native.resized import ResizedFrames
from medgen.data.phantom.frames import PhantomSettings, make_phantom
from medgen.errors import DataError

FRAMES = np.random.default_rng(0).integers(0, 256, (5, 16, 16, 3), dtype=np.uint8)


def test_frames_are_filled_up_with_black_on_all_sides_alike(tmp_path: Path) -> None:
    address = f"mnist:{mnist(tmp_path)}"
    plain, filled = open_dataset(address), open_dataset(address, ReadSettings(pad_to=33))
    assert filled.size == 33 and filled.valid.shape[1:] == (33, 33) and filled.digest != plain.digest
    assert np.array_equal(filled.frames[:][:, 2:30, 2:30], plain.frames[:])
    assert filled.frames[:].sum() == plain.frames[:].sum()


def test_frames_are_not_filled_up_to_less_than_they_are(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is 16, but the frames have a side of 28"):
        open_dataset(f"mnist:{mnist(tmp_path)}", ReadSettings(pad_to=16))


def test_smaller_frames_are_the_means_of_areas() -> None:
    means = FRAMES.reshape(5, 8, 2, 8, 2, 3).mean((2, 4))
    assert np.abs(ResizedFrames(FRAMES, resize_to=8)[:].astype(float) - means).max() <= 0.5


def test_larger_frames_are_those_of_opencv() -> None:
    expected = np.stack([cv2.resize(frame, (20, 20), interpolation=cv2.INTER_LINEAR) for frame in FRAMES])
    assert np.array_equal(ResizedFrames(FRAMES, resize_to=20)[:], expected)


def test_frames_are_resized_before_they_are_filled_up() -> None:
    fitted = ResizedFrames(FRAMES, resize_to=8, pad_to=12)
    assert fitted[1].shape == (12, 12, 3) and np.array_equal(fitted[1][2:10, 2:10], ResizedFrames(FRAMES, resize_to=8)[1])


def test_grey_frames_become_colour_ones_and_back_as_in_pillow() -> None:
    grey = ResizedFrames(FRAMES, channels=1)[:]
    expected = np.stack([np.asarray(Picture.fromarray(frame).convert("L")) for frame in FRAMES])
    assert grey.shape == (5, 16, 16, 1) and np.abs(grey[..., 0].astype(int) - expected).max() <= 1
    assert np.array_equal(ResizedFrames(grey, channels=3)[:], np.repeat(grey, 3, axis=3))
    assert ResizedFrames(grey, resize_to=8)[:].shape == (5, 8, 8, 1)


def test_no_frames_are_no_frames() -> None:
    assert ResizedFrames(FRAMES, resize_to=8, pad_to=12, channels=1)[np.array([], dtype=np.int64)].shape == (0, 12, 12, 1)


@pytest.mark.parametrize("name", ["pad_to", "channels"])
def test_border_and_channels_of_prepared_frames_stay(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"were fixed when it was prepared; leave data.{name} at 0"):
        open_dataset(tmp_path, ReadSettings.parse({name: 3}))


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared phantom set at 64 pixels."""
    folder = tmp_path_factory.mktemp("shrunk")
    make_phantom(folder / "frames", PhantomSettings(train=16, val=20, test_normal=8, test_abnormal=8, width=160, height=160))
    succeed("prepare", folder / "frames", "--out", folder / "data", "--size", 64)
    return folder / "data"


def test_prepared_frames_may_be_made_smaller(prepared: Path) -> None:
    whole, small = open_dataset(prepared), open_dataset(prepared, ReadSettings(resize_to=32))
    assert (small.size, small.frames.shape[1:], small.digest != whole.digest) == (32, (32, 32, 3), True)

    def areas(flags: np.ndarray) -> np.ndarray:
        return flags.reshape(len(flags), 32, 2, 32, 2, *flags.shape[3:]).mean((2, 4))

    assert np.abs(small.frames[:].astype(float) - areas(np.asarray(whole.frames))).max() <= 0.5
    assert np.array_equal(small.valid[:], areas(np.asarray(whole.valid)) >= 0.75)
    assert small.masks is not None and whole.masks is not None
    assert np.array_equal(small.masks[:], areas(np.asarray(whole.masks)) >= 0.5) and small.masks[:].any()
    assert small.index.equals(whole.index)


def test_prepared_frames_are_as_they_were_at_their_own_size(prepared: Path) -> None:
    assert open_dataset(prepared, ReadSettings(resize_to=64)).digest == open_dataset(prepared).digest


def test_prepared_frames_are_not_made_larger(prepared: Path) -> None:
    with pytest.raises(DataError, match="are 64 x 64; for 96 prepare them anew with --size 96"):
        open_dataset(prepared, ReadSettings(resize_to=96))


@pytest.mark.usefixtures("blank_charts", "no_comparison_pdf")
def test_a_run_of_smaller_frames_scores_the_set_and_raw_frames_at_its_size(prepared: Path, tmp_path: Path) -> None:
    run = trained_at(prepared, 32, tmp_path)
    for name, given in {"set": prepared, "raw": prepared.parent / "frames" / "normal"}.items():
        succeed("score", run, given, "--out", tmp_path / name, "--no-pictures")
        assert np.load(tmp_path / name / "maps.npy", mmap_mode="r").shape[1:] == (32, 32)
    succeed("compare", run, trained_at(prepared, 16, tmp_path), "--out", tmp_path / "page")


def trained_at(prepared: Path, side: int, out: Path) -> Path:
    small = ("train.epochs=1", "train.panel_epochs=0", "model.widths=[8]", f"data.resize_to={side}", "data.overlay=common")
    succeed("train", "vae", prepared, "--out", out / str(side), *[word for one in small for word in ("--set", one)])
    return out / str(side)
