"""Frames without enough valid pixels: no part in a training or a calibration, no score, and no influence on any other frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from untrained import make_frames, make_run

from medgen.data.common_mask import common_mask, with_common_mask
from medgen.data.dataset import DataSettings, TrainingBatches
from medgen.data.native.addresses import open_dataset
from medgen.data.prepared import Prepared
from medgen.data.scorable import LEAST_VALID, NO_PIXEL, SCORED, is_scored, scorable, statuses, valid_shares
from medgen.errors import DataError
from medgen.report.evaluate import evaluate
from medgen.runs.calibrating.calibrate import calibrate
from medgen.runs.run import Run
from medgen.runs.score_table import ScoreTable
from medgen.runs.scores import score_rows


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    return open_dataset(f"folder:{make_frames(tmp_path_factory.mktemp('frames') / 'frames')}")


def blanked(data: Prepared, rows: Sequence[int], pixels: int = 0) -> Prepared:
    """Return the data set with so many valid pixels left of some of its frames."""
    valid = np.ones(data.valid.shape, bool)
    valid[rows] = False
    valid[rows, 0, :pixels] = True
    return replace(data, valid=valid, digest=f"{data.digest} without {list(rows)} {pixels}")


@pytest.fixture
def run(data: Prepared, tmp_path: Path) -> Run:
    return make_run(data.folder, tmp_path / "run")


def scored(run: Run, data: Prepared, out: str, rows: np.ndarray | None = None) -> ScoreTable:
    return score_rows(run, data, data.rows("test") if rows is None else rows, run.folder / out, device="cpu")


def test_a_share_is_that_of_the_pixels_that_a_run_is_shown(data: Prepared) -> None:
    rows = np.array([0, 1])
    own = blanked(data, [1], pixels=16)
    mask = np.zeros((32, 32), bool)
    mask[0] = True
    assert valid_shares(own, rows).tolist() == [1, 16 / 1024]
    assert valid_shares(own, rows, "keep").tolist() == [1, 1]
    assert valid_shares(with_common_mask(own, mask), rows, "common").tolist() == [32 / 1024, 16 / 1024]


def test_a_frame_at_the_bound_is_scored_and_one_pixel_less_is_not() -> None:
    assert statuses(np.array([LEAST_VALID, LEAST_VALID - 1e-6, 0.0])) == [SCORED, "fewer than 10 % valid pixels", NO_PIXEL]


def test_three_valid_pixels_are_too_few(data: Prepared) -> None:
    assert 5 not in scorable(blanked(data, [5], pixels=3), data.rows())


def test_training_leaves_them_out_and_counts_them(data: Prepared) -> None:
    first, *others = data.rows("train").tolist()
    batches = TrainingBatches(blanked(data, [first]), DataSettings(), 0)
    assert batches.rows.tolist() == others and batches.left_out == 1


def test_nothing_but_such_frames_cannot_be_trained_on(data: Prepared) -> None:
    with pytest.raises(DataError, match="8 of 8 training frames show fewer than 10 % valid pixels"):
        TrainingBatches(blanked(data, data.rows("train").tolist()), DataSettings(), 0)


def test_the_common_mask_does_not_know_of_them(data: Prepared) -> None:
    first = blanked(data, data.rows("train")[:1].tolist())
    assert common_mask(first).all()


def test_every_other_score_has_the_same_bits_without_them(run: Run, data: Prepared) -> None:
    rows = data.rows("test")
    blank = rows[[0, 3, 15]]
    among = scored(run, blanked(data, blank.tolist()), "among").table
    without = scored(run, data, "without", np.setdiff1d(rows, blank)).table
    others = among[is_scored(among)].reset_index(drop=True).astype({"abnormal": bool})
    pd.testing.assert_frame_equal(others, without, check_exact=True)


def test_their_numbers_and_decisions_are_empty(run: Run, data: Prepared) -> None:
    table = scored(run, blanked(data, data.rows("test")[:1].tolist()), "scores").table
    numbers = table.select_dtypes("number").drop(columns="valid_share")
    assert numbers.iloc[0].isna().all() and numbers.iloc[1:].notna().all(axis=None)
    assert pd.isna(table["abnormal"][0]) and table["status"][0] == NO_PIXEL and table["valid_share"][0] == 0


def test_cells_on_disk_are_empty_and_are_read_again_as_they_were_written(run: Run, data: Prepared) -> None:
    one = blanked(data, data.rows("test")[:1].tolist())
    first = scored(run, one, "scores").table
    again = scored(run, one, "scores").table
    line = (run.folder / "scores" / "scores.csv").read_text().splitlines()[1]
    assert ",no valid pixel,0.0,,," in line and "nan" not in line.lower()
    pd.testing.assert_frame_equal(first, again, check_exact=True)


def test_their_maps_are_not_a_number_and_those_of_others_are(run: Run, data: Prepared) -> None:
    maps = scored(run, blanked(data, data.rows("test")[2:3].tolist()), "scores").maps
    assert maps is not None and np.isnan(maps).all(axis=(1, 2)).tolist() == [k == 2 for k in range(16)]


def test_where_no_frame_can_be_scored_the_table_says_so_of_each(run: Run, data: Prepared) -> None:
    table = scored(run, blanked(data, data.rows("test").tolist()), "scores").table
    assert (table["status"] == NO_PIXEL).all() and table["score"].isna().all() and len(table) == 16


@pytest.mark.parametrize("pixels", [0, 3])
def test_the_calibration_is_that_of_the_other_validation_frames(run: Run, data: Prepared, pixels: int) -> None:
    blank = data.rows("val")[[1, 4]]
    calibrate(run, blanked(data, blank.tolist(), pixels), torch.device("cpu"))
    among = run.calibration()
    index = data.index.copy()
    index.loc[blank, "split"] = "unused"
    calibrate(run, replace(data, index=index), torch.device("cpu"))
    assert among == run.calibration() and among["normals"] == 22


def test_the_report_measures_the_others_alone_and_counts_these(run: Run, data: Prepared) -> None:
    rows = data.rows("test")
    table = scored(run, blanked(data, rows[[0, 1, 9]].tolist()), "scores").table
    metrics = evaluate(table, None, run.threshold(), {"half": ["a", "b"] * 8}, n_bootstrap=50)
    expected = evaluate(table[is_scored(table)], None, run.threshold(), {"half": [*"abababaababab"]}, n_bootstrap=50)
    labels = table["label"][~is_scored(table)].value_counts().to_dict()
    assert metrics.pop("unscored") == {"normal": 0, "abnormal": 0, "unlabelled": 0} | labels
    expected.pop("unscored")
    assert metrics == expected


def test_they_are_neither_found_nor_missed(run: Run, data: Prepared) -> None:
    rows = data.rows("test")
    table = scored(run, blanked(data, rows[[0, 9]].tolist()), "scores").table
    threshold = evaluate(table, None, run.threshold(), n_bootstrap=50)["threshold"]
    assert threshold["flagged_normal"]["of"] + threshold["flagged_abnormal"]["of"] == 14
