"""The numbers of a comparison: those of scikit-learn and of each run's own metrics, and a best only where the test says so."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jsonschema import Draft202012Validator
from run_results import make_results
from sklearn.metrics import average_precision_score, roc_auc_score
from studies import make_comparison, make_frames

import medgen.report.study
from medgen.errors import RunError
from medgen.files import json_values
from medgen.report.study.comparison import Comparison, Cost
from medgen.report.study.page import SIZES
from medgen.report.study.plots import shares
from medgen.report.study.summary import few_groups, study_metrics

SCHEMA = Draft202012Validator(
    json.loads((Path(medgen.report.study.__file__).parent / "metrics.schema.json").read_text(encoding="utf-8"))
)


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    return make_comparison()


@pytest.fixture(scope="module")
def metrics(comparison: Comparison) -> dict[str, Any]:
    return study_metrics(comparison)


def test_detection_is_the_mean_of_scikit_learn_over_the_seeds(comparison: Comparison, metrics: dict[str, Any]) -> None:
    for entry, found in zip(comparison.entries, metrics["entries"], strict=True):
        tables = [run.scores for run in entry.runs]
        for key, measure in (("auroc", roc_auc_score), ("average_precision", average_precision_score)):
            expected = [measure(table["label"] == "abnormal", table["score"]) for table in tables]
            assert found["summary"][key]["value"] == pytest.approx(np.mean(expected))
            assert found["summary"][key]["seeds"]["std"] == pytest.approx(np.std(expected, ddof=1))


def test_a_single_seed_has_the_values_of_its_own_report() -> None:
    alone = make_comparison(seeds=1)
    for entry, found in zip(alone.entries, study_metrics(alone, n_bootstrap=20)["entries"], strict=True):
        own = entry.runs[0].metrics["detection"]
        few = [found["summary"][key] for key in ("auroc", "average_precision", "sensitivity_at_95_specificity")]
        assert [cell["value"] for cell in few] == pytest.approx(
            [own[key]["value"] for key in ("auroc", "average_precision", "sensitivity_at_95_specificity")]
        )
        assert all(cell["seeds"] == {} for cell in few)


def test_a_single_seed_has_the_interval_of_its_own_report() -> None:
    alone = make_comparison(seeds=1, skills={"endovae": 1.4})
    own, found = alone.entries[0].runs[0].metrics, study_metrics(alone, n_bootstrap=20)["entries"][0]["summary"]
    assert found["auroc"]["low"] == pytest.approx(own["detection"]["auroc"]["low"])
    assert found["auroc"]["high"] == pytest.approx(own["detection"]["auroc"]["high"])


def test_reconstruction_is_that_of_each_run_s_own_metrics(comparison: Comparison, metrics: dict[str, Any]) -> None:
    runs = comparison.entries[0].runs
    expected = np.mean([run.metrics["quality"]["normal"]["psnr"]["mean"] for run in runs])
    found = metrics["entries"][0]["summary"]["psnr"]
    assert found["value"] == pytest.approx(expected) and found["low"] < found["value"] < found["high"]


def test_more_draws_are_made_where_there_are_many_pairs() -> None:
    many = make_comparison(20, 20, {f"b{n}": n / 5 for n in range(9)}, seeds=1)
    found = study_metrics(many, n_bootstrap=100)
    assert found["bootstrap"]["draws"] == 80 * 36
    assert any(pair["differ"] for pair in found["pairs"])


def test_the_best_is_named_only_where_it_beats_every_other_one() -> None:
    clear = study_metrics(make_comparison(skills={"good": 3.0, "poor": 0.5, "poorer": 0.2}))
    close = study_metrics(make_comparison(skills={"good": 2.0, "as good": 2.0, "poor": 0.2}))
    assert clear["verdicts"]["auroc"]["best"] == "good"
    assert close["verdicts"]["auroc"]["best"] is None and len(close["verdicts"]["auroc"]["alike"]) == 1


def test_few_groups_call_no_difference_real() -> None:
    frames = make_frames(60, 60)
    few = frames.assign(group=[f"patient {row % 9}" for row in frames.index])
    found = study_metrics(make_comparison(skills={"good": 3.0, "poor": 0.2}, frames=few))
    assert "9 of normal frames and 9 of abnormal frames" in found["caution"]
    assert found["verdicts"]["auroc"]["best"] is None and not any(pair["differ"] for pair in found["pairs"])
    assert any(pair["p_holm"] < 0.05 for pair in found["pairs"])


def test_frames_of_one_label_are_not_told_of_their_groups() -> None:
    labels, groups = np.array(["normal", "normal", "abnormal"]), np.array(["a", "b", "c"])
    assert few_groups(labels, groups).startswith("The frames come from few groups") and "2 of normal" in few_groups(
        labels, groups
    )
    assert few_groups(labels[:2], groups[:2]) == "" == few_groups(labels.repeat(10), np.arange(30))


def test_one_entry_alone_is_not_the_best_of_anything() -> None:
    found = study_metrics(make_comparison(skills={"endovae": 1.4}))
    assert found["pairs"] == [] and found["verdicts"]["auroc"] == {"best": None, "leader": "endovae", "alike": []}


def test_bands_hold_their_curves_and_the_sensitivity_of_the_summary(metrics: dict[str, Any]) -> None:
    for entry in metrics["entries"]:
        for curve in (entry["roc"], entry["precision_recall"]):
            assert np.all(np.array(curve["low"]) <= np.array(curve["high"]))
        assert entry["roc"]["false_alarms"][5] == 0.05
        assert entry["roc"]["value"][5] == entry["summary"]["sensitivity_at_95_specificity"]["value"]


def test_shares_of_a_finding_are_means_over_the_seeds(comparison: Comparison, metrics: dict[str, Any]) -> None:
    row = next(row for row in metrics["entries"][0]["findings"] if row["finding"] == "polyps")
    tables = [run.scores[run.scores["finding"] == "polyps"] for run in comparison.entries[0].runs]
    assert row["flagged"]["value"] == pytest.approx(np.mean([table["abnormal"].mean() for table in tables]))


def test_sizes_come_in_their_order(metrics: dict[str, Any]) -> None:
    names = [row["name"] for row in metrics["entries"][0]["groups"]["size of the finding"]]
    assert names == sorted(names, key=lambda name: int(name.split()[0])) and len(names) == 4


def test_a_class_of_size_is_one_row_of_the_figure_whatever_each_entry_counts_in_it(metrics: dict[str, Any]) -> None:
    first, second = deepcopy(metrics["entries"][:2])
    rows = first["groups"][SIZES]
    rows[0]["abnormal"] += 1  # entries that see frames at different sizes
    figure = shares([first, second], SIZES)
    assert figure is not None
    counts = [(row["abnormal"], other["abnormal"]) for row, other in zip(rows, second["groups"][SIZES], strict=True)]
    spans = [f"{counts[0][1]} to {counts[0][0]}", *(str(count) for count, _ in counts[1:])]
    titles = [label.get_text() for label in figure.axes[-1].get_yticklabels()]
    assert titles == [f"{row['name']} ({span})" for row, span in zip(rows, spans, strict=True)]


def test_a_class_of_size_that_only_a_later_entry_has_is_drawn_in_its_place(metrics: dict[str, Any]) -> None:
    first, second = deepcopy(metrics["entries"][:2])
    names = [row["name"] for row in first["groups"][SIZES]]
    del first["groups"][SIZES][1]
    figure = shares([first, second], SIZES)
    assert figure is not None
    assert [label.get_text().rpartition(" (")[0] for label in figure.axes[-1].get_yticklabels()] == names


def test_costs_that_were_not_recorded_stay_unknown(comparison: Comparison) -> None:
    first = comparison.entries[0]
    bare = replace(first, costs=[Cost(None, None, None, None)] * len(first.runs))
    found = study_metrics(replace(comparison, entries=[bare, *comparison.entries[1:]]), n_bootstrap=20)
    assert found["entries"][0]["summary"]["training_seconds"]["value"] is None
    assert found["entries"][1]["summary"]["training_seconds"]["value"] == pytest.approx(120.5)


@pytest.mark.parametrize("missing", ["normal", "abnormal"])
def test_one_class_alone_leaves_detection_undefined(missing: str) -> None:
    found = study_metrics(make_comparison(**{f"{missing}s": 0}, audit={}), n_bootstrap=20)
    assert found["entries"][0]["summary"]["auroc"] == {"value": None, "low": None, "high": None, "seeds": {}}
    assert found["verdicts"]["auroc"]["leader"] is None and found["ranks"]["reason"]
    assert not list(SCHEMA.iter_errors(found))


def test_runs_on_other_frames_are_refused_by_name(comparison: Comparison) -> None:
    other = make_comparison(frames=make_frames(60, 60).assign(path=[f"other/{n}.jpg" for n in range(120)]))
    with pytest.raises(RunError, match="'patchcore-0' was not scored on the frames of 'featvae-0'"):
        study_metrics(replace(comparison, entries=[comparison.entries[0], other.entries[1]]))


def test_nothing_to_compare_is_refused(comparison: Comparison) -> None:
    with pytest.raises(RunError, match="no run to compare"):
        study_metrics(replace(comparison, entries=[]))


def test_metrics_of_a_comparison_and_of_a_run_follow_the_schema(metrics: dict[str, Any]) -> None:
    run = json_values(make_results().metrics)
    for document in (metrics, run, {"one": run, "other": run}):
        assert list(SCHEMA.iter_errors(json.loads(json.dumps(document)))) == []


@pytest.mark.parametrize("change", [{"entries": []}, {"format": "2"}, {"alpha": "0.05"}, {"surprise": 1}])
def test_the_schema_refuses_what_is_not_a_comparison(metrics: dict[str, Any], change: dict[str, Any]) -> None:
    assert list(SCHEMA.iter_errors(metrics | change))
