"""The log of optimizer steps stays aligned when another stage brings other losses, and when a run is resumed."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from medgen import api
from medgen.engine.running_means import LogRow
from medgen.runs.datasets import open_trained_on
from medgen.runs.run import open_run
from medgen.verbs.tracking.monitor import TrainingMonitor, _cut_half_a_line

FIRST = {"step": 1, "train.a": 0.5, "note.n": 2.0}
SECOND = {"step": 2, "train.a": 0.25, "note.n": 3.0}
OTHER = {"step": 3, "train.b": 0.125}


def watch(folder: Path) -> TrainingMonitor:
    """Return what notes steps in a folder, without the rest of a training."""
    bare = TrainingMonitor.__new__(TrainingMonitor)
    bare.run, bare.columns = SimpleNamespace(folder=folder), []  # type: ignore[assignment]
    return bare


def noted(bare: TrainingMonitor, *rows: dict[str, float]) -> list[str]:
    for row in rows:
        bare.log_steps(LogRow(row))
    return (bare.run.folder / "steps.csv").read_text().splitlines()


def test_steps_of_one_stage_are_rows_below_one_header(tmp_path: Path) -> None:
    assert noted(watch(tmp_path), FIRST, SECOND) == ["step,train.a,note.n", "1,0.5,2.0", "2,0.25,3.0"]


def test_columns_that_a_stage_brings_are_empty_before_it_and_those_that_it_lacks_in_it(tmp_path: Path) -> None:
    expected = ["step,train.a,note.n,train.b", "1,0.5,2.0,", "3,,,0.125", "4,,,1.0"]
    assert noted(watch(tmp_path), FIRST, OTHER, {**OTHER, "step": 4, "train.b": 1.0}) == expected


def test_another_order_of_the_same_columns_changes_nothing(tmp_path: Path) -> None:
    assert noted(watch(tmp_path), FIRST, dict(reversed(SECOND.items())))[-1] == "2,0.25,3.0"


@pytest.mark.parametrize("interrupted", [True, False])
def test_an_interruption_between_stages_leaves_no_trace(tmp_path: Path, interrupted: bool) -> None:
    before = watch(tmp_path)
    noted(before, FIRST)
    assert noted(watch(tmp_path) if interrupted else before, OTHER)[1:] == ["1,0.5,2.0,", "3,,,0.125"]


@pytest.mark.parametrize("left", ["", "step,tra"])
def test_a_table_that_was_killed_in_its_header_begins_anew(tmp_path: Path, left: str) -> None:
    (tmp_path / "steps.csv").write_text(left)
    _cut_half_a_line(tmp_path / "steps.csv")
    assert not (tmp_path / "steps.csv").exists()  # which pandas could not read
    assert noted(watch(tmp_path), FIRST) == ["step,train.a,note.n", "1,0.5,2.0"]


def test_the_first_row_may_follow_a_header_alone(tmp_path: Path) -> None:
    (tmp_path / "steps.csv").write_text("step,train.a,note.n\n")
    assert noted(watch(tmp_path), FIRST) == ["step,train.a,note.n", "1,0.5,2.0"]


def test_a_row_without_the_newest_column_is_aligned_too(tmp_path: Path) -> None:
    assert noted(watch(tmp_path), FIRST, {**SECOND, "train.b": 1.0}, {**FIRST, "step": 3})[-1] == "3,0.5,2.0,"


def test_a_gan_that_is_trained_has_each_loss_in_the_steps_of_its_own_stage(tmp_path: Path) -> None:
    rng, frames = np.random.default_rng(0), tmp_path / "frames" / "train" / "a"
    frames.mkdir(parents=True)
    for k in range(12):
        Image.fromarray(rng.integers(0, 255, (16, 16, 3), dtype=np.uint8)).save(frames / f"{k}.png")
    small = ("model.latents=2", "model.width=4", "model.hidden=8", "model.inversion.width=2", "model.inversion.share=0.5")
    data = ("data.batch_size=4", 'data.normal=["*"]', "train.epochs=2", "train.log_steps=1", "train.panel_epochs=0")
    api.train(Path(f"folder:{tmp_path / 'frames'}"), tmp_path / "run", api.recipe("gan", None, (*small, *data)))
    steps = pd.read_csv(open_run(tmp_path / "run").folder / "steps.csv", index_col="step")
    half = len(steps) // 2
    assert half >= 2 and list(steps.index) == list(range(1, 2 * half + 1))
    adversarial = ["train.critic", "train.generator", "note.critic_real", "note.critic_fake"]
    inversion = ["train.inversion", "train.features"]
    assert steps[adversarial].notna().all(axis=1).tolist() == [True] * half + [False] * half
    assert steps[inversion].notna().all(axis=1).tolist() == [False] * half + [True] * half
    assert set(steps.columns) == {"epoch", *adversarial, *inversion, "player.critic", "player.generator", "player.encoder"}
    assert steps["epoch"].tolist() == [1] * half + [2] * half
    sums = steps["train.inversion"] + steps["train.features"]
    assert np.allclose(steps["player.encoder"][half:], sums[half:], rtol=1e-6)


@pytest.mark.parametrize(("choice", "places"), [("first", [0, 1, 2]), ("spread", [0, 2, 5])])
def test_a_panel_shows_the_first_validation_frames_or_some_from_all_of_them(
    tmp_path: Path, choice: str, places: list[int]
) -> None:
    for split, count in (("train", 2), ("val", 6)):
        (tmp_path / "frames" / split / "good").mkdir(parents=True)
        for k in range(count):
            pixels = np.full((16, 16, 3), 10 * k, dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "frames" / split / "good" / f"{k}.png")
    chosen = ("train.epochs=1", "train.panel_frames=3", f"train.panel_choice={choice}")
    address = Path(f"folder:{tmp_path / 'frames'}")
    run = api.train(address, tmp_path / "run", api.recipe("vae", None, chosen))
    data = open_trained_on(run)
    model = run.new_model()
    training = SimpleNamespace(model=model, position=SimpleNamespace(epoch=0, step=0), train=[])
    shown = TrainingMonitor(run, data, training).batch.index.numpy()  # type: ignore[arg-type]
    assert shown.tolist() == data.rows("val")[places].tolist()
