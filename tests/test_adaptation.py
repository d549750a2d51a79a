"""The upper bound of an adaptation: a classifier that was told the labels of the second domain."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from benchmarks import adaptation
from pixelda_models import small
from torch import nn

from medgen.types import Batch

NAMES = ["a", "b", "c", "other"]


@pytest.fixture
def data(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Eight frames whose red channel says their class; the last two are test frames."""
    labels = np.array([0, 1, 2, 0, 1, 2, 0, 3])
    frames = torch.zeros(8, 3, 32, 32)
    frames[:, 0] = torch.from_numpy(labels / 3).float().view(-1, 1, 1)

    def rows(*splits: str) -> np.ndarray:
        parts = {"train": [0, 1, 3, 4], "unused": [2, 5], "test": [6, 7]}
        return np.array(sorted(row for split in splits or parts for row in parts[split]))

    def batches(data: object, chosen: np.ndarray, settings: object, *, batch_size: int = 64) -> list[Batch]:
        parts = [torch.from_numpy(chosen[start : start + batch_size]) for start in range(0, len(chosen), batch_size)]
        return [Batch(frames[part], torch.ones(len(part), 1, 32, 32, dtype=torch.bool), part) for part in parts]

    monkeypatch.setattr(adaptation, "FixedBatches", batches)
    return SimpleNamespace(rows=rows, index=pd.DataFrame({"finding": [NAMES[label] for label in labels]}))


RUN = SimpleNamespace(settings=SimpleNamespace(train=SimpleNamespace(seed=0), data=SimpleNamespace(batch_size=2)))


class ByRed(nn.Module):
    """Says the class of the red channel, or "a" for all."""

    def __init__(self, looks: bool) -> None:
        super().__init__()
        self.looks = looks

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        red = ((image[:, 0, 0, 0] + 1) * 1.5).round().long().clamp_max(2)
        return nn.functional.one_hot(red if self.looks else torch.zeros_like(red), 3).float()


def test_shares_are_those_of_all_frames_and_of_the_test_frames(data: SimpleNamespace) -> None:
    found = adaptation.rightly(RUN, {"sees": ByRed(True), "guesses": ByRed(False)}, ("a", "b", "c"), data)  # type: ignore[arg-type]
    assert found["sees"] == {"all": 7 / 8, "test": 1 / 2} and found["guesses"] == {"all": 3 / 8, "test": 1 / 2}


def test_the_third_classifier_learns_the_labels_of_its_domain(data: SimpleNamespace) -> None:
    told = adaptation.upper_bound(RUN, small(), data, 12)  # type: ignore[arg-type]
    found = adaptation.rightly(RUN, {"told": told}, ("a", "b", "c"), data)  # type: ignore[arg-type]
    assert found["told"]["all"] >= 6 / 8
