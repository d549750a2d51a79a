"""White, green and noise frames in train, val and test: every command goes on, and says which frames have no score."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from commands import SMALL_VAE, fail, medgen, succeed
from PIL import Image
from tiny import batch, tiny

from medgen import api
from medgen.data.scorable import LEAST_VALID
from medgen.engine.score import score_batches
from medgen.runs.scores import _write_maps

pytestmark = pytest.mark.usefixtures("blank_charts", "no_comparison_pdf", "few_draws")

SIDE = 96
BLANK = {"white.png", "green.png", "noise.png"}


def picture(seed: int, lesion: bool) -> np.ndarray:
    """Return soft light and shade, with a brighter spot where there is a lesion."""
    y, x = np.mgrid[:SIDE, :SIDE]
    coarse = Image.fromarray(np.random.default_rng(seed).integers(70, 170, (5, 5), dtype=np.uint8))
    grey = np.asarray(coarse.resize((SIDE, SIDE), Image.Resampling.BICUBIC)).copy()
    grey[(x - 48) ** 2 + (y - 48) ** 2 < 200 * lesion] += 30
    return np.repeat(grey[..., None], 3, axis=2)


def blanks(seed: int = 0) -> dict[str, np.ndarray]:
    green = np.zeros((SIDE, SIDE, 3), np.uint8)
    green[..., 1] = 255
    noise = np.random.default_rng(seed).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    return {"white.png": np.full((SIDE, SIDE, 3), 255, np.uint8), "green.png": green, "noise.png": noise}


def save(folder: Path, pictures: dict[str, np.ndarray]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, pixels in pictures.items():
        Image.fromarray(pixels).save(folder / name)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set with such frames in each split, a run on it, and its report."""
    home = tmp_path_factory.mktemp("blank")
    for number, (place, count) in enumerate({"train/good": 8, "val/good": 24, "test/good": 8, "test/polyp": 8}.items()):
        own = {f"{k:02}.png": picture(100 * number + k, place == "test/polyp") for k in range(count)}
        save(home / "frames" / place, own | blanks(number))
    (home / "prepared.txt").write_text(succeed("prepare", home / "frames", "--out", home / "data", "--size", 32))
    for name, seed in (("run", 0), ("other", 1)):
        arguments = (*SMALL_VAE, "--set", f"train.seed={seed}")
        (home / f"{name}.txt").write_text(succeed("train", "vae", home / "data", "--out", home / name, *arguments))
    (home / "report.txt").write_text(succeed("report", home / "run", "--out", home / "page"))
    return home


def metrics_of(path: Path) -> dict:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(path.read_text(), parse_constant=refuse)


def unscored(path: Path) -> set[str]:
    table = pd.read_csv(path)
    assert (table["score"].isna() == (table["status"] != "scored")).all() and (
        table["score"].isna() == (table["valid_share"] < LEAST_VALID)
    ).all()
    return {Path(name).name for name in table["path"][table["score"].isna()]}


def test_preparing_counts_them(root: Path) -> None:
    assert "12 of 60 frames show fewer than 10 % valid pixels" in (root / "prepared.txt").read_text()


def test_training_says_what_it_leaves_out(root: Path) -> None:
    said = (root / "run.txt").read_text()
    assert "left out of the training: 3 of 11 training frames" in said
    assert "left out of the calibration: 3 of 27 normal validation frames" in said


def test_a_report_counts_them_by_label(root: Path) -> None:
    metrics = metrics_of(root / "page" / "metrics.json")
    assert metrics["unscored"] == {"normal": 3, "abnormal": 3, "unlabelled": 0}
    assert metrics["frames"]["normal"] == metrics["frames"]["abnormal"] == 8
    assert "6 test frames without a score" in (root / "report.txt").read_text()


def test_a_report_leaves_them_out_of_means_and_decisions(root: Path) -> None:
    metrics = metrics_of(root / "page" / "metrics.json")
    assert metrics["quality"]["normal"]["psnr"]["n"] == 8 and metrics["quality"]["normal"]["psnr"]["mean"] < 60
    assert metrics["threshold"]["flagged_abnormal"]["of"] == 8


