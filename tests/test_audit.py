"""The audit of traits against scikit-learn and brute force, and how a page shows it."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from run_results import make_results, report_page
from sklearn.metrics import roc_auc_score

from medgen.metrics.detection import auroc, bootstrap
from medgen.metrics.strata import matched, quarters, stratified_auroc
from medgen.report.auditing.audit import examine, headlines, measure_shortcuts, separation

PAIRS = ["kind", "path", "split", "other", "other_split"]
NONE = pd.DataFrame(columns=PAIRS)
SEED = 3


def drawn(count: int = 60, shift: float = 1.0) -> tuple[NDArray[np.int_], NDArray[np.float64], NDArray[np.str_]]:
    """Labels, values that are higher by `shift` in abnormal frames, rounded so that some tie, and groups of two."""
    random = np.random.default_rng(SEED)
    labels = random.permutation(np.repeat([0, 1], [count // 3, count - count // 3]))
    values = np.round(random.normal(size=count) + shift * labels, 1)
    return labels, values, (np.arange(count) // 2).astype(str)


def pair_counting(labels: NDArray[Any], scores: NDArray[Any], subgroups: NDArray[Any]) -> float:
    """The share of pairs of an abnormal and a normal frame of one stratum in which the abnormal one scores higher."""
    pairs = [
        0.5 * (scores[a] == scores[n]) + (scores[a] > scores[n])
        for a, n in product(np.flatnonzero(labels == 1), np.flatnonzero(labels == 0))
        if subgroups[a] == subgroups[n]
    ]
    return float(np.mean(pairs))


def frames(labels: NDArray[np.int_]) -> pd.DataFrame:
    names = [f"{place}.jpg" for place in range(len(labels))]
    return pd.DataFrame({"id": names, "path": names, "label": np.array(["normal", "abnormal"])[labels], "group": ""})


def audited(shift: float, probe: float = 0.0, **traits: Any) -> dict[str, Any]:
    """The audit of one trait, brightness, whose classes lie `shift` apart, and of a baseline whose classes lie `probe` apart."""
    labels, values, _ = drawn(90, shift)
    baseline = np.random.default_rng(9).normal(size=90) + probe * labels
    table = pd.DataFrame({"brightness": values} | traits)
    return measure_shortcuts(frames(labels), table, baseline, {"model": values}, NONE, n_bootstrap=50)


@pytest.mark.parametrize("shift", [1.0, -1.0])
def test_the_area_of_a_trait_is_the_larger_one_of_scikit_learn(shift: float) -> None:
    labels, values, groups = drawn(shift=shift)
    expected = roc_auc_score(labels, values)
    found = separation(labels, values, groups, 100)
    assert found["auroc"]["value"] == pytest.approx(max(expected, 1 - expected))
    assert found["more"] == ("abnormal" if shift > 0 else "normal")


def test_the_interval_of_a_trait_does_not_depend_on_which_class_has_more_of_it() -> None:
    labels, values, groups = drawn()
    expected = bootstrap(auroc, labels, values, groups, 100)._asdict()
    assert separation(labels, values, groups, 100)["auroc"] == expected
    assert separation(labels, -values, groups, 100)["auroc"] == pytest.approx(expected)


def test_frames_without_the_trait_are_left_out_and_counted_out() -> None:
    labels, values, groups = drawn()
    known = np.arange(60) % 4 > 0
    found = separation(labels, np.where(known, values, np.nan), groups, 100)
    assert found["auroc"]["value"] == pytest.approx(roc_auc_score(labels[known], values[known]))
    assert (found["normal"], found["abnormal"]) == ((labels[known] == 0).sum(), (labels[known] == 1).sum())


def test_a_trait_that_one_class_lacks_has_no_area() -> None:
    labels, values, groups = drawn()
    assert separation(labels, np.where(labels, np.nan, values), groups, 100)["auroc"] == dict.fromkeys(("value", "low", "high"))


def test_the_stratified_area_is_that_of_counting_pairs() -> None:
    labels, values, _ = drawn()
    subgroups = np.random.default_rng(5).integers(0, 5, 60)
    assert stratified_auroc(labels, values, subgroups) == pytest.approx(pair_counting(labels, values, subgroups))


def test_weights_count_a_frame_as_often_as_they_say() -> None:
    labels, values, _ = drawn()
    random = np.random.default_rng(6)
    subgroups, weights = random.integers(0, 4, 60), random.integers(0, 3, (7, 60))
    found = stratified_auroc(labels, values, subgroups, weights)
    expected = [pair_counting(*(np.repeat(part, often) for part in (labels, values, subgroups))) for often in weights]
    assert found == pytest.approx(expected)


def test_a_score_that_sees_the_stratum_alone_is_at_chance_within_strata() -> None:
    labels, values, _ = drawn(shift=3)
    subgroups = quarters(values)
    assert auroc(labels, subgroups) > 0.85 and stratified_auroc(labels, subgroups, subgroups) == 0.5
    assert np.isnan(stratified_auroc(labels, subgroups, labels))


def test_within_one_stratum_value_and_interval_are_those_of_the_plain_area() -> None:
    labels, values, groups = drawn()
    found = examine(labels, values, groups, pd.DataFrame({"jpeg": np.ones(60)}), np.zeros(60, dtype=bool), 200)
    assert found["strata"][0]["auroc"] == pytest.approx(found["auroc"]) and found["strata"][0]["pairs"] == 1


def test_a_trait_with_few_values_has_a_stratum_for_each_and_one_for_none() -> None:
    assert quarters(np.array([0, 1, 1, np.nan, 0.0])).tolist() == [0, 1, 1, -1, 0]


def test_other_traits_are_cut_into_quarters_of_all_frames() -> None:
    values = np.random.default_rng(7).normal(size=400)
    expected = pd.qcut(values, 4, labels=False)
    assert quarters(values).tolist() == expected.tolist()


def test_a_binary_trait_is_matched_by_the_value_that_allows_most_pairs() -> None:
    labels, box = np.array([0, 0, 0, 1, 1, 1, 1]), np.array([1, 1, 1, 1, 1, 0, 0.0])
    rows, where = matched(labels, box) or (np.zeros(7), "")
    assert rows.tolist() == [True] * 5 + [False] * 2 and where == "with it"


def test_any_other_trait_is_matched_on_the_overlap_of_what_is_usual_in_each_class() -> None:
    labels, values, _ = drawn(600)
    rows, _ = matched(labels, values) or (np.zeros(600), "")
    low, high = np.percentile(values[labels == 1], 5), np.percentile(values[labels == 0], 95)
    assert rows.tolist() == ((values >= low) & (values <= high)).tolist()


def test_classes_that_never_meet_have_no_matched_frames() -> None:
    labels, values, _ = drawn()
    assert matched(labels, values + 100 * labels) is None and matched(labels, labels.astype(float)) is None


def test_the_matched_area_is_that_of_scikit_learn_on_those_frames() -> None:
    labels, values, groups = drawn()
    box = (np.arange(60) % 3 > 0).astype(float)
    found = examine(labels, values, groups, pd.DataFrame({"black_box": box}), np.zeros(60, dtype=bool), 50)
    matched = found["strata"][0]["matched"]
    assert matched["auroc"]["value"] == pytest.approx(roc_auc_score(labels[box == 1], values[box == 1]))
    assert matched["normal"] + matched["abnormal"] == 40


def test_without_leaked_frames_the_area_is_that_of_scikit_learn_on_the_others() -> None:
    labels, values, _ = drawn()
    pairs = pd.DataFrame([("near", f"{place}.jpg", "test", "x.jpg", "train") for place in range(9)], columns=PAIRS)
    found = measure_shortcuts(frames(labels), pd.DataFrame({"brightness": values}), values, {"model": values}, pairs, 50)
    kept = found["models"]["model"]["without_duplicates"]
    assert kept["auroc"]["value"] == pytest.approx(roc_auc_score(labels[9:], values[9:])) and kept["normal"] < 20


def test_a_trait_over_the_limit_is_warned_of_and_one_below_is_not() -> None:
    found = audited(1.0, sharpness=np.random.default_rng(8).normal(size=90))
    assert [entry["trait"] for entry in found["traits"]] == ["brightness", "sharpness"]
    assert found["traits"][0]["auroc"]["value"] > 0.65 > found["traits"][1]["auroc"]["value"]
    assert len(found["warnings"]) == 1 and found["warnings"][0].startswith("The mean brightness alone tells")
    assert not found["too_easy"]
    (line,) = headlines(found)
    assert line.startswith("A trivial trait alone, the mean brightness (")
    assert line.endswith("what is left of the model without it.")
    assert "most of all" not in line


def test_without_a_strong_trait_nothing_is_said_on_top_and_the_model_is_examined_all_the_same() -> None:
    found = audited(0.0)
    assert not headlines(found) and [entry["trait"] for entry in found["models"]["model"]["strata"]] == ["brightness"]


def test_too_easy_is_said_of_a_trait_and_of_the_mean_frame() -> None:
    easy = audited(4.0)
    assert easy["traits"][0]["auroc"]["value"] >= 0.95
    assert [line[:28] for line in easy["too_easy"]] == ["Too easy: the mean brightnes"]
    probe = audited(0.0, probe=4.0)
    assert not probe["warnings"] and "distance from the mean normal frame" in probe["too_easy"][0]


def test_frames_without_a_label_count_for_nothing() -> None:
    labels, values, _ = drawn()
    table = frames(labels)
    more = pd.concat([table, table.assign(label="", id="u", path="u")], ignore_index=True)
    twice = np.concatenate([values, values + 50])
    whole, alone = (
        measure_shortcuts(rows, pd.DataFrame({"brightness": part}), part, {"m": part}, NONE, 50)
        for rows, part in ((more, twice), (table, values))
    )
    assert whole == alone


def test_the_page_shows_the_audit_and_says_the_gravest_on_top(tmp_path: Path) -> None:
    found = audited(4.0) | {"left_out": "<b>", "looked": True}
    page = report_page([make_results(audit=found)], tmp_path)
    value = found["traits"][0]["auroc"]["value"]
    assert f'<tr><th scope="row">mean brightness</th><td><data value="{value!r}">{value:.3f}</data>' in page.replace("\n", "")
    assert "Too easy" in page[: page.index("<section")] and "&lt;b&gt;" in page
    chart = (tmp_path / "figures" / "audit.svg").read_text()
    assert all(entry["title"] in chart for entry in (*found["traits"], found["baseline"]))
    assert json.loads((tmp_path / "metrics.json").read_text())["audit"]["traits"] == found["traits"]


def test_with_one_class_alone_the_page_names_the_traits_and_says_why_nothing_was_measured(tmp_path: Path) -> None:
    labels, values, _ = drawn()
    found = measure_shortcuts(frames(0 * labels), pd.DataFrame({"brightness": values}), values, {}, NONE) | {
        "left_out": "",
        "looked": False,
    }
    page = report_page([make_results(audit=found)], tmp_path)
    assert "Not measured: there are no abnormal frames" in page and "Looked at: mean brightness." in page
    assert "None were looked for" in page
