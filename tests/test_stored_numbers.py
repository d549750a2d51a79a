"""No number changes without the version of its kind.

``stored_numbers.json`` has, for each kind of stored results, the version and the numbers that it gives on fixed frames. Where a
test here says that they differ: raise the version in `medgen.runs.versions`, and write the file anew by running this file as a
script. That adds the numbers of a new backend, too.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pytest
import torch
from tiny import batch, tiny, training_batch
from untrained import make_frames, make_run

from medgen import registry
from medgen.contract.capabilities import OnePassFit
from medgen.data.native.addresses import open_dataset
from medgen.data.shortcut_features import frame_traits
from medgen.metrics.distribution import compare
from medgen.nn.features.extractors import EFFICIENTNET, available, load_extractor
from medgen.runs.datasets import open_trained_on
from medgen.runs.localising.localisation import measure_baselines
from medgen.runs.scores import score_rows
from medgen.runs.versions import KINDS
from medgen.verbs.distance import real_features

STORED = Path(__file__).with_name("stored_numbers.json")
SETTINGS = ("model.latents=2", "model.widths=[8]", "data.batch_size=8")  # of a run of which numbers are stored
Numbers = dict[str, list[float]]


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
    run = make_run(make_frames(folder / "frames"), folder / "run", settings=SETTINGS)
    data = open_trained_on(run)
    scored = score_rows(run, data, data.rows("test"), folder / "scores", device="cpu")
    assert scored.maps is not None
    numbers = columns(scored.table) | {"maps": scored.maps.mean((1, 2))[:4].tolist()}
    return {f"run {name}": values for name, values in numbers.items()}


def calibration_numbers(folder: Path) -> Numbers:
    calibration = make_run(make_frames(folder / "frames"), folder / "run", settings=SETTINGS).calibration()
    assert calibration["value"] is not None
    return {"scores": calibration["scores"][:4], "threshold": [calibration["value"], calibration["pixel_level"]]}


def feature_numbers(folder: Path) -> Numbers:
    data = open_dataset(f"folder:{make_frames(folder / 'frames')}")
    net = load_extractor(EFFICIENTNET)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEDGEN_CACHE", str(folder / "cache"))  # features are computed here, and none is read that was kept before
        return {net.name: real_features(net, data, 8, "test").mean(0)[:4].tolist()}


def distance_numbers(folder: Path) -> Numbers:
    random = np.random.default_rng(0)
    real, drawn = (torch.from_numpy(random.normal(shift, 1, (40, 6)).astype(np.float32)) for shift in (0, 0.5))
    result = compare(real, drawn, "stub", 0)
    return {name: [float(result[name])] for name in ("fd", "kid", "precision", "recall", "density", "coverage")}


def trait_numbers(folder: Path) -> Numbers:
    data = open_dataset(f"folder:{make_frames(folder / 'frames')}")
    return columns(frame_traits(data, data.rows("test")))


def baseline_numbers(folder: Path) -> Numbers:
    data = open_dataset(f"folder:{make_frames(folder / 'frames')}")
    masks = np.zeros((len(data.index), 32, 32), bool)
    masks[(data.index["label"] == "abnormal").to_numpy(), 4:14, 2:12] = True
    rows = data.rows("test")
    measured = measure_baselines(replace(data, masks=masks), data, rows, rows.astype(str))
    drawn = {f"{name} drawn": maps.draws["auroc"][:4].tolist() for name, maps in measured.items()}
    return {name: [*maps.values.values()] for name, maps in measured.items()} | drawn


NUMBERS: Mapping[str, Callable[[Path], Numbers]] = {
    "scores": score_numbers,
    "calibration": calibration_numbers,
    "features": feature_numbers,
    "distance": distance_numbers,
    "traits": trait_numbers,
    "baselines": baseline_numbers,
}
REMEDY = "raise its version in medgen/runs/versions.py, then write the numbers anew: python tests/test_stored_numbers.py"


def check(kind: str, name: str, numbers: list[float]) -> None:
    stored = json.loads(STORED.read_text())[kind]
    assert name in stored["numbers"], f"'{name}' has no stored numbers yet: python tests/test_stored_numbers.py adds them"
    assert stored["version"] == KINDS[kind].version, "write the numbers of the new version: python tests/test_stored_numbers.py"
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
