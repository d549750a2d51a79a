"""A run that is calibrated by the frames that it is fitted to: CV+ and jackknife+, from the training to every later verb."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from commands import fail, succeed
from sources import folder

from medgen import api
from medgen.data.prepared import Prepared, read_table
from medgen.errors import BackendError, ConfigError, DataError
from medgen.files import read_json, write_csv
from medgen.metrics.calibration import group_shares, threshold
from medgen.metrics.cross_conformal import cross_p_value
from medgen.report.guarantee import promised
from medgen.runs.calibrating.normal_frames import score_normals
from medgen.runs.datasets import open_trained_on
from medgen.runs.folds import Folds, find_folds
from medgen.runs.group_scores import FITTED, GROUP, grouped_scores
from medgen.runs.run import Run, open_run

SMALL = ["model.width=4", "model.features.side=32", "data.batch_size=4", "false_alarm_rate=0.5"]
CV = ['scoring.calibration="cv+"', "scoring.folds=3"]
FAST = ["model.sides=[]", "model.features.side=64", "model.features.strides=[8, 16]", 'model.statistics=["mean"]']
JACKKNIFE = ['scoring.calibration="jackknife+"']


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine normal frames, of which medgen puts one into the validation, and eighteen test frames."""
    return folder(tmp_path_factory.mktemp("source"), "train/good", "test/good", "test/bad", count=9)


