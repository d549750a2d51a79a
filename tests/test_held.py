"""Training frames that stay on a device: the same batches, each frame read once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from medgen.data.augmenting.augment import AugmentSettings
from medgen.data.dataset import DataSettings, TrainingBatches
from medgen.data.prepared import Prepared, PrepareSettings
from medgen.held import Held, fits, taken
from medgen.types import Batch, DataRequirements

CPU = torch.device("cpu")


class Counted:
    """An array that notes which rows are read."""

    def __init__(self, array: np.ndarray[Any, Any]) -> None:
        self.array, self.shape, self.read = array, array.shape, []

    def __len__(self) -> int:
        return len(self.array)

    def __getitem__(self, rows: Any) -> Any:
        self.read += list(rows)
        return self.array[rows]


@pytest.fixture
def data() -> Prepared:
    """Return ten training frames, two of split "unused" and pairs, all of random bytes."""
    rng = np.random.default_rng(0)
    frames, others = rng.integers(0, 256, (2, 12, 16, 16, 3), dtype=np.uint8)
    names = [str(k) for k in range(12)]
    same = {"label": "normal", "finding": "normal", "copy": 0, "annotated": False, "status": "ok"}
    index = pd.DataFrame({"id": names, "path": names, "group": names, "split": ["train"] * 10 + ["unused"] * 2, **same})
    valid = rng.random((12, 16, 16)) > 0.2
    return Prepared(Path(), PrepareSettings(size=16), "", "", index, frames, valid, None, kind="folder", others=others)


def batches(data: Prepared, hold: str, other: str = "", start: int = 0) -> list[Batch]:
    settings = DataSettings.model_validate({"batch_size": 3, "augment": AugmentSettings(), "hold": hold})
    training = TrainingBatches(data, settings, 5, requirements=DataRequirements(other=other))  # type: ignore[arg-type]
    return [*training.epoch(0, start), *training.epoch(1)]


def same(one: Batch, two: Batch) -> bool:
    return all(
        torch.equal(getattr(one, name), getattr(two, name))
        for name in ("image", "valid", "index", "other")
        if getattr(one, name) is not None
    )


@pytest.mark.parametrize("other", ["", "pair", "pool"])
def test_batches_of_held_frames_are_those_of_the_loader(data: Prepared, other: str) -> None:
    held, sent = batches(data, "always", other), batches(data, "never", other)
    assert len(held) == 6 and all(same(one, two) for one, two in zip(held, sent, strict=True))
    assert (held[0].other is not None) == bool(other)


def test_a_resumed_epoch_of_held_frames_is_the_rest_of_the_whole_one(data: Prepared) -> None:
    whole, rest = batches(data, "always"), batches(data, "always", start=2)
    assert len(rest) == 4 and all(same(one, two) for one, two in zip(whole[2:], rest, strict=True))


def test_a_held_frame_is_read_once(data: Prepared) -> None:
    counted = Counted(np.asarray(data.frames))
    batches(replace(data, frames=counted), "always")
    read = counted.read[1:]  # the first row tells of what kind the array is
    assert len(read) == len(set(read))


def test_on_a_cpu_no_frame_is_held_unless_that_is_asked_for(data: Prepared) -> None:
    counted = Counted(np.asarray(data.frames))
    batches(replace(data, frames=counted), "auto")
    assert len(counted.read) > len(set(counted.read))


def test_a_gpu_holds_less_than_a_quarter_of_its_free_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (400, 1000))
    assert fits(99, torch.device("cuda")) and not fits(100, torch.device("cuda"))


def test_changing_what_was_taken_leaves_what_is_held() -> None:
    held = Held(np.arange(4, dtype=np.uint8)[:, None], np.arange(4), CPU)
    taken(held, np.array([2]), "cpu").zero_()
    assert taken(held, np.array([2, 1]), "cpu").tolist() == [[2], [1]]
