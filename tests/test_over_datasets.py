"""Ranks over data sets: the published worked example, second implementations, and what few data sets allow."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from medgen.metrics.comparing.over_datasets import critical_difference, friedman, iman_davenport, ranks_in_datasets, wilcoxon
from medgen.report.study.over_datasets import (
    PartResult,
    datasets_csv,
    datasets_tex,
    limits,
    metrics_over_datasets,
    rank_over_datasets,
)
from medgen.report.study.over_datasets_page import render

# AUC of four decision trees on 14 data sets, table 6 of Demšar 2006; "voting" has two equal rounded values that he ranks 2 and 3
TREES = np.array(
    [
        (0.763, 0.768, 0.771, 0.798),
        (0.599, 0.591, 0.590, 0.569),
        (0.954, 0.971, 0.968, 0.967),
        (0.628, 0.661, 0.654, 0.657),
        (0.882, 0.888, 0.886, 0.898),
        (0.936, 0.931, 0.916, 0.931),
        (0.661, 0.668, 0.609, 0.685),
        (0.583, 0.583, 0.563, 0.625),
        (0.775, 0.838, 0.866, 0.875),
        (1.000, 1.000, 1.000, 1.000),
        (0.940, 0.962, 0.965, 0.962),
        (0.619, 0.666, 0.614, 0.669),
        (0.972, 0.981, 0.9751, 0.975),
        (0.957, 0.978, 0.946, 0.970),
    ]
)


def test_mean_ranks_are_those_of_the_published_example() -> None:
    assert ranks_in_datasets(TREES).mean(axis=0) == pytest.approx([3.143, 2.000, 2.893, 1.964], abs=5e-4)


def test_the_f_of_iman_and_davenport_is_that_of_the_published_example() -> None:
    assert iman_davenport(9.28, 14, 4) == pytest.approx(3.69, abs=0.005)


def test_friedmans_statistic_is_corrected_for_ties() -> None:
    ranks = stats.rankdata(-TREES, axis=1)
    between = 14**2 * ((ranks.mean(axis=0) - 2.5) ** 2).sum()  # ranks of 4 have the mean 2.5
    expected = 3 * between / ((ranks - 2.5) ** 2).sum()
    ours = friedman(TREES)
    assert (ours.chi2, ours.p) == pytest.approx((expected, stats.chi2.sf(expected, 3)), rel=1e-9)


def test_no_method_differs_where_all_values_are_equal() -> None:
    assert friedman(np.ones((4, 3))).p_f == 1


def test_every_data_set_alike_gives_an_f_without_bound() -> None:
    assert friedman(np.tile([0.9, 0.8, 0.7], (4, 1)))[2:] == (np.inf, 0)


@pytest.mark.parametrize(("n", "k", "difference"), [(14, 4, 1.25), (14, 5, 1.63), (4, 3, 1.657)])
def test_the_critical_difference_is_that_of_the_published_table(n: int, k: int, difference: float) -> None:
    assert critical_difference(n, k, 0.05) == pytest.approx(difference, abs=0.005)


@pytest.mark.parametrize("ties", [False, True])
def test_wilcoxons_p_counts_every_pattern_of_signs(ties: bool) -> None:
    differences = np.array([0.02, -0.01, 0.05, 0.05 if ties else 0.07, 0.11, -0.03, 0.13])
    ranks = stats.rankdata(np.abs(differences))
    signs = np.array([*product((0, 1), repeat=7)])
    off = abs(ranks[differences > 0].sum() - 14)  # half of 1 + 2 + ... + 7
    assert wilcoxon(differences) == pytest.approx(np.mean(abs(signs @ ranks - 14) >= off - 1e-9))


def test_wilcoxons_p_of_many_data_sets_is_the_normal_one() -> None:
    differences = np.random.default_rng(0).normal(0.3, 1, 60)
    ranks = stats.rankdata(np.abs(differences))
    z = (ranks[differences > 0].sum() - 60 * 61 / 4) / np.sqrt(60 * 61 * 121 / 24)
    assert wilcoxon(differences) == pytest.approx(2 * stats.norm.sf(abs(z)), rel=1e-6)


def test_four_data_sets_give_no_smaller_p_than_an_eighth() -> None:
    assert wilcoxon(np.array([0.1, 0.1, 0.1, 0.1])) == 0.125


def test_equal_values_on_all_data_sets_are_no_difference() -> None:
    assert wilcoxon(np.zeros(4)) == 1


def test_few_data_sets_say_that_nemenyi_can_tell_nothing_apart() -> None:
    assert limits(3, 3, 0.05)[0].endswith("they can differ by 2 at most.") and "1.91" in limits(3, 3, 0.05)[0]
    assert limits(2, 3, 0.05)[0].endswith("they can differ by 2 at most: this test can tell no two entries apart.")


def test_few_data_sets_say_how_many_wilcoxon_would_take() -> None:
    assert limits(4, 3, 0.05)[1].endswith("for 3 pairs: it can call no pair different. That takes 7 data sets or more.")


def test_an_entry_without_a_value_of_a_data_set_is_left_out_of_the_ranks() -> None:
    values = pd.DataFrame({"a": [0.9, 0.8], "b": [0.7, 0.6], "c": [0.5, 0.6], "d": [0.8, np.nan]}, index=["x", "y"])
    assert rank_over_datasets(values)["left_out"] == ["d"]


def test_bars_join_what_differs_by_less_than_the_critical_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medgen.report.study.over_datasets.wilcoxon", lambda differences: 1.0)  # no part in the bars
    ranks = rank_over_datasets(pd.DataFrame(TREES, columns=list("abcd")))
    assert ranks["cliques"] == [["d", "b", "c", "a"]]  # 3.143 - 1.964 = 1.179 < 1.254


def part(dataset: str, shots: str, values: dict[str, float]) -> PartResult:
    """Return what a study found, as far as the page of several looks at it."""
    entries = [
        {"name": name, "runs": [{}], "summary": {"auroc": {"value": value, "low": value - 0.1, "high": value + 0.1, "seeds": {}}}}
        for name, value in values.items()
    ]
    frames = {"normal": 8, "abnormal": 8, "groups": 4}
    metrics = {"entries": entries, "failures": [], "frames": frames, "caution": ""}
    return PartResult(dataset, shots, 4 if shots == "4" else 16, f"datasets/{dataset}/{shots}/report.html", metrics)


@pytest.fixture(scope="module")
def metrics() -> dict[str, object]:
    values = {"one": 0.9, "two": 0.8, "three": 0.7}
    parts = [part(name, shots, values) for name in ("x", "<b>y") for shots in ("all", "4")]
    failed = PartResult("z", "all", 3, "", {}, "no test frames")
    return metrics_over_datasets("Title & more", list(values), [*parts, failed], {}, ["medgen compare study.toml --out S"])


def test_a_data_set_that_could_not_be_opened_is_named_with_its_reason(metrics: dict[str, object]) -> None:
    assert {"dataset": "z", "shots": "all", "name": "one, two, three", "reason": "no test frames"} in metrics["missing"]  # type: ignore[operator]


def test_a_data_set_without_values_leaves_no_ranks(metrics: dict[str, object]) -> None:
    assert "ranks take 3 entries" in metrics["ranks"]["reason"]  # type: ignore[index]


def test_names_on_the_page_are_escaped(metrics: dict[str, object]) -> None:
    page = render(metrics)
    assert "&lt;b&gt;y" in page and "<b>y" not in page


def test_the_table_has_a_row_for_each_result(metrics: dict[str, object]) -> None:
    assert len(datasets_csv(metrics).splitlines()) == 1 + 12


def test_the_table_for_a_paper_is_escaped(metrics: dict[str, object]) -> None:
    assert "Title \\& more" in datasets_tex(metrics)
