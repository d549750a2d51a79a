"""Detection by groups of frames."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest
from sklearn.metrics import roc_auc_score

from medgen.report.groups import MOST, by_group, size_classes

DRAW = np.random.default_rng(0)


def table() -> pd.DataFrame:
    """60 frames of two hospitals, and 20 of a third that has abnormal ones alone."""
    label = ["normal", "abnormal"] * 30 + ["abnormal"] * 20
    score = DRAW.normal(size=80) + np.where(np.array(label) == "abnormal", 1, 0)
    place = ["a"] * 30 + ["b"] * 30 + ["c"] * 20
    frames = pd.DataFrame({"label": label, "score": score, "group": [f"g{k}" for k in range(80)], "place": place})
    return frames.assign(abnormal=frames["score"] > 1)


def test_a_group_with_both_classes_is_measured_within_itself() -> None:
    frames = table()
    entry = by_group(frames, frames["place"].tolist(), n_bootstrap=50)[1]
    rows = frames[frames["place"] == "b"]
    assert entry["name"] == "b" and entry["against"] == "its own normal frames"
    assert entry["auroc"]["value"] == pytest.approx(roc_auc_score(rows["label"] == "abnormal", rows["score"]))


def test_a_group_of_abnormal_frames_is_measured_against_all_normal_ones() -> None:
    frames = table()
    entry = by_group(frames, frames["place"].tolist(), n_bootstrap=50)[2]
    rows = frames[(frames["place"] == "c") | (frames["label"] == "normal")]
    assert entry["against"] == "all normal frames" and entry["flagged_normal"] == {}
    assert entry["auroc"]["value"] == pytest.approx(roc_auc_score(rows["label"] == "abnormal", rows["score"]))


def test_shares_flagged_have_exact_intervals() -> None:
    frames = table()
    entry = by_group(frames, frames["place"].tolist(), n_bootstrap=50)[2]
    flagged = int(frames["abnormal"][60:].sum())
    expected = binomtest(flagged, 20).proportion_ci(method="exact")
    assert [*entry["flagged_abnormal"].values()] == pytest.approx([flagged / 20, expected.low, expected.high])


@pytest.mark.parametrize("values", [["x"] * 80, [str(k % (MOST + 1)) for k in range(80)], [""] * 79 + ["x"]])
def test_one_group_or_too_many_are_no_grouping(values: list[str]) -> None:
    assert by_group(table(), values, n_bootstrap=50) == []


def test_frames_without_a_group_are_in_none() -> None:
    frames = table()
    values = [place if place != "a" else "" for place in frames["place"]]
    assert [entry["name"] for entry in by_group(frames, values, n_bootstrap=50)] == ["b", "c"]


def test_sizes_of_findings_have_stated_classes() -> None:
    found = size_classes([float("nan"), 0.0099, 0.01, 0.049, 0.2, 1.0])
    assert found == ["", "0 to 1 % of the frame", *["1 to 5 % of the frame"] * 2, *["20 to 100 % of the frame"] * 2]
