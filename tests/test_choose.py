"""Weights chosen without labels: by how well they tell frames with a foreign patch from those without."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pandas as pd
import pytest
import torch
from commands import succeed
from sklearn.metrics import roc_auc_score
from sources import folder
from tiny import batch, tiny

from medgen.contract.backend import Backend
from medgen.engine import checkpoint, validate
from medgen.engine.fit import WEIGHTS
from medgen.engine.memory import MemoryMeter
from medgen.engine.validate import synthetic_auroc
from medgen.nn.synthetic import foreign_patches
from medgen.types import Batch, Scores


def validation() -> list[Batch]:
    return [replace(batch(5, seed), index=torch.arange(5 * seed, 5 * seed + 5)) for seed in range(3)]


def test_it_is_the_auroc_of_frames_with_a_patch_against_those_without() -> None:
    model = tiny("vae").eval()
    clean, corrupted = [], []
    with torch.inference_mode():
        for frames in validation():
            clean.append(model.score(frames).score)
            changed, _ = foreign_patches(frames.image, frames.valid, frames.index)
            corrupted.append(model.score(replace(frames, image=changed)).score)
    expected = roc_auc_score([0] * 15 + [1] * 15, np.concatenate([*clean, *corrupted]))
    assert synthetic_auroc(model, validation(), torch.device("cpu")) == pytest.approx(expected)


def test_it_compares_many_frames_without_a_table_of_all_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validate, "foreign_patches", lambda image, valid, index: (image, valid))
    means = SimpleNamespace(eval=lambda: None, score=lambda frames: Scores(frames.image.mean((1, 2, 3))))
    frames = Batch(torch.arange(4000.0).view(-1, 1, 1, 1), torch.ones(4000, 1, 1, 1, dtype=torch.bool), torch.arange(4000))
    meter = MemoryMeter(torch.device("cpu"))
    assert synthetic_auroc(cast(Backend, means), [frames], torch.device("cpu")) == 0.5
    assert (meter.peak() or 0) < 2**24
    unknown = replace(frames, image=frames.image * math.nan)
    assert synthetic_auroc(cast(Backend, means), [unknown], torch.device("cpu")) == 0.0


def test_without_validation_frames_there_is_none() -> None:
    assert np.isnan(synthetic_auroc(tiny("vae"), [], torch.device("cpu")))


def test_the_weights_of_the_epoch_that_tells_them_best_are_kept(tmp_path: Path) -> None:
    folder(tmp_path / "frames", "train/good", "val/good", count=12)
    settings = ["model.widths=[8]", "model.latents=4", "train.choose=synthetic", "data.batch_size=4"]
    values = [part for value in settings for part in ("--set", value)]
    told = succeed("train", "vae", f"folder:{tmp_path / 'frames'}", "--out", tmp_path / "run", "--epochs", "6", *values)
    found = pd.read_csv(tmp_path / "run" / "log.csv")["diagnosis.synthetic_auroc"]
    best = int(found.idxmax()) + 1
    assert checkpoint.load(tmp_path / "run" / WEIGHTS)[1]["epoch"] == best and f"foreign patches {1 - found.max():.6g}" in told
