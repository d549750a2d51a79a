"""The threshold can be moved after the training, by normal validation frames alone, and every decision follows it."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pandas as pd
import pytest
from commands import fail, succeed
from sources import folder

from medgen.metrics.calibration import threshold
from medgen.verbs.run_warnings import ScoredRun, _there_is_no_threshold

pytestmark = pytest.mark.usefixtures("blank_charts")


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("study")
    folder(root / "frames", "train/good", "test/good", "test/bad", count=12)
    folder(root / "frames", "val/good", count=30)
    settings = ["--epochs", "1", "--set", "model.widths=[8]", "--set", "data.batch_size=4"]
    succeed("train", "vae", f"folder:{root / 'frames'}", "--out", root / "run", *settings)
    return root


def scored(study: Path) -> pd.DataFrame:
    succeed("score", study / "run", f"folder:{study / 'frames'}", "--out", study / "out", "--no-pictures")
    return pd.read_csv(study / "out" / "scores.csv")


def test_another_rate_moves_the_threshold_and_the_decisions_and_no_score(study: Path) -> None:
    before = scored(study)
    told = succeed("threshold", study / "run", "--false-alarm-rate", "0.5")
    calibration = json.loads((study / "run" / "calibration.json").read_text())
    after = scored(study)
    assert calibration["value"] == threshold(calibration["scores"], 0.5) and "30 normal validation frames that" in told
    assert (after["abnormal"] == (after["score"] > calibration["value"])).all()
    pd.testing.assert_frame_equal(before.drop(columns="abnormal"), after.drop(columns="abnormal"))


def test_how_many_groups_the_threshold_rests_on_is_told_where_frames_share_one(study: Path, tmp_path: Path) -> None:
    root = study / "frames"
    files = [path.relative_to(root) for path in sorted(root.rglob("*.png"))]
    table = pd.DataFrame(
        {
            "file": files,
            "split": [file.parts[0] for file in files],
            "label": ["abnormal" if "bad" in file.parts else "normal" for file in files],
            "group": [f"{file.parts[0]}-{place % 5}" for place, file in enumerate(files)],
        }
    )
    table.to_csv(root / "groups.csv", index=False)
    settings = ["--epochs", "1", "--set", "model.widths=[8]", "--set", "data.batch_size=4"]
    succeed("prepare", root / "groups.csv", "--out", tmp_path / "data", "--size", "16")
    succeed("train", "vae", tmp_path / "data", "--out", tmp_path / "run", *settings)
    succeed("report", tmp_path / "run", "--out", tmp_path / "page")
    told = succeed("threshold", tmp_path / "run", "--false-alarm-rate", "0.5")
    assert "30 normal validation frames of 5 groups" in told and "looser" in told
    assert "These frames are of 5 groups" in (tmp_path / "page" / "report.html").read_text()


def test_a_rate_for_which_there_are_too_few_frames_is_refused_and_changes_nothing(study: Path) -> None:
    before = (study / "run" / "calibration.json").read_text()
    refused = fail("threshold", study / "run", "--false-alarm-rate", "0.01")
    assert "needs at least 99 normal frames, got 30" in refused
    assert (study / "run" / "calibration.json").read_text() == before


@pytest.mark.parametrize(("value", "said"), [(0.0, ""), (None, "No threshold: too few.")])
def test_a_threshold_of_nought_is_one(value: float | None, said: str) -> None:
    run = SimpleNamespace(calibration=lambda: {"value": value, "reason": "too few"})
    assert _there_is_no_threshold(cast(ScoredRun, SimpleNamespace(run=run))) == said


def test_a_run_without_normal_validation_frames_promises_nothing(study: Path, tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text((study / "run" / "run.toml").read_text())
    assert "has no scores of normal validation frames" in fail("threshold", tmp_path)
