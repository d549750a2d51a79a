"""One score for a patient, a video or a volume: by hand, against scikit-learn, and with the guarantee at the level of groups."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score
from untrained import make_frames, make_run

from medgen.data.prepared import Prepared
from medgen.metrics.aggregate import by_unit, highest, noisy_or, top_mean
from medgen.report.localisation.group_scores import GroupedFrames, group_labels, score_groups
from medgen.report.markup import environment
from medgen.runs.datasets import open_trained_on
from medgen.runs.group_scores import FILE, GROUP, SHARED, group_kinds, grouped_scores, validation_scorer
from medgen.runs.run import Run
from medgen.runs.score_table import ScoreTable
from medgen.runs.scores import score_rows

# aggregation


def test_the_highest_frame_and_the_mean_of_the_highest_tenth_by_hand() -> None:
    scores = np.arange(20.0)
    assert (highest(scores), top_mean(scores)) == (19.0, 18.5)
    assert top_mean(np.array([3.0, 1.0])) == 3.0  # of one frame at least


def test_the_noisy_or_is_the_logarithm_of_its_complement() -> None:
    p = np.array([0.5, 0.2, 1.0])
    chance = 1 - (1 - 0.5) * (1 - 0.8) * (1 - 0.0)
    assert noisy_or(p) == pytest.approx(-np.log(1 - chance))


def test_groups_are_aggregated_as_pandas_does_whatever_the_order() -> None:
    random = np.random.default_rng(0)
    values, groups = random.normal(size=40), random.choice(["b", "a", "c"], 40)
    names, found = by_unit(values, groups, highest)
    expected = pd.Series(values).groupby(groups).max()
    assert names.tolist() == [*expected.index] and found == pytest.approx(expected.to_numpy())


def test_a_group_is_abnormal_if_any_frame_is_and_normal_if_all_are() -> None:
    labels = np.array(["normal", "abnormal", "normal", "normal", "normal", ""])
    found = group_labels(labels, np.array([*"aabbcc"]))
    assert found.to_dict() == {"a": "abnormal", "b": "normal", "c": ""}


# measures and thresholds


def videos(count: int, shift: float = 0.0, seed: int = 0, name: str = "video") -> GroupedFrames:
    """Videos of five frames that resemble each other."""
    random = np.random.default_rng(seed)
    level = random.normal(size=count) + shift
    scores = (level[:, None] + 0.3 * random.normal(size=(count, 5))).ravel()
    return GroupedFrames(scores, np.repeat([f"{name} {k}" for k in range(count)], 5))


def joined(one: GroupedFrames, other: GroupedFrames) -> GroupedFrames:
    return GroupedFrames(*(np.concatenate(parts) for parts in zip(one, other, strict=True)))


def test_groups_are_measured_as_scikit_learn_measures_their_scores() -> None:
    test = joined(videos(12, 0.0), videos(8, 1.0, 1, "other"))
    found = score_groups(test, np.repeat(["normal", "abnormal"], [60, 40]), None, 0.1, "none", n_bootstrap=100)
    scores = test.scores.reshape(20, 5).max(1)
    truth = np.repeat([0, 1], [12, 8])
    way = found["ways"][0]
    assert way["name"] == "max" and way["auroc"]["value"] == pytest.approx(roc_auc_score(truth, scores))
    assert way["average_precision"]["value"] == pytest.approx(average_precision_score(truth, scores))
    assert found["groups"] == {"normal": 12, "abnormal": 8} and found["frames_in_a_group"]["median"] == 5


def test_the_threshold_is_the_conformal_one_of_the_validation_groups() -> None:
    normals, test = videos(19, seed=2), videos(6, 3.0, 3)
    decided = score_groups(test, np.array(["abnormal"] * 30), normals, 0.1, n_bootstrap=10)["ways"][0]["decisions"]
    highest_of_each = np.sort(normals.scores.reshape(19, 5).max(1))
    assert decided["value"] == highest_of_each[17]  # ceil(20 x 0.9) = 18th of 19
    flagged = int((test.scores.reshape(6, 5).max(1) > decided["value"]).sum())
    assert (decided["groups"], decided["flagged_abnormal"]["count"], decided["flagged_abnormal"]["of"]) == (19, flagged, 6)


def test_the_noisy_or_is_calibrated_by_groups_that_told_none_of_its_p_values() -> None:
    found = score_groups(videos(6, seed=3), np.array(["normal"] * 30), videos(40, seed=2), 0.1, n_bootstrap=10)
    assert [(way["name"], way["decisions"]["groups"]) for way in found["ways"]] == [
        ("max", 40),
        ("top_mean", 40),
        ("noisy_or", 20),
    ]


def test_too_few_groups_give_no_threshold_and_one_line_that_says_so() -> None:
    way = score_groups(videos(6), np.array(["normal"] * 30), videos(7, seed=2), 0.05, n_bootstrap=10)["ways"][0]
    assert way["decisions"]["value"] is None and "flagged_normal" not in way["decisions"]
    assert way["decisions"]["reason"] == "a false-alarm rate of 5 % takes 19 groups of normal validation frames, and there are 7"


@pytest.mark.parametrize(("label", "tables"), [("normal", 1), ("abnormal", 0)])
def test_the_page_has_a_table_of_groups_only_where_it_has_numbers(label: str, tables: int) -> None:
    test = joined(videos(2), videos(2, name="other"))
    labels = np.where(np.char.startswith(test.groups, "other"), "abnormal", label)
    metrics = {"group_scores": {GROUP: score_groups(test, labels, None, 0.05, "for a test", n_bootstrap=20)}}
    page = str(environment().get_template("group_scores.html").module.group_scores(metrics))
    assert page.count("<table") == tables and ("No AUROC" in page) == (tables == 0)


@pytest.fixture(scope="module")
def alarms() -> dict[str, list[float]]:
    """Shares of normal test videos that are flagged in each of many divisions, by way; frames of a video resemble each other."""
    shares: dict[str, list[float]] = {"max": [], "top_mean": [], "noisy_or": []}
    for seed in range(40, 80):
        scores, groups = videos(60, seed=seed)
        normals, test = GroupedFrames(scores[:200], groups[:200]), GroupedFrames(scores[200:], groups[200:])
        for way in score_groups(test, np.array(["normal"] * 100), normals, 0.2, n_bootstrap=1)["ways"]:
            shares[way["name"]].append(way["decisions"]["flagged_normal"]["count"] / 20)
    return shares


@pytest.mark.parametrize("way", ["max", "top_mean", "noisy_or"])
def test_no_more_normal_groups_are_flagged_than_promised(alarms: dict[str, list[float]], way: str) -> None:
    mean, error = np.mean(alarms[way]), np.std(alarms[way]) / np.sqrt(40)
    assert 0.1 < mean <= 0.2 + 3 * error  # and not because nothing is flagged


# of a run


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Prepared]:
    """A run and its data set, in which every two frames are of one patient, and every four of one file."""
    root = tmp_path_factory.mktemp("groups")
    run = make_run(make_frames(root / "frames"), root / "run")
    data = open_trained_on(run)
    number = np.arange(len(data.index))
    groups, paths = [f"patient {k}" for k in number // 2], [f"scan{k // 4}.nii#{k % 4}" for k in number]
    return run, replace(data, index=data.index.assign(group=groups, path=paths))


def of_test(run: Run, data: Prepared, folder: Path) -> ScoreTable:
    return score_rows(run, data, data.rows("test"), folder, device="cpu")


def test_groups_and_files_of_a_run_have_their_thresholds_from_validation_groups(
    opened: tuple[Run, Prepared], tmp_path: Path
) -> None:
    run, data = opened
    model = run.trained_model()
    scorer = validation_scorer(run, model, tmp_path, "cpu")
    found = grouped_scores(run, of_test(run, data, tmp_path / "scores"), group_kinds, scorer)
    assert [*found] == [GROUP, FILE]
    assert [found[kind]["ways"][0]["decisions"]["groups"] for kind in (GROUP, FILE)] == [12, 6]  # of 24 validation frames
    assert "takes 19 groups of normal validation frames, and there are 12" in found[GROUP]["ways"][0]["decisions"]["reason"]


def test_groups_that_validation_and_test_share_give_no_threshold(opened: tuple[Run, Prepared], tmp_path: Path) -> None:
    run, data = opened
    scorer = validation_scorer(run, run.trained_model(), tmp_path, "cpu")
    hospitals = lambda data, rows: {"hospital": ["north" if row % 2 else "south" for row in rows]}  # noqa: E731
    found = grouped_scores(run, of_test(run, data, tmp_path / "scores"), hospitals, scorer)
    assert {way["decisions"]["reason"] for way in found["hospital"]["ways"]} == {SHARED}


def test_frames_that_are_groups_of_their_own_need_no_validation_scores(opened: tuple[Run, Prepared], tmp_path: Path) -> None:
    run, data = opened
    alone = replace(data, index=data.index.assign(group="", path=[f"{k}.png" for k in range(len(data.index))]))
    assert grouped_scores(run, of_test(run, alone, tmp_path / "scores"), group_kinds, None) == {}


def test_labels_of_test_frames_change_no_score_or_threshold_of_a_group(opened: tuple[Run, Prepared], tmp_path: Path) -> None:
    run, data = opened
    scored = of_test(run, data, tmp_path / "scores")
    exchanged = scored.table["label"].map({"normal": "abnormal", "abnormal": "normal"})
    normals = GroupedFrames(np.random.default_rng(0).normal(size=40), np.repeat(np.arange(20).astype(str), 2))
    test = GroupedFrames(scored.table["score"].to_numpy(), np.array(group_kinds(data, scored.rows)[GROUP]))
    both = [labels.to_numpy(dtype=str) for labels in (scored.table["label"], exchanged)]
    found = [score_groups(test, labels, normals, 0.1, n_bootstrap=10) for labels in both]
    values = [[way["decisions"]["value"] for way in groups["ways"]] for groups in found]
    assert values[0] == values[1] and None not in values[0]
    assert found[0]["groups"]["normal"] == found[1]["groups"]["abnormal"]
