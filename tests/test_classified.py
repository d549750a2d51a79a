"""Figures of classifiers: the matrix of confusion, and names under frames."""

from __future__ import annotations

from io import BytesIO
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from sklearn.metrics import confusion_matrix

from medgen.verbs.figures import classified
from medgen.verbs.figures.classified import SIDE, captioned, confusion

CLASSES = ["a", "b", "c", "never seen"]


def test_the_matrix_is_that_of_scikit_learn() -> None:
    truth, said = (np.random.default_rng(seed).choice(["a", "b", "c"], 60) for seed in (0, 1))
    np.testing.assert_array_equal(confusion(truth, said, CLASSES), confusion_matrix(truth, said, labels=CLASSES))


def test_each_frame_stands_above_its_two_names_and_a_wrong_one_is_red() -> None:
    frames = np.full((2, 8, 8, 1), 90, dtype=np.uint8)
    drawn = np.asarray(Image.open(BytesIO(captioned(frames, [("a", "a"), ("a", "b")]))))
    left, right = drawn[:, 6 : 6 + SIDE], drawn[:, 6 + SIDE + 6 : 6 + 2 * (SIDE + 6)]
    assert (left[6 : 6 + SIDE] == 90).all()
    reddish = [(tile[..., 0].astype(int) - tile[..., 2] > 100).any() for tile in (left, right)]
    assert reddish == [False, True]


def test_frames_without_a_score_are_in_no_matrix(monkeypatch: pytest.MonkeyPatch) -> None:
    valid = np.stack([np.full((4, 4), shown) for shown in (True, False, True)])
    data: Any = SimpleNamespace(index=pd.DataFrame({"finding": ["a", "a", "b"]}), valid=valid, own_valid=None)
    run: Any = SimpleNamespace(settings=SimpleNamespace(data=SimpleNamespace(overlay="mask")))
    model: Any = SimpleNamespace(classes=CLASSES, classify=lambda rows: {"net": torch.eye(4)[: len(rows)]})
    monkeypatch.setattr(classified, "FixedBatches", lambda data, rows, settings: [rows])
    named = classified._named(run, model, "own domain", data, np.arange(3))
    assert named.rows.tolist() == [0, 2] and named.truth.tolist() == ["a", "b"] and len(named.predicted["net"]) == 2
