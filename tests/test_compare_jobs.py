"""Runs of a study several at a time: the same bytes as one after another, memory that is shared out, processes that are lost."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from commands import fail, succeed

from medgen import api
from medgen.data.phantom.frames import PhantomSettings, make_phantom
from medgen.errors import RunError
from medgen.runs.run import open_run
from medgen.types import Progress
from medgen.verbs import results
from medgen.verbs.study import workers
from medgen.verbs.study.settings import StudySettings
from medgen.verbs.study.side_by_side import Places, threads_of_each
from medgen.verbs.study.study_runs import RunContext

SMALL = ["data.batch_size=8", "train.epochs=1", "train.panel_epochs=0", "model.widths=[8]", "model.latents=2"]
KILLED = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
BROKEN = """
import json, sys
print(json.dumps({"task": "train", "done": 1, "total": 2, "values": {"loss": 3}, "message": "warning: odd frames"}))
print(json.dumps({"ended": ["this is a bug", "Traceback: at length"]}))
"""
WAITING = """
import json, sys
sys.stdin.readline()
print(json.dumps({"task": "train", "done": 1, "total": 2, "values": {}, "message": "waiting"}), flush=True)
print(json.dumps({"ended": []} if sys.stdin.readline() == "stop\\n" else {"ended": ["nobody said stop", ""]}))
"""
pytestmark = pytest.mark.usefixtures("blank_charts", "no_comparison_pdf")


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> StudySettings:
    folder = tmp_path_factory.mktemp("jobs")
    make_phantom(folder / "frames", PhantomSettings(train=16, val=20, test_normal=8, test_abnormal=8, width=160, height=160))
    succeed("prepare", folder / "frames", "--out", folder / "data", "--size", 16)
    return api.study_of(folder / "data", ["vae"], assignments=SMALL)


@pytest.fixture
def acting(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Have each process run a script instead of training."""
    return lambda script: monkeypatch.setattr(workers, "COMMAND", [sys.executable, "-c", script])


def test_a_run_has_the_bytes_that_it_has_when_trained_one_after_another(
    study: StudySettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results, "N_MEASURED", 8)
    news: list[Progress] = []
    assert api.compare(study, tmp_path / "one")
    compared = api.compare(study, tmp_path / "two", jobs=2, on_progress=news.append)
    assert compared is not None
    one, two = (tmp_path / folder / "runs" / "vae-seed0" for folder in ("one", "two"))
    for file in ("model.safetensors", "scores/scores.csv", "scores/maps.npy", "calibration.json"):
        assert (one / file).read_bytes() == (two / file).read_bytes(), file
    assert {event.task for event in news} >= {"runs", "train 1", "score 1"}
    assert any("shared the machine" in text for text in compared.comparison.entries[0].runs[0].warnings)
    assert open_run(two).about["trained_at_a_time"] == "2" and "trained_at_a_time" not in open_run(one).about


def test_a_killed_process_is_given_its_run_again_alone_and_then_it_is_a_failure_of_the_page(
    study: StudySettings, tmp_path: Path, acting: Callable[[str], None]
) -> None:
    acting(KILLED)
    news: list[Progress] = []
    with pytest.raises(RunError, match=r"vae-seed0: its process was ended by SIGKILL \(often for want of memory\)"):
        api.compare(study, tmp_path, jobs=2, on_progress=news.append)
    said = [event.message for event in news]
    assert sum("vae-seed0 begins" in message for message in said) == 2
    assert any("it goes on alone when the others are done" in message for message in said)


def test_what_goes_wrong_in_a_process_is_told_as_elsewhere(
    study: StudySettings, tmp_path: Path, acting: Callable[[str], None]
) -> None:
    acting(BROKEN)
    news: list[Progress] = []
    with pytest.raises(RunError, match="vae-seed0: this is a bug"):
        api.compare(study, tmp_path, jobs=2, on_progress=news.append)
    assert (tmp_path / "failures" / "vae-seed0.txt").read_text() == "Traceback: at length"
    assert Progress("train 1", 1, 2, {"loss": 3}, "warning: vae-seed0: odd frames") in news


def test_a_stop_reaches_every_process(study: StudySettings, tmp_path: Path, acting: Callable[[str], None]) -> None:
    acting(WAITING)
    news: list[Progress] = []

    def waits() -> bool:
        return sum("waiting" in event.message for event in news) == 2

    asked = study.model_copy(update={"seeds": 3})
    assert api.compare(asked, tmp_path, jobs=2, on_progress=news.append, stop=waits) is None
    assert not any("failed" in event.message or "vae-seed2 begins" in event.message for event in news)


def test_a_job_waits_until_its_memory_is_there() -> None:
    places = Places(3, [10.0])
    assert [places.take(6), places.take(6), places.take(4), places.take(1)] == [0, None, 1, None]
    places.leave(0)
    assert places.take(6) == 0


def test_a_job_larger_than_the_memory_has_the_device_to_itself() -> None:
    places = Places(2, [10.0])
    assert [places.take(50), places.take(1)] == [0, None]


def test_devices_are_taken_in_turn_and_the_one_with_most_left_first() -> None:
    places = Places(4, [10.0, 20.0])
    taken = [places.take(4) for _ in range(4)]
    assert [places.device_of(place) for place in taken if place is not None] == [1, 1, 0, 0]


def test_where_the_system_does_not_say_what_is_free_every_place_is_taken() -> None:
    assert Places(2, [math.inf]).take(1e15) is not None


def test_each_process_computes_in_its_share_of_the_threads_or_in_what_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 8)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert [threads_of_each(jobs) for jobs in (2, 3, 20)] == [4, 2, 1]
    monkeypatch.setenv("OMP_NUM_THREADS", "8")
    assert threads_of_each(2) == 8


def test_a_training_that_shares_the_machine_is_given_more_time() -> None:
    assert RunContext(Path(), jobs=4).patience == 4 * RunContext(Path()).patience


def test_finished_runs_are_not_trained_several_at_a_time(study: StudySettings, tmp_path: Path) -> None:
    assert "--jobs is of trainings" in fail("compare", tmp_path, tmp_path, "--out", tmp_path / "P", "--jobs", 2)
