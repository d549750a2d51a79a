"""Splits never divide a group, and training and validation hold normal frames only."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medgen.data.prepared import PrepareSettings
from medgen.data.preparing.splits import split_archive, split_prepared

rows = st.lists(
    st.tuples(st.integers(0, 15), st.sampled_from(["normal", "abnormal", ""]), st.sampled_from(["a", "b"])),
    min_size=1,
    max_size=60,
)


def table(drawn: list[tuple[int, str, str]]) -> pd.DataFrame:
    index = pd.DataFrame(drawn, columns=["group", "label", "finding"])
    return index.assign(group=index["group"].map("g{}".format), split="")


@given(rows, st.integers(0, 5))
def test_a_group_is_never_divided(drawn: list[tuple[int, str, str]], seed: int) -> None:
    index = table(drawn)
    index["split"] = split_prepared(index, 0.2, 0.3, seed)
    used = index[index["split"] != "unused"]
    assert (used.groupby("group")["split"].nunique() == 1).all()


@given(rows, st.integers(0, 5))
def test_training_and_validation_hold_normal_frames_only(drawn: list[tuple[int, str, str]], seed: int) -> None:
    index = table(drawn)
    index["split"] = split_prepared(index, 0.2, 0.3, seed)
    assert set(index.loc[index["split"].isin(["train", "val"]), "label"]) <= {"normal"}


@given(rows, st.integers(0, 5))
def test_frames_are_put_aside_only_where_wholly_normal_groups_hold_too_few(drawn: list[tuple[int, str, str]], seed: int) -> None:
    index = table(drawn)
    index["split"] = split_prepared(index, 0.2, 0.3, seed)
    normal = index["label"].eq("normal")
    wholly = normal & normal.groupby(index["group"]).transform("all")
    assert not (wholly.sum() >= normal.sum() / 2 and index["split"].eq("unused").any())


def normals(count: int) -> pd.DataFrame:
    return pd.DataFrame({"group": [f"g{k:04}" for k in range(count)], "label": "normal", "finding": "cecum", "split": ""})


def test_the_shares_are_kept() -> None:
    counts = pd.Series(split_prepared(normals(1000), 0.15, 0.25, 0)).value_counts()
    assert counts.to_dict() == {"train": 600, "test": 250, "val": 150}


def test_a_test_share_of_1_leaves_no_frame_to_train_on() -> None:
    share = PrepareSettings(test_share=1).test_share
    assert split_prepared(normals(9), 0.15, share, 0) == ["test"] * 9


def test_the_same_seed_gives_the_same_splits_and_another_one_others() -> None:
    assert (
        split_prepared(normals(50), 0.2, 0.2, 1)
        == split_prepared(normals(50), 0.2, 0.2, 1)
        != split_prepared(normals(50), 0.2, 0.2, 2)
    )


def test_a_given_split_stays() -> None:
    index = normals(20)
    index.loc[:4, "split"] = "test"
    assert split_prepared(index, 0.2, 0.0, 0)[:5] == ["test"] * 5


def test_validation_is_taken_from_a_given_training_split_where_there_is_none() -> None:
    index = normals(100).assign(split=["train"] * 80 + ["test"] * 20)
    splits = pd.Series(split_prepared(index, 0.25, 0.25, 0))
    assert splits[80:].eq("test").all() and splits[:80].value_counts().to_dict() == {"train": 60, "val": 20}


def test_given_splits_stay_where_they_divide_a_group() -> None:
    index = normals(4).assign(group=["g", "g", "g", "h"], split=["train", "test", "val", "train"])
    assert split_prepared(index, 0.2, 0.2, 0) == ["train", "test", "val", "train"]


def test_a_few_large_groups_leave_one_for_validation() -> None:
    index = pd.DataFrame({"group": [*"aaaabbbbb"], "label": "normal", "finding": "", "split": ""})
    assert split_prepared(index, 0.1, 0.1, 0) == ["val"] * 4 + ["train"] * 5


def test_patients_with_and_without_a_finding_are_divided_and_their_findings_put_aside() -> None:
    frames = [(f"p{patient}", label) for patient in range(8) for label in ["normal"] * 4 + ["abnormal"]]
    index = pd.DataFrame(frames, columns=["group", "label"]).assign(finding="", split="")
    index["split"] = split_prepared(index, 0.25, 0.25, 0)
    counts = index.groupby(["split", "label"]).size().to_dict()
    assert counts == {
        ("test", "abnormal"): 2, ("test", "normal"): 8, ("train", "normal"): 16, ("unused", "abnormal"): 6, ("val", "normal"): 8,
    }  # fmt: skip


def test_one_healthy_patient_among_many_is_not_all_that_is_learnt_from() -> None:
    frames = [(f"p{patient}", label) for patient in range(8) for label in ("normal", "normal", "abnormal")]
    index = pd.DataFrame([*frames, ("healthy", "normal")], columns=["group", "label"]).assign(finding="", split="")
    index["split"] = split_prepared(index, 0.25, 0.25, 0)
    assert index[index["label"] == "normal"]["split"].value_counts().to_dict() == {"train": 9, "test": 4, "val": 4}


@pytest.mark.parametrize("split", ["", "train"])
def test_frames_that_show_nothing_move_no_other(split: str) -> None:
    index = normals(40).assign(blanked=0.2, split=split)
    blank = pd.DataFrame({"group": ["a", "g0007b", "z"], "label": "normal", "finding": "cecum", "split": split, "blanked": 0.95})
    both = split_prepared(pd.concat([blank, index], ignore_index=True), 0.2, 0.3, 0)
    assert both[3:] == split_prepared(index, 0.2, 0.3, 0) and set(both[:3]) <= {"train", "val", "test"}


# frames of archives and folders


pairs = st.lists(st.tuples(st.integers(0, 9), st.sampled_from(["normal", "abnormal", ""])), min_size=1, max_size=40)
given_splits = st.dictionaries(st.integers(0, 9), st.sampled_from(["train", "val", "test"]))


@given(pairs, given_splits, st.integers(0, 3))
def test_no_group_is_in_two_splits_and_given_splits_stay(drawn: list[tuple[int, str]], stated: dict[int, str], seed: int) -> None:
    frames = pd.DataFrame(drawn, columns=["group", "label"])
    frames["split"] = [stated.get(group, "") for group, _ in drawn]
    frames["group"] = frames["group"].astype(str)
    split = split_archive(frames, seed)
    used = split != "unused"
    assert (split[used].groupby(frames["group"][used]).nunique() == 1).all()
    assert set(split) <= {"train", "val", "test", "unused"}
    assert set(frames["label"][split.isin(["train", "val"])]) <= {"normal"}
    stays = used & frames["split"].isin(["val", "test"])
    assert split[stays].equals(frames["split"][stays])


def test_a_small_group_is_val_where_the_large_ones_are_too_large() -> None:
    frames = pd.DataFrame({"group": [*"aaaaaaaaab"], "label": "normal", "split": "train"})
    assert split_archive(frames, 0).tolist() == ["train"] * 9 + ["val"]
