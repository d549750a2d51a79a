"""Pairs of frames and two domains, read as they lie on disk; second domains that are held out of the test frames."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sources import folder, frame, side_by_side
from writers import save

from medgen.data.dataset import DataSettings, TrainingBatches, make_batch
from medgen.data.images import read_image
from medgen.data.native.addresses import ReadSettings, open_dataset
from medgen.data.preparing.splits import hold_out
from medgen.errors import DataError
from medgen.types import DataRequirements


def halves(root: Path, path: str) -> list[np.ndarray]:
    pixels = read_image(root / path).pixels
    return [pixels[:, :16], pixels[:, 16:]]


def test_of_frames_side_by_side_the_left_one_is_the_input(tmp_path: Path) -> None:
    data = open_dataset(f"pairs:{side_by_side(tmp_path)}")
    left, right = halves(tmp_path, data.index["path"][4])
    assert data.others is not None and data.frames.shape == data.others.shape == (6, 16, 16, 3)
    assert np.array_equal(data.frames[4], left) and np.array_equal(data.others[4], right)
    assert Counter(data.index["split"]) == {"train": 3, "val": 3} and set(data.index["label"]) == {"normal"}


def test_the_other_direction_makes_the_right_one_the_input(tmp_path: Path) -> None:
    address = f"pairs:{side_by_side(tmp_path)}"
    there, back = open_dataset(address), open_dataset(address, ReadSettings(direction="BtoA"))
    assert there.others is not None and np.array_equal(there.others[:], back.frames[:]) and there.digest != back.digest


@pytest.mark.parametrize(
    ("inputs", "truths"), [("A", "B"), ("trainA", "trainB"), ("train/A", "train/B"), ("a/train", "b/train"), ("val_A", "val_B")]
)
def test_pairs_in_two_folders_are_matched_by_name(tmp_path: Path, inputs: str, truths: str) -> None:
    folder(tmp_path, inputs, truths)
    save(tmp_path / truths / "02.jpg", pixels := frame())
    (tmp_path / truths / "02.png").unlink()
    data = open_dataset(f"pairs:{tmp_path}")
    row = data.index["path"].tolist().index(f"{inputs}/02.png")
    assert data.others is not None and len(data.frames) == 4
    assert np.array_equal(data.others[row], read_image(tmp_path / truths / "02.jpg").pixels) and pixels.shape == (16, 16, 3)


def test_a_missing_partner_is_reported_and_shifts_nobody(tmp_path: Path) -> None:
    folder(tmp_path, "A", "B")
    (tmp_path / "A" / "01.png").unlink()
    (tmp_path / "B" / "03.png").unlink()
    data = open_dataset(f"pairs:{tmp_path}")
    assert data.index["path"].tolist() == ["A/00.png", "A/02.png"] and data.others is not None
    assert np.array_equal(data.others[1], read_image(tmp_path / "B" / "02.png").pixels)
    assert data.rejected().to_numpy().tolist() == [["A/03.png", "has no partner"], ["B/01.png", "has no partner"]]


def test_pairs_without_a_common_name_are_refused(tmp_path: Path) -> None:
    folder(tmp_path, "A", "B", count=1)
    (tmp_path / "A" / "00.png").rename(tmp_path / "A" / "x.png")
    with pytest.raises(DataError, match="no name in A occurs in B"):
        open_dataset(f"pairs:{tmp_path}")


def test_a_single_frame_is_no_pair(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="16 x 16 x 3, not 2 squares beside each other"):
        open_dataset(f"pairs:{folder(tmp_path, 'x')}")


def test_grey_inputs_of_colour_truths_need_to_be_told(tmp_path: Path) -> None:
    folder(tmp_path, "A", "B", count=2)
    for k in range(2):
        save(tmp_path / "A" / f"0{k}.png", frame(channels=1))
    with pytest.raises(DataError, match=r"set data.channels=3"):
        open_dataset(f"pairs:{tmp_path}")
    assert open_dataset(f"pairs:{tmp_path}", ReadSettings(channels=3)).frames.shape == (2, 16, 16, 3)


def test_of_two_domains_the_first_is_normal_and_the_second_in_nobodys_split(tmp_path: Path) -> None:
    data = open_dataset(f"unpaired:{folder(tmp_path, 'trainA', 'trainB', 'testA', 'testB')}")
    assert Counter(zip(data.index["finding"], data.index["label"], data.index["split"], strict=True)) == {
        ("A", "normal", "train"): 3, ("A", "normal", "val"): 1, ("B", "abnormal", "unused"): 4,
        ("A", "normal", "test"): 4, ("B", "abnormal", "test"): 4,
    }  # fmt: skip


def test_a_single_domain_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has no folder B with images"):
        open_dataset(f"unpaired:{folder(tmp_path, 'trainA')}")


# batches


def test_a_pair_is_changed_alike(tmp_path: Path) -> None:
    for name in "AB":
        folder(tmp_path, name, count=1)
    for k in range(6):
        for name in "AB":
            save(tmp_path / name / f"0{k}.png", np.full((16, 16, 3), 20 * k, np.uint8) + np.arange(16, dtype=np.uint8)[:, None])
    settings = DataSettings.parse({"batch_size": 3, "augment": {"rotation": 0.1, "jitter": 0.2}})
    batches = TrainingBatches(open_dataset(f"pairs:{tmp_path}"), settings, 0, requirements=DataRequirements(other="pair"))
    (batch,) = batches.epoch(0)
    assert batch.other is not None and (batch.image == batch.other).all() and batch.image.std() > 0


def test_pairs_that_are_not_there_are_refused(tmp_path: Path) -> None:
    data = open_dataset(f"folder:{folder(tmp_path, 'good')}")
    with pytest.raises(DataError, match="has no pairs"):
        TrainingBatches(data, DataSettings(), 0, requirements=DataRequirements(other="pair"))


def pool_batches(root: Path, **requirements: bool) -> TrainingBatches:
    data = open_dataset(f"unpaired:{folder(root, 'trainA', 'trainB', 'testA', 'testB')}")
    return TrainingBatches(data, DataSettings(batch_size=3), 0, requirements=DataRequirements(other="pool", **requirements))  # type: ignore[arg-type]


def test_the_second_domain_is_what_is_in_nobodys_split(tmp_path: Path) -> None:
    batches = pool_batches(tmp_path)
    pool = make_batch(batches.data, batches.data.rows("unused")).image
    for number in range(3):
        (batch,) = batches.epoch(number)
        assert batch.other is not None
        assert all(any((frame == one).all() for one in pool) for frame in batch.other)
        assert len({float(frame.sum()) for frame in batch.other}) == 3


def test_another_epoch_and_only_another_one_draws_another_second_domain(tmp_path: Path) -> None:
    batches = pool_batches(tmp_path)
    drawn = [next(iter(batches.epoch(number))).other for number in (0, 0, 1)]
    assert (drawn[0] == drawn[1]).all() and not (drawn[0] == drawn[2]).all()  # type: ignore[union-attr]


def test_abnormal_frames_are_among_the_training_frames_only_where_they_are_wanted(tmp_path: Path) -> None:
    assert len(pool_batches(tmp_path).rows) == 3 and len(pool_batches(tmp_path, abnormal=True).rows) == 7


def test_a_second_data_set_gives_all_but_its_val_and_test_frames(tmp_path: Path) -> None:
    first = open_dataset(f"folder:{folder(tmp_path / 'a', 'good')}")
    second = open_dataset(f"unpaired:{folder(tmp_path / 'b', 'trainA', 'trainB', 'testA')}")
    batches = TrainingBatches(first, DataSettings(), 0, requirements=DataRequirements(other="pool"), second=second)
    assert set(second.index["split"].iloc[batches.pool[1]]) == {"train", "unused"} and batches.pool[0] is second


def test_a_second_domain_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no frames of a second domain; .*data.pool_share"):
        TrainingBatches(
            open_dataset(f"folder:{folder(tmp_path, 'good')}"), DataSettings(), 0, requirements=DataRequirements(other="pool")
        )


# a second domain out of the test frames


def index(groups: str, labels: str = "") -> pd.DataFrame:
    marks = labels or "a" * len(groups)
    label = ["abnormal" if mark == "a" else "normal" for mark in marks]
    return pd.DataFrame({"group": list(groups), "split": "test", "label": label})


def test_about_the_share_of_abnormal_test_frames_is_held_out_in_whole_groups() -> None:
    table = index("aabbccddeeffgghhiijj" + "xyz", "a" * 20 + "nnn")
    split = hold_out(table, 0.5, 0)
    held = table[split == "unused"]
    assert len(held) == 10 and set(held["label"]) == {"abnormal"}
    assert not set(held["group"]) & set(table[split == "test"]["group"])


def test_normal_frames_go_with_their_group() -> None:
    table = index("aabbcc", "anannn")
    split = hold_out(table, 0.5, 0)
    assert split[split == "unused"].index.tolist() in ([0, 1], [2, 3])


@pytest.mark.parametrize(("groups", "share"), [("aaa", 0.5), ("ab", 0.99)])
def test_what_would_leave_nothing_is_refused(groups: str, share: float) -> None:
    with pytest.raises(DataError, match=r"data.pool_share"):
        hold_out(index(groups), share, 0)


def test_splits_stay_that_a_folder_itself_divides_a_patient_by(tmp_path: Path) -> None:
    data = open_dataset(f"folder:{folder(tmp_path, 'train/good/p1', 'train/good/p2', 'test/good/p1')}")
    assert Counter(data.index["split"]) == {"train": 4, "val": 4, "test": 4}


def test_real_maps_are_pairs(real_data: Path) -> None:
    data = open_dataset(f"pairs:{real_data / 'maps'}", ReadSettings(resize_to=64))
    assert Counter(data.index["split"]) == {"train": 400, "val": 100} and data.frames.shape == (500, 64, 64, 3)