@pytest.fixture(scope="module")
def run(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return api.train(Path(f"folder:{source}"), tmp_path_factory.mktemp("cv") / "run", api.recipe("padim", None, [*SMALL, *CV]))


def folds_of(run: Run) -> tuple[Prepared, Folds]:
    data = open_trained_on(run)
    return data, find_folds(data, run.settings.data, run.settings.scoring, run.settings.train.seed)


def test_every_normal_frame_is_fitted_to_and_says_where_the_threshold_lies(run: Run) -> None:
    data, folds = folds_of(run)
    assert set(data.index["split"].iloc[folds.rows]) == {"train", "val"} and run.calibration()["normals"] == 9


def test_the_threshold_decides_as_the_cross_conformal_p_values_of_the_three_detectors(
    run: Run, source: Path, tmp_path: Path
) -> None:
    data, folds = folds_of(run)
    model, rows = run.trained_model(), data.rows("test")
    own, new = np.zeros(9), []
    for fold in range(3):
        model.leave_out(fold)  # type: ignore[operator]
        both = np.concatenate([folds.rows, rows])
        table, _ = score_normals(run, data, both, model, {}, torch.device("cpu"), lambda progress: None)
        scores = table["score"].to_numpy()
        own[folds.folds == fold] = scores[:9][folds.folds == fold]
        new.append(scores[9:])
    p = cross_p_value(own, folds.folds, new)
    table = api.score(run.folder, Path(f"folder:{source}"), tmp_path / "scores", pictures=False).table
    assert (table["abnormal"] == (p <= 0.5)).all() and 0 < table["abnormal"].sum() < 18
    np.testing.assert_allclose(table["quantile"], 1 - p)


def test_another_rate_moves_the_threshold_among_the_same_scores(run: Run) -> None:
    own = run.calibration()["scores"]
    try:
        told = succeed("threshold", run.folder, "--false-alarm-rate", "0.2")
        assert open_run(run.folder).calibration()["value"] == threshold(own, 0.2)
    finally:
        api.set_threshold(run.folder, 0.5)
    assert "like the 9 normal frames (fitted to, each scored without its fold)" in told
    assert "about 20 %, at most 56.7 % are flagged (CV+ of 3 folds" in told  # 2 x 0.2 + (1 - 3 / 9) / 4


def test_the_page_names_the_method_and_its_bound(run: Run, tmp_path: Path, blank_charts: None) -> None:
    succeed("report", run.folder, "--out", tmp_path / "page")
    page = (tmp_path / "page" / "report.html").read_text()
    assert "set on the 9 normal frames that it is fitted to, each scored without its fold" in page
    assert "about 50 %, at most 100 % are flagged (CV+ of 3 folds" in page


def test_the_page_of_new_frames_and_what_the_command_says_of_it_name_the_bound(
    run: Run, source: Path, tmp_path: Path, blank_charts: None
) -> None:
    told = succeed("report", run.folder, "--input", source / "test" / "bad", "--out", tmp_path / "page")
    assert "at most 100 % are flagged (CV+" in told
    assert "at most 100 % are flagged (CV+" in (tmp_path / "page" / "report.html").read_text()


def test_nothing_is_decided_on_groups_by_frames_that_were_fitted_to(run: Run, source: Path, tmp_path: Path) -> None:
    scored = api.score(run.folder, Path(f"folder:{source}"), tmp_path / "scores", pictures=False)
    pairs = [f"video {k // 2}" for k in range(18)]
    found = grouped_scores(run, scored, lambda data, rows: {GROUP: pairs}, lambda data, rows: pytest.fail("not asked"))
    assert {way["decisions"]["reason"] for way in found[GROUP]["ways"]} == {FITTED}


def test_contours_of_maps_stand_at_the_level_of_frames_that_were_left_out(run: Run, source: Path, tmp_path: Path) -> None:
    drawn = api.maps(run.folder, Path(f"folder:{source}"), tmp_path / "maps")
    assert drawn.level == run.calibration()["pixel_level"]


def test_frames_that_were_fitted_to_recalibrate_nothing(run: Run, source: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"is what .* was trained on; give frames of another place"):
        api.recalibrate(run.folder, Path(f"folder:{source}"), tmp_path / "local", split="val")


def test_a_run_is_recalibrated_on_frames_of_another_place(run: Run, tmp_path: Path) -> None:
    other = folder(tmp_path / "other", "test/good", count=24)
    local = api.recalibrate(run.folder, Path(f"folder:{other}"), tmp_path / "local", split="test")
    assert local.calibration()["normals"] == 24 and local.calibration()["value"] != run.calibration()["value"]


def test_what_a_recalibration_moves_away_from_is_named_with_its_bound(run: Run, tmp_path: Path) -> None:
    other = folder(tmp_path / "other", "test/good", count=24)
    local = api.recalibrate(run.folder, Path(f"folder:{other}"), tmp_path / "local", split="test")
    before = read_json(local.folder / "recalibration.json")["before"]["promised"]
    assert before == promised(run.threshold()) and "at most" in before and before.startswith("about")


def test_the_jackknife_needs_no_validation_frames_and_leaves_each_group_out(source: Path, tmp_path: Path) -> None:
    alone = folder(tmp_path / "alone", "train/good", count=8)
    succeed("prepare", alone / "train" / "good", "--out", tmp_path / "data", "--size", "16", "--assume", "normal")
    index = read_table(tmp_path / "data" / "index.csv").sort_values("path")
    write_csv(tmp_path / "data" / "index.csv", index.assign(split="train", group=[f"patient {k // 2}" for k in range(8)]))
    settings = api.recipe("dfm", None, [*JACKKNIFE, "scoring.by_group=true", *FAST, "false_alarm_rate=0.25"])
    run = api.train(tmp_path / "data", tmp_path / "run", settings)
    _, folds = folds_of(run)
    assert run.settings.model["folds"] == 4 and len(set(folds.folds.tolist())) == 4
    assert run.calibration()["groups"] == 4 and run.calibration()["value"] is not None
    assert sorted(run.calibration()["shares"]) == sorted(group_shares(folds.groups))


def test_a_backend_that_trains_for_long_is_refused_with_those_that_can(source: Path, tmp_path: Path) -> None:
    told = fail("train", "vae", f"folder:{source}", "--out", tmp_path / "run", "--set", JACKKNIFE[0])
    assert "vae cannot be fitted without folds of its frames" in told and "these can: dfm, padim, patchcore" in told


@pytest.mark.parametrize("other", ["scoring.flips=true", 'scoring.fuse=["*"]'])
def test_a_score_that_is_not_the_backends_own_is_refused(other: str) -> None:
    with pytest.raises(ConfigError, match="places the backend's own score; leave fuse and flips away"):
        api.recipe("padim", None, [*CV, other])


def test_an_engine_that_cannot_score_what_is_left_out_is_refused_in_a_line(
    run: Run, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnxscript")

    def refuse(*given: Any) -> None:  # as a graph does that ONNX has no operators for
        raise BackendError("it cannot be written as ONNX")

    monkeypatch.setattr("medgen.engine.graph.batches.write_down", refuse)
    told = fail("score", run.folder, f"folder:{source}", "--split", "test", "--out", tmp_path / "o", "--runtime", "onnx")
    assert "cannot be scored so: it cannot be written as ONNX" in told and told.endswith("score it with --runtime torch")
