"""Stored results count only where the present code made them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor
from untrained import make_frames, make_run

from medgen import api
from medgen.data.native.addresses import open_dataset
from medgen.errors import RunError
from medgen.files import digest_of
from medgen.runs import resources, versions
from medgen.runs.calibrating.calibrate import renew_calibration
from medgen.runs.datasets import open_trained_on
from medgen.runs.resources import cost
from medgen.runs.run import CALIBRATION, Run
from medgen.runs.scores import score_rows, still_hold
from medgen.runs.versions import KINDS, is_current, made_by
from medgen.verbs import audit, distance
from medgen.verbs.audit import cached_traits
from medgen.verbs.distance import measured, real_features
from medgen.verbs.study import budget
from medgen.verbs.study.budget import planned
from medgen.verbs.train import open_inputs

pytestmark = pytest.mark.usefixtures("blank_charts")


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return make_run(make_frames(tmp_path / "frames"), tmp_path / "run")


@pytest.fixture
def next_version(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Return what makes the present code the next version of a kind."""

    def raise_version(kind: str) -> None:
        entry = KINDS[kind]
        monkeypatch.setattr(versions, "KINDS", {**KINDS, kind: entry._replace(version=entry.version + 1)})

    return raise_version


def test_a_result_without_a_version_is_of_older_code() -> None:
    assert not is_current("scores", {}) and is_current("scores", {"made_by": made_by("scores")})


def test_what_rests_on_another_kind_is_no_longer_current_when_that_changes(next_version: Callable[[str], None]) -> None:
    before = {"made_by": made_by("calibration")}
    next_version("scores")
    assert not is_current("calibration", before)


# scores


def tampered_score(run: Run) -> float:
    """Score the test frames, put a score on disk that no code gives, ask again and return what the frame has then."""
    data = open_trained_on(run)
    score_rows(run, data, data.rows("test"), run.folder / "scores", device="cpu")
    path = run.folder / "scores" / "scores.csv"
    before = digest_of(path)
    pd.read_csv(path).assign(score=9.0).to_csv(path, index=False)
    stamp = path.with_name("scores.toml")
    stamp.write_text(stamp.read_text().replace(before, digest_of(path)))  # as if it had been written so
    return float(score_rows(run, data, data.rows("test"), run.folder / "scores", device="cpu").table["score"].iloc[0])


def test_scores_of_the_present_code_are_read_again(run: Run) -> None:
    assert tampered_score(run) == 9.0


@pytest.mark.parametrize("large", ["maps.npy", "maps"])
def test_maps_and_pictures_that_were_thrown_away_are_made_again(run: Run, large: str) -> None:
    data = open_trained_on(run)
    scored = [score_rows(run, data, data.rows("test"), run.folder / "scores", device="cpu", pictures=True)]
    assert still_hold(run, run.folder / "scores")
    (run.folder / "scores" / large).rename(run.folder / "elsewhere")
    assert not still_hold(run, run.folder / "scores")
    scored.append(score_rows(run, data, data.rows("test"), run.folder / "scores", device="cpu", pictures=True))
    assert (run.folder / "scores" / large).exists() and np.array_equal(*(made.maps for made in scored))


def test_names_of_frames_are_in_memory_once(run: Run) -> None:
    data = open_trained_on(run)
    table = score_rows(run, data, data.rows("test"), run.folder / "scores", device="cpu").table
    own = data.index.iloc[data.rows("test")]
    assert [[*map(id, table[name])] for name in ("id", "path")] == [[*map(id, own[name])] for name in ("id", "path")]


def test_scores_of_other_code_are_made_again(run: Run) -> None:
    data = open_trained_on(run)
    first = score_rows(run, data, data.rows("test"), run.folder / "scores", device="cpu").table["score"].iloc[0]
    stamp = run.folder / "scores" / "scores.toml"
    stamp.write_text(stamp.read_text().replace(made_by("scores"), "scores 0"))
    table = pd.read_csv(run.folder / "scores" / "scores.csv")
    table.assign(score=9.0).to_csv(run.folder / "scores" / "scores.csv", index=False)
    assert score_rows(run, data, data.rows("test"), run.folder / "scores", device="cpu").table["score"].iloc[0] == first


def test_scores_of_a_run_from_before_components_were_called_so_have_them_now(run: Run) -> None:
    data, folder = open_trained_on(run), run.folder / "scores"
    score_rows(run, data, data.rows("test"), folder, device="cpu")
    stamp = folder / "scores.toml"
    stamp.write_text("\n".join(line for line in stamp.read_text().splitlines() if not line.startswith("made_by")) + "\n")
    table = pd.read_csv(folder / "scores.csv").rename(columns=lambda name: name.replace("component_", "part_"))
    table.to_csv(folder / "scores.csv", index=False)
    names = [*score_rows(run, data, data.rows("test"), folder, device="cpu").table]
    assert "component_kl" in names and not any(name.startswith("part_") for name in names)


# calibration


def change_calibration(run: Run, **facts: object) -> None:
    """Write a calibration of no version, with other facts."""
    stored = {name: value for name, value in run.stored_calibration().items() if name != "made_by"}
    (run.folder / CALIBRATION).write_text(json.dumps({**stored, **facts}))


