"""New frames without labels: their ranking, p-values and decisions, and the page about them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from commands import fail, succeed
from pages import Page
from sources import folder

from medgen.data.phantom.frames import PhantomSettings, make_phantom

pytestmark = pytest.mark.usefixtures("blank_charts")

NAME = "<script>alert(1)</script>.jpg"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run, new frames of which one cannot be read, and their ranking."""
    home = tmp_path_factory.mktemp("rank")
    make_phantom(home / "frames", PhantomSettings(train=16, val=40, test_normal=6, test_abnormal=6, width=160, height=160))
    succeed("prepare", home / "frames", "--out", home / "data", "--size", 32)
    small = ("--epochs", 2, "--set", "data.batch_size=8", "--set", "model.widths=[8]")
    succeed("train", "vae", home / "data", "--out", home / "run", *small)
    shutil.copytree(home / "frames" / "polyp", home / "new")
    first = sorted((home / "new").iterdir())[0]
    first.rename(home / "new" / NAME.replace("/", "_"))
    (home / "new" / "broken.jpg").write_bytes(b"no image")
    (home / "told.txt").write_text(succeed("report", home / "run", "--input", home / "new", "--out", home / "R"))
    return home


@pytest.fixture(scope="module")
def ranks(root: Path) -> pd.DataFrame:
    return pd.read_csv(root / "R" / "ranks.csv")


def test_the_highest_score_comes_first(ranks: pd.DataFrame) -> None:
    assert ranks["rank"].tolist() == [1, 2, 3, 4, 5, 6] and ranks["score"].is_monotonic_decreasing


def test_p_values_are_those_of_split_conformal_prediction(ranks: pd.DataFrame, root: Path) -> None:
    normal_scores = json.loads((root / "run" / "calibration.json").read_text())["scores"]
    expected = [(1 + sum(one >= score for one in normal_scores)) / (len(normal_scores) + 1) for score in ranks["score"]]
    np.testing.assert_allclose(ranks["p_value"], expected, rtol=1e-12)


def test_a_frame_is_flagged_exactly_where_its_p_value_is_at_most_the_rate(ranks: pd.DataFrame, root: Path) -> None:
    rate = json.loads((root / "R" / "metrics.json").read_text())["threshold"]["false_alarm_rate"]
    assert (ranks["abnormal"] == (ranks["p_value"] <= rate + 1e-12)).all()


def test_scores_are_those_of_the_score_command(ranks: pd.DataFrame, root: Path) -> None:
    succeed("score", root / "run", root / "new", "--out", root / "scores", "--no-pictures")
    scores = pd.read_csv(root / "scores" / "scores.csv").set_index("path")["score"]
    np.testing.assert_allclose(scores[ranks["path"]], ranks["score"], rtol=1e-6)


def test_no_label_and_no_finding_is_written(ranks: pd.DataFrame) -> None:
    assert not {"label", "finding", "split", "group"} & set(ranks.columns)


def test_flagged_frames_and_the_promise_are_told(root: Path, ranks: pd.DataFrame) -> None:
    told = (root / "told.txt").read_text()
    assert (
        f"{ranks['abnormal'].sum()} of 6 frames are flagged. Of normal frames like the 40" in told
        and "at most 5 % are flagged" in told
    )


def test_the_page_shows_frames_reconstructions_and_maps_in_their_order(root: Path, ranks: pd.DataFrame) -> None:
    page = Page((root / "R" / "report.html").read_text())
    pictures = [
        attributes["alt"] for tag, attributes in page.tags if tag == "img" and "of the frame of rank" in str(attributes["alt"])
    ]
    assert pictures[:3] == [f"{what} of the frame of rank 1" for what in ("Original", "Reconstruction", "Error map")]
    assert len(pictures) == 18
    listed = [row for row in page.rows if ".jpg" in row and "no image" not in row][6:12]
    assert [row[0] for row in listed] == ["1", "2", "3", "4", "5", "6"]


def test_the_page_opens_offline_and_shows_names_as_text(root: Path) -> None:
    text = (root / "R" / "report.html").read_text()
    page = Page(text)
    assert "script" not in {tag for tag, _ in page.tags} and NAME.replace("/", "_") in page.text
    assert all(str(attributes.get("src", "data:")).startswith("data:") for _, attributes in page.tags)
    assert "must never be used for diagnosis" in page.text


def test_a_file_that_cannot_be_read_is_listed(root: Path) -> None:
    text = Page((root / "R" / "report.html").read_text()).text
    assert "1 file could not be read" in text and "broken.jpg" in text


def test_of_a_data_set_the_truth_is_not_shown(root: Path) -> None:
    succeed("report", root / "run", "--input", root / "data", "--out", root / "T", "--top", 2)
    text = Page((root / "T" / "report.html").read_text()).text
    assert "white line" not in text and "polyps" not in text and len(pd.read_csv(root / "T" / "ranks.csv")) == 12


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        (["run", "--input", "nowhere"], "there is no file or folder 'nowhere'"),
        (["run", "--input", "empty"], "'empty' is empty"),
        (["run", "--input", "bad"], "none of 1 files could be read"),
        (["run", "run", "--input", "new"], "--input ranks frames by one RUN, got 2"),
        (["run", "--input", "new", "--by", "sex"], "--by is for test frames with labels"),
        (["new", "--input", "new"], "'new' is not a run folder"),
    ],
)
def test_a_mistake_is_one_line(root: Path, arguments: list[str], answer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)
    Path("empty").mkdir(exist_ok=True)
    Path("bad").mkdir(exist_ok=True)
    Path("bad/a.jpg").write_text("no image")
    assert answer in fail("report", *arguments, "--out", "X")


def test_without_enough_validation_frames_frames_are_ranked_and_none_is_flagged(tmp_path: Path) -> None:
    frames = folder(tmp_path / "frames", "train/good", "val/good", count=6)
    small = ("--epochs", 1, "--set", "data.batch_size=4", "--set", "model.widths=[8]")
    succeed("train", "vae", f"folder:{frames}", "--out", tmp_path / "run", *small)
    told = succeed("report", tmp_path / "run", "--input", frames / "val", "--out", tmp_path / "R")
    text = Page((tmp_path / "R" / "report.html").read_text()).text
    assert "6 frames ranked; none is flagged, as there is no threshold" in told
    assert "needs at least 19 normal frames" in text and "Nothing is flagged" in text
