"""Batches: what is blanked, what is hidden from training, and an order that depends on seed and epoch alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from medgen.data.augmenting.augment import NO_AUGMENTATION, AugmentSettings
from medgen.data.dataset import DataSettings, FixedBatches, TrainingBatches, make_batch
from medgen.data.phantom.frames import PhantomSettings, make_phantom
from medgen.data.prepared import Prepared, PrepareSettings
from medgen.data.preparing.prepare import prepare
from medgen.errors import DataError
from medgen.types import DataRequirements


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    folder = tmp_path_factory.mktemp("set")
    make_phantom(folder / "source", PhantomSettings(train=24, val=8, test_normal=8, test_abnormal=8, width=180, height=160))
    return prepare(folder / "source", folder / "d", PrepareSettings(size=32, copies=1))


def test_a_batch_holds_the_stored_pixels_with_overlay_blanked(data: Prepared) -> None:
    rows = data.rows("test")[:3]
    batch = make_batch(data, rows)
    expected = np.where(data.valid[rows][..., None], data.frames[rows], 0)
    assert np.array_equal((batch.image * 255).round().byte().permute(0, 2, 3, 1).numpy(), expected)


def test_overlay_can_be_kept(data: Prepared) -> None:
    rows = data.rows("test")[:3]
    batch = make_batch(data, rows, "keep")
    assert batch.valid.all() and np.array_equal((batch.image * 255).round().byte().permute(0, 2, 3, 1).numpy(), data.frames[rows])


def test_labels_and_masks_never_reach_training(data: Prepared) -> None:
    assert all(batch.label is None and batch.mask is None for batch in TrainingBatches(data, DataSettings(), 0).epoch(0))


def test_training_sees_training_frames_only(data: Prepared) -> None:
    seen = torch.cat([batch.index for batch in TrainingBatches(data, DataSettings(batch_size=4), 0).epoch(0)])
    assert set(seen.tolist()) == set(data.rows("train", originals=False).tolist())


def test_an_epoch_from_the_middle_equals_the_rest_of_the_whole_one(data: Prepared) -> None:
    training = TrainingBatches(data, DataSettings(batch_size=4), 3)
    whole, rest = list(training.epoch(2)), list(training.epoch(2, start=5))
    assert len(whole) == len(rest) + 5 and all(torch.equal(a.image, b.image) for a, b in zip(whole[5:], rest, strict=True))


def test_every_epoch_has_its_own_order(data: Prepared) -> None:
    training = TrainingBatches(data, DataSettings(batch_size=4), 3)
    first, second = (torch.cat([batch.index for batch in training.epoch(number)]) for number in (0, 1))
    assert not torch.equal(first, second) and torch.equal(first.sort().values, second.sort().values)


def test_a_short_epoch_draws_other_frames_each_time_and_none_twice(data: Prepared) -> None:
    training = TrainingBatches(data, DataSettings(batch_size=4, epoch_frames=9), 3)
    first, second = (torch.cat([batch.index for batch in training.epoch(number)]) for number in (0, 1))
    assert len(training) == 2 and len(set(first.tolist())) == 8 and set(first.tolist()) != set(second.tolist())


@pytest.mark.parametrize(("size", "single_pass", "batches"), [(4, True, [4, 4, 1]), (16, False, [9])])
def test_a_short_epoch_has_no_more_frames_than_are_said(data: Prepared, size: int, single_pass: bool, batches: list[int]) -> None:
    chosen, wanted = DataSettings(batch_size=size, epoch_frames=9), DataRequirements(single_pass=single_pass)
    assert [len(batch) for batch in TrainingBatches(data, chosen, 3, requirements=wanted).epoch(0)] == batches


def test_augmentation_changes_training_frames_and_can_be_switched_off(data: Prepared) -> None:
    moved = next(TrainingBatches(data, DataSettings(augment=AugmentSettings()), 0).epoch(0))
    still = next(TrainingBatches(data, DataSettings(augment=NO_AUGMENTATION), 0).epoch(0))
    assert torch.equal(still.image, make_batch(data, moved.index.numpy()).image) and not torch.equal(moved.image, still.image)


def test_written_copies_can_be_left_out(data: Prepared) -> None:
    assert len(TrainingBatches(data, DataSettings(batch_size=1, copies=False), 0)) == 24


def test_fixed_batches_keep_their_order(data: Prepared) -> None:
    rows = data.rows("test")[::-1].copy()
    batches = FixedBatches(data, rows, DataSettings(), batch_size=5)
    assert len(batches) == 4 and torch.cat([batch.index for batch in batches]).tolist() == rows.tolist()


def test_a_data_set_without_normal_frames_is_refused_with_advice(data: Prepared) -> None:
    index = data.index.assign(split="test")
    empty = Prepared(data.folder, data.settings, data.source, data.digest, index, data.frames, data.valid, data.masks)
    with pytest.raises(DataError, match="--assume normal"):
        TrainingBatches(empty, DataSettings(), 0)
