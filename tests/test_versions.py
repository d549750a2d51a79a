"""Stored results count only where the present code made them, and no number changes without the version of its kind.

``stored_numbers.json`` has, for each kind of stored results, the version and the numbers that it gives on fixed frames. Where a
test here says that they differ: raise the version in `medgen.runs.versions`, and write the file anew by running this file as a
script. That adds the numbers of a new backend, too.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from tiny import batch, tiny, training_batch
from torch import Tensor

from medgen import api, registry
from medgen.contract.capabilities import OnePassFit
from medgen.data.native.addresses import open_dataset
from medgen.data.shortcut_features import frame_traits
from medgen.engine import checkpoint
from medgen.engine.device import make_fabric
from medgen.engine.fit import WEIGHTS
from medgen.errors import RunError
from medgen.metrics.distribution import compare
from medgen.nn.features.extractors import EFFICIENTNET, available, load_extractor
from medgen.runs import resources, versions
from medgen.runs.calibrate import calibrate, renew_calibration
from medgen.runs.datasets import open_trained_on
from medgen.runs.resources import cost
from medgen.runs.run import CALIBRATION, Run, create_run
from medgen.runs.scores import score_rows
from medgen.runs.settings import fill_defaults
from medgen.runs.versions import KINDS, is_current, made_by
from medgen.verbs import audit, distance
from medgen.verbs.audit import cached_traits
from medgen.verbs.distance import measured, real_features
from medgen.verbs.study import budget
from medgen.verbs.study.budget import planned
from medgen.verbs.train import open_inputs

STORED = Path(__file__).with_name("stored_numbers.json")
Numbers = dict[str, list[float]]


def make_frames(root: Path) -> Path:
    """Make a folder of PNG, whose pixels every decoder reads alike."""
    random = np.random.default_rng(0)
    for name, count in (("train/good", 8), ("val/good", 24), ("test/good", 8), ("test/bad", 8)):
        (root / name).mkdir(parents=True)
        for k in range(count):
            coarse = Image.fromarray(random.integers(0, 256, (4, 4, 3), dtype=np.uint8))
            coarse.resize((32, 32), Image.Resampling.NEAREST).save(root / name / f"{k:02}.png")
    return root


def make_run(frames: Path, folder: Path) -> Run:
    """Make a run that was never trained: its weights are those of its seed, the same on every machine."""
    data = open_dataset(f"folder:{frames}")
    settings = fill_defaults(api.recipe("vae", None, ("model.latents=2", "model.widths=[8]", "data.batch_size=8")), data)
    run = create_run(folder, settings, data, "")
    checkpoint.save(folder / WEIGHTS, run.new_model().state_dict(), {})
    calibrate(run, data, make_fabric("cpu", "float32"))
    return run


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
    table = pd.read_csv(run.folder / "scores" / "scores.csv")
    table.assign(score=9.0).to_csv(run.folder / "scores" / "scores.csv", index=False)
    return float(score_rows(run, data, data.rows("test"), run.folder / "scores", device="cpu").table["score"].iloc[0])


def test_scores_of_the_present_code_are_read_again(run: Run) -> None:
    assert tampered_score(run) == 9.0


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


# the numbers of each kind


def backend_scores(name: str) -> list[float]:
    """Return the scores of four fixed frames by a tiny backend: of the weights of its seed, or fitted to one batch."""
    model = tiny(name)
    if isinstance(model, OnePassFit):
        list(model.turns(training_batch(8), 0.0))
        model.finalise_fit()
    with torch.inference_mode():
        return model.eval().score(batch()).score.tolist()


def columns(table: pd.DataFrame) -> Numbers:
    return {name: table[name].head(4).tolist() for name in table.select_dtypes("number")}


def score_numbers(folder: Path) -> Numbers:
    run = make_run(make_frames(folder / "frames"), folder / "run")
    data = open_trained_on(run)
    scored = score_rows(run, data, data.rows("test"), folder / "scores", device="cpu")
    assert scored.maps is not None
    numbers = columns(scored.table) | {"maps": scored.maps.mean((1, 2))[:4].tolist()}
    return {f"run {name}": values for name, values in numbers.items()}


def calibration_numbers(folder: Path) -> Numbers:
    calibration = make_run(make_frames(folder / "frames"), folder / "run").calibration()
    assert calibration["value"] is not None
    return {"scores": calibration["scores"][:4], "threshold": [calibration["value"], calibration["pixel_level"]]}


def feature_numbers(folder: Path) -> Numbers:
    data = open_dataset(f"folder:{make_frames(folder / 'frames')}")
    net = load_extractor(EFFICIENTNET)
    return {net.name: real_features(net, data, 8, "test").mean(0)[:4].tolist()}


def distance_numbers(folder: Path) -> Numbers:
    random = np.random.default_rng(0)
    real, drawn = (torch.from_numpy(random.normal(shift, 1, (40, 6)).astype(np.float32)) for shift in (0, 0.5))
    result = compare(real, drawn, "stub", 0)
    return {name: [float(result[name])] for name in ("fd", "kid", "precision", "recall", "density", "coverage")}


def trait_numbers(folder: Path) -> Numbers:
    data = open_dataset(f"folder:{make_frames(folder / 'frames')}")
    return columns(frame_traits(data, data.rows("test")))


NUMBERS: Mapping[str, Callable[[Path], Numbers]] = {
    "scores": score_numbers,
    "calibration": calibration_numbers,
    "features": feature_numbers,
    "distance": distance_numbers,
    "traits": trait_numbers,
}
REMEDY = "raise its version in medgen/runs/versions.py, then write the numbers anew: python tests/test_versions.py"


def check(kind: str, name: str, numbers: list[float]) -> None:
    stored = json.loads(STORED.read_text())[kind]
    if name not in stored["numbers"]:
        pytest.skip(f"'{name}' has no stored numbers yet: python tests/test_versions.py adds them")
    assert stored["version"] == KINDS[kind].version, "write the numbers of the new version: python tests/test_versions.py"
    assert numbers == pytest.approx(stored["numbers"][name], rel=1e-3, abs=1e-6), f"{name} changed: {kind} changed; {REMEDY}"


@pytest.mark.parametrize("name", registry.names())
def test_the_scores_of_a_backend_are_those_of_their_version(name: str) -> None:
    check("scores", name, backend_scores(name))


@pytest.mark.parametrize("kind", NUMBERS)
def test_numbers_are_those_of_their_version(kind: str, tmp_path: Path) -> None:
    if kind == "features" and EFFICIENTNET not in available():
        pytest.skip("efficientnet-lite0 is not installed")
    for name, numbers in NUMBERS[kind](tmp_path).items():
        check(kind, name, numbers)


def write_stored_numbers() -> None:
    stored = {}
    for kind, compute in NUMBERS.items():
        with TemporaryDirectory() as folder:
            numbers = compute(Path(folder))
        if kind == "scores":
            numbers |= {name: backend_scores(name) for name in registry.names()}
        stored[kind] = {"version": KINDS[kind].version, "numbers": numbers}
    rounded = json.loads(json.dumps(stored), parse_float=lambda text: float(f"{float(text):.5g}"))
    STORED.write_text(json.dumps(rounded, indent=1) + "\n")


if __name__ == "__main__":
    write_stored_numbers()
