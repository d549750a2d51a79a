"""No label of a test frame has a part in anything but the report: with them permuted, all else stays as it is.

Each backend is trained, calibrated and scored twice on the same frames; only labels and findings of the test split differ. What a
backend may know of labels stays the same in both: the findings of normal training frames, and the abnormal frames in split
"unused", which are the pool of backends of two domains and, with their findings, training frames of those that ask for them.
Frames that ``data.pool_share`` moves out of the test split by their labels are in that split, too, and so are no test frames.
"""

from __future__ import annotations

import ast
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from commands import succeed
from sources import frame
from tiny import NARROW
from untrained import SMALL, make_run
from writers import save

import medgen
from medgen import api, registry
from medgen.data.prepared import PrepareSettings, open_prepared, read_table
from medgen.files import write_csv
from medgen.runs.localising.no_model_maps import no_model_maps, normal_levels

pytestmark = pytest.mark.usefixtures("narrow_endovae")
SPLITS = ["train"] * 8 + ["unused"] * 8 + ["val"] * 16 + ["test"] * 12
SMALL_DFM = ["model.sides=[]", "model.features.side=32", 'model.statistics=["mean"]']
LEFT_OUT = ['scoring.calibration="cv+"', "scoring.folds=3", *SMALL_DFM]
FUSED = ["scoring.flips=true", 'scoring.fuse=["*"]', 'scoring.two_sided=["kl"]']  # a score that is made of the components alone
SETTINGS = ["train.epochs=2", "train.panel_epochs=0", "data.batch_size=4", "false_alarm_rate=0.2"]


