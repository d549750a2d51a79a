"""The frames of a comparison: the telling ones as pictures, all as rows, within a number of bytes."""

from __future__ import annotations

import json
from base64 import b64decode
from dataclasses import replace
from io import BytesIO

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from studies import make_comparison, make_frames

from medgen.report.study.comparison import Comparison
from medgen.report.study.frame_pictures import frame_pictures
from medgen.report.study.frame_ranks import RankedFrames, choose_frames, rank_frames
from medgen.report.study.frame_table import frame_table
from medgen.report.study.summary import entry_names


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    return make_comparison(side=64)


def test_disagreement_is_the_largest_minus_the_smallest_quantile(comparison: Comparison) -> None:
    quantiles = pd.concat([entry.runs[0].scores["quantile"] for entry in comparison.entries], axis=1)
    np.testing.assert_allclose(rank_frames(comparison.entries).disagreement, quantiles.max(axis=1) - quantiles.min(axis=1))


def test_a_run_without_quantiles_is_placed_by_rank(comparison: Comparison) -> None:
    first = comparison.entries[0]
    bare = replace(first.runs[0], scores=first.runs[0].scores.drop(columns="quantile"))
    found = rank_frames([replace(first, runs=[bare])]).quantiles[0]
    np.testing.assert_allclose(found, bare.scores["score"].rank() / len(bare.scores))


def test_the_frames_that_matter_are_chosen(comparison: Comparison) -> None:
    ranked, names = rank_frames(comparison.entries), entry_names(comparison)
    table = comparison.entries[0].runs[0].scores
    chosen = choose_frames(table, ranked, names, 40)
    assert len(chosen) == 40
    assert int(np.argmax(ranked.disagreement)) in chosen
    for entry in comparison.entries:
        scores = entry.runs[0].scores
        assert scores.index[scores["label"] == "normal"][scores["score"][scores["label"] == "normal"].argmax()] in chosen
        assert scores.index[scores["label"] == "abnormal"][scores["score"][scores["label"] == "abnormal"].argmin()] in chosen
    assert set(table["finding"].iloc[list(chosen)]) == set(table["finding"])


def test_a_finding_of_which_no_frame_has_a_score_asks_for_no_picture() -> None:
    table = pd.DataFrame({"label": ["normal", "abnormal"], "finding": ["good", "bad"]})
    scores, unscored = np.array([[1.0, np.nan]]), np.array([[0, -1]], np.int8)
    chosen = choose_frames(table, RankedFrames(scores, scores, unscored, np.zeros(2)), ["one"], 9)
    assert chosen == {0: "among the most anomalous normal frames for one"}


def test_reasons_name_the_backend_that_they_are_about(comparison: Comparison) -> None:
    chosen = choose_frames(comparison.entries[0].runs[0].scores, rank_frames(comparison.entries), entry_names(comparison), 60)
    wanted = {f"among the most anomalous normal frames for {name}" for name in entry_names(comparison)}
    assert wanted <= set(chosen.values())


def test_pictures_are_those_of_the_backend(comparison: Comparison) -> None:
    found = frame_pictures(comparison, entry_names(comparison), rank_frames(comparison.entries))
    row = next(iter(found))
    for entry, part in zip(comparison.entries, found[row]["entries"], strict=True):
        view = entry.frame_views([row])[0]
        assert (part["reconstruction"] is None) == (view.reconstruction is None)
        if view.reconstruction is not None:
            drawn = np.asarray(Image.open(BytesIO(b64decode(part["reconstruction"].split(",")[1]))), dtype=float)
            assert np.abs(drawn - view.reconstruction).mean() < 6


def test_the_contour_runs_around_the_finding(comparison: Comparison) -> None:
    found = frame_pictures(comparison, entry_names(comparison), rank_frames(comparison.entries))
    row, frame = next((row, frame) for row, frame in found.items() if frame["contour"])
    mask = comparison.entries[0].frame_views([row])[0].mask
    assert mask is not None
    points = np.array([pair.split(",") for pair in frame["contour"].strip("MZ").split(" ")], dtype=float)
    y, x = np.nonzero(mask)
    np.testing.assert_allclose(
        [*points.min(0), *points.max(0)], [x.min() + 0.5, y.min() + 0.5, x.max() + 0.5, y.max() + 0.5], atol=1
    )


def test_pictures_stay_within_their_bytes(comparison: Comparison) -> None:
    found = frame_pictures(comparison, entry_names(comparison), rank_frames(comparison.entries), budget=100_000)
    assert 0 < len(json.dumps(list(found.values()))) <= 100_000


def test_rows_hold_every_frame_in_its_place(comparison: Comparison) -> None:
    found = frame_table(comparison, entry_names(comparison), rank_frames(comparison.entries), [3, 1])
    table = comparison.entries[1].runs[0].scores
    assert found["row"] == list(range(len(table))) and found["path"] == list(table["path"])
    np.testing.assert_allclose(found["entries"][1]["score"], table["score"], rtol=1e-3)
    assert found["entries"][1]["flagged"] == table["abnormal"].astype(int).tolist()
    assert [found["findings"][code] for code in found["finding"]] == list(table["finding"])


def test_rows_over_the_budget_leave_out_those_that_backends_agree_about(comparison: Comparison) -> None:
    ranked = rank_frames(comparison.entries)
    found = frame_table(comparison, entry_names(comparison), ranked, [0], budget=6000)
    others = [row for row in found["row"] if row != 0]
    assert 10 < len(found["row"]) < found["total"] == 120 and 0 in found["row"]
    assert ranked.disagreement[others].min() >= np.delete(ranked.disagreement, found["row"]).max()


def test_hidden_characters_of_a_path_are_shown() -> None:
    frames = make_frames(10, 10)
    made = make_comparison(frames=frames.assign(path="a\u202e\udcff" + frames["path"]), seeds=1)
    found = frame_table(made, entry_names(made), rank_frames(made.entries), [])
    assert found["path"][0].startswith(r"a\u202e\udcff")