def test_the_decision_table_of_the_page_has_a_row_for_them(root: Path) -> None:
    page = (root / "page" / "report.html").read_text()
    assert '<td class="num" data-metric="unscored">6 for review</td>' in page
    assert "count neither as found nor as missed" in page and "Frames without a score: flagged for review" in page


def test_the_table_of_scores_has_empty_cells_for_them(root: Path) -> None:
    assert unscored(root / "page" / "scores.csv") == BLANK
    assert "nan" not in (root / "page" / "scores.csv").read_text().lower()


def test_a_report_of_another_split_goes_on(root: Path) -> None:
    succeed("report", root / "run", "--split", "val", "--out", root / "val-page")
    assert metrics_of(root / "val-page" / "metrics.json")["unscored"]["normal"] == 3


def test_raw_frames_are_scored_beside_them(root: Path) -> None:
    said = succeed("score", root / "run", root / "frames" / "test" / "polyp", "--out", root / "raw")
    assert unscored(root / "raw" / "scores.csv") == BLANK and "3 without a score, for a person to look at" in said
    assert (root / "raw" / "maps" / "white.png.png").is_file()


def test_a_white_frame_alone_has_a_row_and_no_score(root: Path) -> None:
    save(root / "white", {"white.png": blanks()["white.png"]})
    said = succeed("score", root / "run", root / "white", "--out", root / "white-scores")
    assert "Empty" not in said and "the 0 most anomalous of 0 scored frames" in said
    assert unscored(root / "white-scores" / "scores.csv") == {"white.png"}


def test_maps_of_nothing_but_such_frames_are_refused_in_one_line(root: Path) -> None:
    save(root / "whites", blanks())
    said = medgen("maps", root / "run", root / "whites", "--out", root / "white-maps").output.strip().splitlines()
    assert said[-1].startswith("medgen: there is nothing to draw a map of: 3 of 3 frames show fewer than 10 % valid pixels")


def test_a_map_of_such_a_frame_says_no_score_everywhere(root: Path) -> None:
    succeed("maps", root / "run", root / "data", "--out", root / "maps")
    levels = np.asarray(Image.open(root / "maps" / "original" / "test" / "polyp" / "white.png.png"))
    assert levels.shape == (SIDE, SIDE) and not levels.any()


def test_nothing_is_drawn_of_such_a_frame_and_it_is_named(root: Path) -> None:
    said = succeed("reconstruct", root / "run", root / "data", "--out", root / "drawn")
    assert len([*(root / "drawn").rglob("*.png")]) == 16 and not BLANK & {path.name for path in (root / "drawn").rglob("*.png")}
    assert "left out: 6 of 22 frames show fewer than 10 % valid pixels" in said


def test_reconstructions_of_nothing_but_such_frames_are_refused_in_one_line(root: Path) -> None:
    save(root / "empty", blanks())
    said = medgen("reconstruct", root / "run", root / "empty", "--out", root / "nothing").output.strip().splitlines()
    assert said[-1].startswith("medgen: there is nothing to draw: 3 of 3 frames show fewer than 10 % valid pixels")


def test_a_ranking_puts_them_last_without_a_rank(root: Path) -> None:
    said = succeed("report", root / "run", "--input", root / "frames" / "test" / "polyp", "--out", root / "ranking")
    ranks = pd.read_csv(root / "ranking" / "ranks.csv")
    assert ranks["rank"].tolist()[:8] == [*range(1, 9)] and ranks["rank"][8:].isna().all() and ranks["p_value"][8:].isna().all()
    assert "3 without a score, for a person to look at" in said


def test_a_ranking_promises_false_alarms_among_scored_frames_alone(root: Path) -> None:
    succeed("report", root / "run", "--input", root / "frames" / "test" / "good", "--out", root / "good-ranking")
    metrics = metrics_of(root / "good-ranking" / "metrics.json")
    assert metrics["expected_false_alarms"] == pytest.approx(0.05 * 8) and metrics["flagged"]["of"] == 8