@pytest.fixture(scope="module")
def datasets(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The same prepared frames twice: with true labels of the test frames, and with normal and abnormal exchanged."""
    root = tmp_path_factory.mktemp("labels")
    (root / "frames").mkdir()
    for k in range(len(SPLITS)):
        save(root / "frames" / f"{k:02}.png", frame(40, seed=k))
    succeed("prepare", root / "frames", "--out", root / "true", "--size", "32", "--assume", "normal")
    shutil.copytree(root / "true", root / "exchanged")
    index = read_table(root / "true" / "index.csv").assign(split=SPLITS)
    for name in ("true", "exchanged"):
        for row, split in enumerate(SPLITS):
            abnormal = split == "unused" or (split == "test" and (row % 3 == 0) == (name == "true"))
            label, finding = ("abnormal", "polyp") if abnormal else ("normal", ("cecum", "ileum")[row % 2])
            index.loc[row, ["label", "finding"]] = label, finding
        write_csv(root / name / "index.csv", index)
    return root / "true", root / "exchanged"


def test_every_label_of_a_test_frame_is_exchanged_and_no_other(datasets: tuple[Path, Path]) -> None:
    true, exchanged = (open_prepared(path).index for path in datasets)
    assert ((true["label"] != exchanged["label"]) == (true["split"] == "test")).all()
    assert ((true["finding"] != exchanged["finding"]) == (true["split"] == "test")).all()


@pytest.mark.parametrize(
    ("backend", "scoring"),
    [
        *(pytest.param(name, [], id=name) for name in registry.names()),
        pytest.param("vae", FUSED, id="vae-fused"),
        pytest.param("dfm", LEFT_OUT, id="dfm-jackknife"),
        pytest.param("dfm", ["data.shots=4", *SMALL_DFM], id="dfm-few-frames"),
    ],
)
def test_the_labels_of_test_frames_change_no_weight_threshold_decision_score_or_map(
    datasets: tuple[Path, Path], tmp_path: Path, backend: str, scoring: list[str]
) -> None:
    weights, calibrations, tables, maps = [], [], [], []
    for data in datasets:
        settings = api.recipe(backend, None, [*SETTINGS, *NARROW.get(backend, []), *scoring])
        run = api.train(data, tmp_path / data.name, settings)
        weights.append(run.trained_model().state_dict())
        calibrations.append(json.loads((run.folder / "calibration.json").read_text()))
        scored = api.score(run.folder, data, tmp_path / f"{data.name} scores", pictures=False)
        tables.append(scored.table)
        maps.append(scored.maps)
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())
    assert calibrations[0] == calibrations[1] and calibrations[0]["value"] is not None
    decided = [name for name in tables[0] if name in ("path", "score", "quantile", "abnormal") or name.startswith("component_")]
    assert "abnormal" in decided and (tables[0]["label"] != tables[1]["label"]).all()
    pd.testing.assert_frame_equal(tables[0][decided], tables[1][decided], check_exact=True)
    np.testing.assert_array_equal(maps[0], maps[1])  # both None where the backend draws no maps


def test_the_labels_of_another_data_set_change_no_score_decision_or_threshold_of_an_evaluation(
    datasets: tuple[Path, Path], tmp_path: Path, blank_charts: None
) -> None:
    (tmp_path / "frames").mkdir()
    for seed in range(24):
        save(tmp_path / "frames" / f"{seed:02}.png", frame(40, seed=100 + seed))
    api.prepare(
        tmp_path / "frames", tmp_path / "own", PrepareSettings(size=32, assume="normal", val_share=0.8, test_share=0.1), 1
    )
    run = make_run(str(tmp_path / "own"), tmp_path / "run", settings=[*SMALL, "false_alarm_rate=0.2"]).folder
    before = (run / "calibration.json").read_bytes()
    pages = [api.evaluate(run, data, tmp_path / f"{data.name} page") for data in datasets]
    first, second = (pd.read_csv(page.with_name("scores.csv")) for page in pages)
    decided = [name for name in first if name in ("path", "score", "quantile", "abnormal") or name.startswith("component_")]
    assert "abnormal" in decided and (first["label"] != second["label"]).all()
    pd.testing.assert_frame_equal(first[decided], second[decided], check_exact=True)
    values = [json.loads(page.with_name("metrics.json").read_text())["threshold"]["value"] for page in pages]
    assert values[0] == values[1] and (run / "calibration.json").read_bytes() == before


def test_the_labels_of_test_frames_change_no_weight_score_or_threshold_of_a_recalibration(
    datasets: tuple[Path, Path], tmp_path: Path
) -> None:
    for place in ("train/good", "test/good"):
        (tmp_path / "own" / place).mkdir(parents=True)
        for seed in range(8):
            save(tmp_path / "own" / place / f"{seed:02}.png", frame(32, seed=200 + seed))
    make_run(tmp_path / "own", tmp_path / "run", "padim", ["model.features.side=32", "model.width=4"]).with_facts(
        finished="for tests"
    )
    moved = [api.recalibrate(tmp_path / "run", data, tmp_path / data.name, false_alarm_rate=0.2) for data in datasets]
    first, second = (run.calibration() for run in moved)
    assert first["normals"] == SPLITS.count("train") + SPLITS.count("val")
    assert first["scores"] == second["scores"] and first["value"] == second["value"]
    weights = [run.trained_model().state_dict() for run in moved]
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())


def test_the_labels_of_test_frames_change_no_map_without_a_model(datasets: tuple[Path, Path]) -> None:
    true, exchanged = map(open_prepared, datasets)
    rows = true.rows("test")
    for way, again in zip(no_model_maps(true), no_model_maps(exchanged), strict=True):
        drawn = [each.draw(true.frames[rows], true.valid[rows]) for each in (way, again)]
        np.testing.assert_array_equal(*drawn)
        assert normal_levels(way, true) == normal_levels(again, exchanged)


# what trains, calibrates and scores
BLIND = (
    "backends",
    "contract",
    "engine",
    "losses.py",
    "metrics",
    "nn",
    "runs/calibrating/calibrate.py",
    "runs/checks/check_scoring.py",
    "runs/folds.py",
    "runs/calibrating/left_out.py",
    "runs/calibrating/normal_frames.py",
)


@pytest.mark.parametrize("part", BLIND)
def test_what_trains_calibrates_and_scores_names_no_column_of_labels(part: str) -> None:
    room = Path(medgen.__file__).parent / part
    sources = [room] if room.is_file() else sorted(room.rglob("*.py"))
    named = {
        source.name
        for source in sources
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and node.value == "label"
    }
    assert sources and not named