def test_a_calibration_of_other_code_is_made_again_and_its_rate_stays(run: Run) -> None:
    before = run.calibration()
    change_calibration(run, scores=[9.0] * 24, value=9.0, parts={}, false_alarm_rate=0.5)
    assert not run.calibration()
    renew_calibration(run, device="cpu")
    assert run.calibration()["scores"] == before["scores"] and run.calibration()["false_alarm_rate"] == 0.5


def test_scoring_makes_an_old_calibration_again_before_it_decides(run: Run) -> None:
    data = open_trained_on(run)
    change_calibration(run, scores=[9.0] * 24, value=9.0)
    table = score_rows(run, data, data.rows("test"), run.folder / "scores", device="cpu").table
    assert table["quantile"].max() > 0


def test_the_threshold_is_moved_among_scores_of_the_present_code(run: Run) -> None:
    change_calibration(run, scores=[9.0] * 24)
    assert api.set_threshold(run.folder, 0.5)["value"] < 9.0


def test_an_old_calibration_whose_data_set_is_gone_names_the_command(run: Run, tmp_path: Path) -> None:
    change_calibration(run)
    (tmp_path / "frames").rename(tmp_path / "moved")
    with pytest.raises(RunError, match=f"medgen report {run.folder} --data DATASET"):
        renew_calibration(run)


def test_an_old_calibration_is_made_again_from_a_data_set_that_has_moved(run: Run, tmp_path: Path) -> None:
    change_calibration(run)
    (tmp_path / "frames").rename(tmp_path / "moved")
    api.report([run.folder], tmp_path / "page", dataset=Path(f"folder:{tmp_path / 'moved'}"), device="cpu")
    assert run.calibration()


# costs and plans


def test_a_speed_of_other_code_is_measured_again(
    run: Run, monkeypatch: pytest.MonkeyPatch, next_version: Callable[[str], None]
) -> None:
    data = open_trained_on(run)
    scored = score_rows(run, data, data.rows("test"), run.folder / "scores", device="cpu")
    speeds = iter([1.0, 2.0])
    monkeypatch.setattr(resources, "frames_per_second", lambda *arguments: next(speeds))
    assert [cost(run, scored, device="cpu").frames_per_second for _ in range(2)] == [1.0, 1.0]
    next_version("cost")
    assert cost(run, scored, device="cpu").frames_per_second == 2.0


def test_a_plan_of_other_code_is_made_again(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, next_version: Callable[[str], None]
) -> None:
    speeds = iter([[2.0], [4.0]])
    monkeypatch.setattr(budget, "stage_seconds", lambda *arguments: next(speeds))
    inputs = open_inputs(f"folder:{tmp_path / 'frames'}", run.settings)
    before = [planned(inputs, "a", "20s", tmp_path) for _ in range(2)]
    next_version("plan")
    assert before == [9, 9] and planned(inputs, "a", "20s", tmp_path) == 4


# distances, features and traits


def test_a_distance_of_other_code_is_not_shown(run: Run, next_version: Callable[[str], None]) -> None:
    entry = {"extractor": "x", "weights": run.weights_digest(), "made_by": made_by("distance")}
    (run.folder / distance.FILE).write_text(json.dumps({"x": entry}))
    assert measured(run)
    next_version("features")
    assert not measured(run)


def test_cached_features_of_other_code_are_computed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, next_version: Callable[[str], None]
) -> None:
    data = open_dataset(f"folder:{make_frames(tmp_path / 'frames')}")
    monkeypatch.setenv("MEDGEN_CACHE", str(tmp_path))
    answers = iter([torch.zeros(8, 6), torch.ones(8, 6)])
    monkeypatch.setattr(distance, "extract", lambda *arguments: next(answers))
    net = load_stub()
    before = [real_features(net, data, 100, "test") for _ in range(2)]
    next_version("features")
    assert torch.equal(*before) and real_features(net, data, 100, "test").sum() == 48


def test_cached_traits_of_other_code_are_computed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, next_version: Callable[[str], None]
) -> None:
    data = open_dataset(f"folder:{make_frames(tmp_path / 'frames')}")
    monkeypatch.setenv("MEDGEN_CACHE", str(tmp_path))
    answers = iter([1.0, 2.0])
    monkeypatch.setattr(audit, "frame_traits", lambda *arguments: pd.DataFrame({"brightness": [next(answers)] * 16}))
    before = [cached_traits(data, data.rows("test"))["brightness"].iloc[0] for _ in range(2)]
    next_version("traits")
    assert before == [1.0, 1.0] and cached_traits(data, data.rows("test"))["brightness"].iloc[0] == 2.0


def load_stub() -> Any:
    """Return an extractor of six features: mean and deviation of each channel."""
    from medgen.nn.features.extractors import Extractor

    class Means(torch.nn.Module):
        def forward(self, image: Tensor) -> Tensor:
            return torch.cat([image.mean((2, 3)), image.std((2, 3))], 1)

    return Extractor("stub", Means(), 6, lambda images: images)
