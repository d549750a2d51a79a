"""The common mask: the same for every frame, made of training frames alone, and nothing of a frame's own overlay behind it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from commands import succeed
from sklearn.metrics import roc_auc_score
from sources import folder

from medgen.data import common_mask as module
from medgen.data.common_mask import common_mask, with_common_mask
from medgen.data.dataset import make_batch
from medgen.data.native.addresses import open_dataset
from medgen.data.prepared import Prepared
from medgen.runs.datasets import open_for, open_trained_on
from medgen.runs.run import open_run


def boxed(tmp_path: Path) -> Prepared:
    """Twelve 16 px frames, 10 for training, of which the first two show a box above left; test frames show one below right."""
    data = open_dataset(f"folder:{folder(tmp_path, 'train/good', 'test/bad', count=11)}")
    valid = np.ones((22, 16, 16), bool)
    valid[data.rows("train")[:2], :4, :4] = False
    valid[data.rows("train")[:1], :4, 4:6] = False
    valid[data.rows("test"), -4:, -4:] = False
    return Prepared(**{**vars(data), "frames": data.frames[:] // 4, "valid": valid})


def test_a_place_is_blanked_where_more_than_a_tenth_of_the_training_frames_show_overlay(tmp_path: Path) -> None:
    data = boxed(tmp_path)
    assert len(data.rows("train")) == 10
    expected = np.ones((16, 16), bool)
    expected[:4, :4] = False
    assert np.array_equal(common_mask(data), expected)


def test_every_frame_is_blanked_alike(tmp_path: Path) -> None:
    data = boxed(tmp_path)
    shown = with_common_mask(data, common_mask(data))
    batch = make_batch(shown, shown.rows(), "common")
    assert (batch.valid == batch.valid[:1]).all() and not batch.image[:, :, :4, :4].any() and not batch.valid[0, 0, :4, :4].any()


def test_overlay_elsewhere_is_filled_and_tissue_stays(tmp_path: Path) -> None:
    data = boxed(tmp_path)
    shown, rows = with_common_mask(data, np.ones((16, 16), bool)), data.rows("test")
    changed = shown.frames[rows] != data.frames[rows]
    assert changed[:, -4:, -4:].mean() > 0.9 and not changed[:, :-4].any() and not changed[:, :, :-4].any()


@pytest.mark.parametrize("room", [2**30, 3 * 16 * 16 * 3, 0])
def test_a_frame_is_the_same_alone_among_others_and_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int) -> None:
    monkeypatch.setattr(module, "CACHED_BYTES", room)
    data = boxed(tmp_path)
    data = Prepared(**{**vars(data), "frames": data.frames[:] | np.uint8(255) * (np.arange(16) == 3)[:, None].astype(np.uint8)})
    shown = with_common_mask(data, common_mask(data))
    first = shown.frames[:]
    order = np.array([21, 3, 3, 0])
    assert np.array_equal(shown.frames[order], first[order]) and np.array_equal(shown.frames[5], first[5])
    first[:] = 0  # what is handed out is nobody else's
    assert np.array_equal(with_common_mask(data, common_mask(data)).frames[order], shown.frames[order])


def test_another_mask_is_another_data_set(tmp_path: Path) -> None:
    data = boxed(tmp_path)
    digests = {
        data.digest,
        with_common_mask(data, np.ones((16, 16), bool)).digest,
        with_common_mask(data, common_mask(data)).digest,
    }
    assert len(digests) == 3


def test_a_box_that_only_some_frames_have_tells_nothing_once_it_is_filled(tmp_path: Path) -> None:
    data = open_dataset(f"folder:{folder(tmp_path, 'train/good', 'test/good', 'test/bad', count=20)}")
    frames, valid = data.frames[:] // 2 + 60, np.ones((60, 16, 16), bool)
    rows = data.rows("test")
    abnormal = (data.index["label"].iloc[rows] == "abnormal").to_numpy()
    frames[rows[abnormal], 8:, :6] = 0
    valid[rows[abnormal], 8:, :6] = False
    plain = Prepared(**{**vars(data), "frames": frames, "valid": valid})
    shown = with_common_mask(plain, common_mask(plain))
    dark = [(part.frames[rows].max(axis=3) < 30).mean(axis=(1, 2)) for part in (plain, shown)]
    before, after = (roc_auc_score(abnormal, share) for share in dark)
    assert before == 1 and after == 0.5


def test_a_run_looks_at_all_frames_through_the_mask_of_its_training(tmp_path: Path) -> None:
    folder(tmp_path / "frames", "train/good", "test/bad", count=4)
    settings = ["--set", "data.overlay=common", "--set", "model.widths=[8]", "--epochs", "1"]
    succeed("train", "vae", f"folder:{tmp_path / 'frames'}", "--out", tmp_path / "run", *settings)
    run = open_run(tmp_path / "run")
    mask = run.common_mask()
    assert mask is not None and mask.all() and open_trained_on(run).digest == run.origin.data_digest
    assert open_for(run, f"folder:{tmp_path / 'frames'}").digest == run.origin.data_digest


@pytest.mark.parametrize("overlay", ["mask", "keep"])
def test_other_runs_have_no_common_mask(tmp_path: Path, overlay: str) -> None:
    folder(tmp_path / "frames", "train/good", count=4)
    settings = ["--set", f"data.overlay={overlay}", "--set", "model.widths=[8]", "--epochs", "1"]
    succeed("train", "vae", f"folder:{tmp_path / 'frames'}", "--out", tmp_path / "run", *settings)
    assert open_run(tmp_path / "run").common_mask() is None


@pytest.mark.parametrize(("shining", "kept"), [(True, False), (False, True)])
def test_what_is_small_and_bright_is_filled_in_endoscopy_alone(shining: bool, kept: bool) -> None:
    frames = np.full((1, 64, 64, 1), 90, np.uint8)
    frames[0, 30:34, 30:34] = 200
    valid = np.ones((1, 64, 64), bool)
    valid[0, :5] = False
    shown = module.MaskedFrames(frames, valid, np.ones((64, 64), bool), shining)[np.array([0])]
    assert bool(shown[0, 31, 31, 0] == 200) is kept
