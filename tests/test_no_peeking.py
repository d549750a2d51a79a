"""No test label has a part in anything but the report: with other labels on the test frames, all else stays as it is."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from commands import succeed
from writers import save

from medgen.runs.run import open_run

DRAW = np.random.default_rng(0)
TINY = {
    "vae": ["model.widths=[8]", "model.latents=4", 'scoring.fuse=["*"]', "scoring.flips=true"],
    "dfm": ["model.sides=[64]"],
    "patchcore": ["model.features.side=64", "model.bank=50"],
}


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The same frames prepared twice: once with the true labels of the test frames, once with the opposite ones."""
    root = tmp_path_factory.mktemp("labels")
    (root / "frames").mkdir()
    splits = ["train"] * 20 + ["val"] * 20 + ["test"] * 12
    for k in range(len(splits)):
        save(root / "frames" / f"{k:02}.png", DRAW.integers(60, 200, (40, 40, 3), dtype=np.uint8))
    for name, swapped in (("true", False), ("swapped", True)):
        lines = ["file,finding,label,split"]
        for k, split in enumerate(splits):
            abnormal = split == "test" and (k % 3 == 0) != swapped
            lines.append(f"{k:02}.png,{'polyp,abnormal' if abnormal else 'normal,normal'},{split}")
        (root / "frames" / "manifest.csv").write_text("\n".join(lines))
        succeed("prepare", root / "frames", "--out", root / name, "--size", "32")
    return root / "true", root / "swapped"


@pytest.mark.parametrize("backend", TINY)
def test_the_labels_of_test_frames_change_no_weight_threshold_choice_or_score(
    studies: tuple[Path, Path], tmp_path: Path, backend: str
) -> None:
    settings = [part for value in TINY[backend] for part in ("--set", value)]
    found = []
    for data in studies:
        run = tmp_path / data.name
        succeed("train", backend, data, "--out", run, "--epochs", "2", "--set", "data.batch_size=4", *settings)
        succeed("score", run, data, "--out", run / "out", "--no-pictures")
        found.append((open_run(run), pd.read_csv(run / "out" / "scores.csv"), json.loads((run / "calibration.json").read_text())))
    (first, table, calibration), (second, other, same) = found
    assert (table["label"] != other["label"]).all()
    decided = [name for name in table if name in ("path", "score", "quantile", "abnormal") or name.startswith("component_")]
    pd.testing.assert_frame_equal(table[decided], other[decided])
    assert {**calibration, "weights": ""} == {**same, "weights": ""}
    weights, others = first.trained_model().state_dict(), second.trained_model().state_dict()
    assert all(torch.equal(weights[name], others[name]) for name in weights)
