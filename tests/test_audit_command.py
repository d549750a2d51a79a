"""The audit's command, and what a report says of it, on a set with a planted shortcut."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
from commands import fail, succeed
from PIL import Image as Picture
from sklearn.metrics import roc_auc_score
from sources import with_replaced

from medgen.data.phantom.frames import PhantomSettings, make_phantom


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory, blank_charts: None, narrow_endovae: None) -> Path:
    """Phantom frames of which every abnormal one is bright, prepared; two names of a leak; a run of one epoch."""
    folder = tmp_path_factory.mktemp("study")
    make_phantom(folder / "frames", PhantomSettings(train=16, val=20, test_normal=12, test_abnormal=12, width=180, height=160))
    for path in (folder / "frames" / "polyp").iterdir():
        with Picture.open(path) as picture:
            bright = picture.point(lambda value: min(255, value + 60))
        bright.save(path)
    succeed("prepare", folder / "frames", "--out", folder / "data", "--size", 32)
    index = pd.read_csv(folder / "data" / "index.csv")
    ends = [index.loc[index["split"] == split, "path"].iloc[0] for split in ("train", "test")]
    leaks = pd.DataFrame([(ends[0], "train", ends[1], "test")], columns=["path", "split", "other", "other_split"])
    leaks.to_csv(folder / "data" / "leaks.csv", index=False)
    succeed("train", "endovae", folder / "data", "--out", folder / "run", "--epochs", 1, "--set", "data.batch_size=8")
    succeed("report", folder / "run", "--out", folder / "page")
    return folder


def test_the_command_names_the_planted_shortcut_and_the_leak(study: Path) -> None:
    output = succeed("audit", study / "data")
    assert re.search(r"^mean brightness +(0\.9[5-9]\d|1\.000) +\S+ to \S+ +abnormal +24$", output, re.MULTILINE)
    assert "Too easy: the mean brightness alone" in output and "1 pair of duplicates or near-duplicates" in output


def test_the_command_writes_tables_with_a_row_for_each_trait_and_each_frame(study: Path) -> None:
    succeed("audit", study / "data", "--out", study / "audit")
    found, summary = json.loads((study / "audit" / "audit.json").read_text()), pd.read_csv(study / "audit" / "audit.csv")
    traits = pd.read_csv(study / "audit" / "traits.csv")
    assert summary["trait"].tolist() == [*(entry["trait"] for entry in found["traits"]), "mean_distance"]
    for entry in summary.set_index("trait")[["auroc"]].dropna().itertuples():
        kept = traits[traits[entry.Index].notna()]
        area = roc_auc_score(kept["label"] == "abnormal", kept[entry.Index])
        assert entry.auroc == pytest.approx(max(area, 1 - area))
    assert len(traits) == 24 and len(pd.read_csv(study / "audit" / "duplicates.csv")) == 1


def test_a_model_is_measured_as_its_report_measures_it_and_without_the_traits(study: Path) -> None:
    output = succeed("audit", study / "data", "--run", study / "run", "--out", study / "audit")
    model = json.loads((study / "audit" / "audit.json").read_text())["models"]["run"]
    metrics = json.loads((study / "page" / "metrics.json").read_text())
    assert model["auroc"]["value"] == metrics["detection"]["auroc"]["value"]
    assert model == metrics["audit"]["models"]["run"]
    assert "within strata of mean brightness" in output and model["without_duplicates"]["normal"] == 11


def test_an_audit_changes_no_score_and_no_threshold(study: Path, tmp_path: Path) -> None:
    shutil.copytree(study / "run", tmp_path / "run")
    kept = [tmp_path / "run" / name for name in ("scores/scores.csv", "calibration.json", "run.toml", "model.safetensors")]
    before = [path.read_bytes() for path in kept]
    succeed("audit", study / "data", "--run", tmp_path / "run")
    assert [path.read_bytes() for path in kept] == before


def test_traits_are_looked_at_once_for_all_reports(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = succeed("audit", study / "data")
    monkeypatch.setattr("medgen.verbs.audit.frame_traits", None)
    assert succeed("audit", study / "data").splitlines()[-8:] == before.splitlines()[-8:]


def test_a_set_without_both_labels_lists_its_traits_and_says_why(study: Path, tmp_path: Path) -> None:
    output = succeed("audit", with_replaced(study / "data", tmp_path / "data", "label", "abnormal", ""))
    assert "there are no abnormal frames" in output and "mean brightness" in output


def test_a_set_without_test_frames_is_answered_in_one_line(study: Path, tmp_path: Path) -> None:
    assert "no frames of split 'test'" in fail(
        "audit", with_replaced(study / "data", tmp_path / "data", "split", "test", "unused")
    )


def test_a_run_that_does_not_fit_is_answered_in_one_line(study: Path, tmp_path: Path) -> None:
    succeed("prepare", study / "frames", "--out", tmp_path / "large", "--size", 40)
    assert "--size 32" in fail("audit", tmp_path / "large", "--run", study / "run")


def test_runs_that_read_the_data_set_differently_are_not_audited_together(study: Path, tmp_path: Path) -> None:
    shutil.copytree(study / "run", tmp_path / "run")
    text = (tmp_path / "run" / "run.toml").read_text()
    (tmp_path / "run" / "run.toml").write_text(text.replace("pool_share = 0.0", "pool_share = 0.5"))
    assert "audit it alone" in fail("audit", study / "data", "--run", study / "run", "--run", tmp_path / "run")