def test_a_comparison_leaves_them_out_and_says_how_many(root: Path) -> None:
    succeed("compare", root / "run", root / "other", "--out", root / "study")
    metrics = metrics_of(root / "study" / "metrics.json")
    frames = metrics["frames"]
    assert (frames["compared"], frames["unscored"], frames["normal"], frames["abnormal"]) == (16, 6, 8, 8)
    assert "6 more have no score from every run" in (root / "study" / "report.html").read_text()


def test_two_runs_on_a_page_are_compared_on_the_others(root: Path) -> None:
    succeed("report", root / "run", root / "other", "--out", root / "both")
    assert "Which differences are real?" in (root / "both" / "report.html").read_text()


def test_an_audit_leaves_them_out_and_says_how_many(root: Path) -> None:
    said = succeed("audit", root / "data", "--run", root / "run", "--out", root / "audit")
    result = metrics_of(root / "audit" / "audit.json")
    assert "left out: 6 test frames show too few valid pixels" in said
    assert result["unscored"] == 6 and all(trait["normal"] <= 8 and trait["abnormal"] <= 8 for trait in result["traits"])


def test_the_threshold_moves_without_them(root: Path) -> None:
    assert api.set_threshold(root / "run", 0.05)["normals"] == 24


def test_inspecting_says_how_many_there_are(root: Path) -> None:
    assert "12 of 60 frames show fewer than 10 % valid pixels" in succeed("inspect", root / "frames")


@pytest.mark.parametrize("name", [*sorted(BLANK), "black.png", "grey.png"])
def test_a_set_of_nothing_else_is_refused_in_one_line_before_a_training(tmp_path: Path, name: str) -> None:
    random = np.random.default_rng(1)
    noise = {f"{k:02}.png": random.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8) for k in range(30)}
    one_colour = {"black.png": np.zeros((SIDE, SIDE), np.uint8), "grey.png": np.full((SIDE, SIDE), 90, np.uint8)}
    pictures = noise if name == "noise.png" else {f"{k:02}.png": (blanks() | one_colour)[name] for k in range(30)}
    save(tmp_path / "frames" / "good", pictures)
    assert "warning: 30 of 30 frames show fewer than 10 % valid pixels" in succeed(
        "prepare", tmp_path / "frames", "--out", tmp_path / "data", "--size", 32
    )
    assert "training frames show fewer than 10 % valid pixels" in fail(
        "train", "vae", tmp_path / "data", "--out", tmp_path / "run"
    )


def test_a_set_of_grey_noise_is_answered_in_one_line_by_each_command(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    save(tmp_path / "frames" / "good", {f"{k:02}.png": random.integers(0, 256, (64, 64), dtype=np.uint8) for k in range(30)})
    prepare = ("prepare", tmp_path / "frames", "--out", tmp_path / "data", "--size", 32, "--overlay", "dark")
    commands = (("inspect", tmp_path / "frames", "--overlay", "dark"), prepare)
    said = [
        succeed(*command) for command in (*commands, ("train", "vae", tmp_path / "data", "--out", tmp_path / "run", *SMALL_VAE))
    ]
    assert [text.count("frames to learn from that were looked at are noise") for text in said] == [1, 1, 1]


def test_maps_of_frames_stand_at_their_own_places_and_the_others_are_nan(tmp_path: Path) -> None:
    model, frames = tiny("vae").eval(), batch()
    scored = list(score_batches(model, [frames, frames], torch.device("cpu")))
    places = np.arange(2 * len(frames)) * 3 // 2 + 1  # 1, 2, 4, 5, 7, ...: some are missing before, between and behind
    raw = _write_maps(scored, model, places, (int(places[-1]) + 3, *frames.image.shape[2:]), tmp_path / "m.npy")
    maps = np.load(tmp_path / "m.npy")
    shown = scored[0].scores.map
    assert shown is not None and np.array_equal(maps[places], np.concatenate([shown[:, 0].numpy()] * 2))
    others = np.setdiff1d(np.arange(len(maps)), places)
    assert np.isnan(maps[others]).all() and raw["score"].isna().to_numpy().nonzero()[0].tolist() == others.tolist()
