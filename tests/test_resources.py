"""What a run cost: in its folder after every training."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sources import folder

from medgen import api
from medgen.engine import memory
from medgen.engine.memory import MemoryMeter
from medgen.runs import resources as module
from medgen.runs.resources import cost, note_cost, recorded
from medgen.runs.run import Run
from medgen.runs.score_table import ScoreTable
from medgen.runs.scores import score_rows
from medgen.types import Batch
from medgen.verbs.results import open_split

CPU = torch.device("cpu")
MEBIBYTE = 2**20


def is_linux() -> bool:
    return MemoryMeter(CPU).before is not None


@pytest.mark.skipif(not is_linux(), reason="this system does not set the peak of a process back")
def test_a_peak_is_what_was_added_since_and_not_what_was_before() -> None:
    large = np.ones(256 * MEBIBYTE, dtype=np.uint8)
    del large
    meter = MemoryMeter(CPU)
    small = np.ones(64 * MEBIBYTE, dtype=np.uint8)
    del small
    found = meter.peak()
    assert found is not None and 60 < found / MEBIBYTE < 128  # pages are counted roughly


def test_where_the_system_keeps_no_peak_there_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(memory, "SELF", tmp_path / "nowhere")
    assert MemoryMeter(CPU).peak() is None


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    root = tmp_path_factory.mktemp("cost")
    frames = folder(root / "frames", "train/good", "val/good", "test/good", "test/bad", count=8)
    return api.train(Path(f"folder:{frames}"), root / "run", api.recipe("vae", None, ("train.epochs=2", "data.batch_size=4")))


@pytest.fixture(scope="module")
def scored(run: Run) -> ScoreTable:
    return score_rows(run, *open_split(run), run.folder / "scores", device="cpu")


def test_every_training_notes_weights_and_time(run: Run) -> None:
    noted = json.loads((run.folder / "cost.json").read_text())
    assert noted["parameters"] == sum(weight.numel() for weight in run.new_model().parameters() if weight.requires_grad)
    assert noted["training_seconds"] == pytest.approx(run.history()["seconds"].max(), rel=1e-9)


def test_why_a_training_ended_is_noted_once_it_has(run: Run) -> None:
    assert run.finished() and run.about["finished"] == "all 2 epochs done"


def test_speed_is_measured_once(run: Run, scored: ScoreTable, monkeypatch: pytest.MonkeyPatch) -> None:
    first = cost(run, scored, device="cpu")
    monkeypatch.setattr(module, "score_batches", None)
    assert cost(run, scored, device="cpu") == first and first.frames_per_second and first.frames_per_second > 0


def test_speed_is_that_of_the_passes_and_not_of_what_comes_before(
    run: Run, scored: ScoreTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]  # a clock that only `paced` moves, so that a busy machine changes nothing

    def paced(model: object, batches: list[Batch], *rest: object, **how: object) -> Iterator[None]:
        now[0] += 0.5
        for _ in batches:
            now[0] += 0.02
            yield None

    monkeypatch.setattr(module, "PASSES", 3)
    monkeypatch.setattr(module, "score_batches", paced)
    monkeypatch.setattr(module, "time", SimpleNamespace(perf_counter=lambda: now[0]))
    found = module.frames_per_second(run, run.trained_model(), scored, torch.device("cpu"))
    assert found == pytest.approx(len(scored.rows) / 0.02)


def test_a_run_from_before_costs_were_noted_has_its_weights_and_its_time(run: Run, scored: ScoreTable) -> None:
    (run.folder / "cost.json").unlink()
    found = cost(run, scored, device="cpu")
    assert found.parameters and found.training_seconds == run.history()["seconds"].max() and found.peak_memory is None


def test_the_higher_peak_of_a_resumed_training_counts(run: Run) -> None:
    class Meter(MemoryMeter):
        def __init__(self, peak: int | None) -> None:
            self.found = peak

        def peak(self) -> int | None:
            return self.found

        def peak_device(self) -> int | None:
            return None

    for peak in (7, 9, 8, None):
        note_cost(run, run.new_model(), 1.0, Meter(peak))
    assert recorded(run)["peak_memory"] == 9 and recorded(run)["peak_device_memory"] is None
