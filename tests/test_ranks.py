"""Mean ranks over draws, and which entries a bar joins."""

from __future__ import annotations

import matplotlib
import numpy as np
import pytest
from scipy.stats import rankdata

from medgen.report.plot_style import STYLE, new_figure
from medgen.report.study.rank_chart import draw_ranks
from medgen.report.study.ranks import cliques, rank_entries

DRAWN = {name: np.random.default_rng(place).normal(0.8 - place / 50, 0.02, 200) for place, name in enumerate("abcd")}
ALIKE = [{"measure": "auroc", "first": "a", "second": "b", "differ": False}]


def test_mean_ranks_are_those_of_scipy() -> None:
    expected = rankdata(-np.stack(list(DRAWN.values()), axis=1), axis=1).mean(axis=0)
    found = {entry["name"]: entry["mean"] for entry in rank_entries(DRAWN, ALIKE, 0.05)["ranks"]}
    assert [found[name] for name in DRAWN] == pytest.approx(expected)


def test_equal_entries_share_a_rank() -> None:
    found = rank_entries({"a": np.ones(9), "b": np.ones(9), "c": np.zeros(9)}, [], 0.05)["ranks"]
    assert [entry["mean"] for entry in found] == [1.5, 1.5, 3]


def test_a_bar_joins_those_that_the_test_cannot_tell_apart() -> None:
    other = [{"measure": "average_precision", "first": "c", "second": "d", "differ": False}]
    assert rank_entries(DRAWN, ALIKE + other, 0.05)["cliques"] == [["a", "b"]]


def test_a_set_is_joined_only_where_no_two_in_it_differ() -> None:
    assert cliques("abcd", [("a", "b"), ("b", "c"), ("c", "d"), ("b", "d")]) == [["a", "b"], ["b", "c", "d"]]


def test_all_alike_are_one_set() -> None:
    assert cliques("abc", [("a", "b"), ("a", "c"), ("b", "c")]) == [["a", "b", "c"]]


def test_none_alike_are_no_set() -> None:
    assert cliques("abc", []) == []


@pytest.mark.parametrize(
    ("drawn", "reason"),
    [
        ({"a": np.ones(3)}, "one backend"),
        ({"a": np.ones(3), "b": np.ones(3)}, "2 backends"),
        ({n: np.empty(0) for n in "abc"}, "groups"),
    ],
)
def test_why_there_are_no_ranks_is_said(drawn: dict[str, np.ndarray], reason: str) -> None:
    found = rank_entries(drawn, [], 0.05)
    assert reason in found["reason"] and not found["ranks"]


def test_the_diagram_has_a_bar_from_the_best_to_the_worst_of_a_set() -> None:
    found = rank_entries(DRAWN, ALIKE, 0.05)
    with matplotlib.rc_context(STYLE):
        _, (axes,) = new_figure(1, (5, 3))
        draw_ranks(axes, found)
    bars = [line.get_xdata() for line in axes.lines if line.get_linewidth() == 3]
    assert len(bars) == 1
    np.testing.assert_allclose(bars[0], [entry["mean"] for entry in found["ranks"][:2]])
