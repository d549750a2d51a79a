"""A backend that normalises over the batch refuses batches of a single frame before it is trained, and says what to set."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from commands import fail, succeed
from sources import folder
from tiny import NARROW, SIZE, make_fit, training_batch
from torch import nn

from medgen import api, registry
from medgen.contract.backend import Backend
from medgen.errors import ConfigError
from medgen.runs.checks.check_batches import learn_from
from medgen.testing import class_settings
from medgen.types import Batch

LITTLE = ["--epochs", "1", "--set", "model.width=4", "--set", "model.hidden=16", "--set", "train.panel_epochs=0"]


def narrow(name: str, size: int = SIZE) -> Backend:
    torch.manual_seed(0)
    model = api.recipe(name, None, NARROW.get(name, [])).model
    return registry.create(name, {**model, **class_settings(name)}, size, 3)


def refused(name: str) -> bool:
    try:
        learn_from(narrow(name), training_batch(1))
    except ConfigError as error:
        assert str(error) == f"{name} normalises over the batch and needs batches of two frames or more"
        return True
    return False


class Single:
    """Batches of one frame."""

    def __len__(self) -> int:
        return 2

    def epoch(self, number: int, start: int = 0, device: object = "cpu") -> Iterator[Batch]:
        return (training_batch(1, seed=10 * number + step) for step in range(start, 2))


@pytest.mark.parametrize("name", registry.names())
def test_a_backend_trains_on_batches_of_one_frame_or_refuses_them(name: str, tmp_path: Path) -> None:
    if refused(name):
        return
    model = narrow(name)
    training = make_fit(tmp_path, model, epochs=1 if type(model).requirements(model.config).single_pass else 3)
    training.train, training.val = Single(), []
    training.run(lambda report: None)
    assert all(torch.isfinite(value).all() for value in model.state_dict().values() if value.is_floating_point())


@pytest.mark.parametrize("name", registry.names())
def test_no_backend_refuses_batches_of_two(name: str) -> None:
    learn_from(narrow(name), training_batch(2))


def test_a_network_whose_last_grid_is_one_cell_refuses_a_batch_of_one_frame() -> None:
    model = narrow("cvae")
    model.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.BatchNorm2d(3))
    model.turns = lambda batch, progress: iter([("head", {"loss": model.head(batch.image).mean()})])  # type: ignore[method-assign]
    with pytest.raises(ConfigError, match="cvae normalises over the batch"):
        learn_from(model, training_batch(1))


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder(tmp_path_factory.mktemp("frames"), "train/normal", "val/normal", "test/normal", count=3)


@pytest.mark.parametrize("name", ["gan", "wgan"])
def test_a_batch_size_of_one_is_answered_before_the_training_by_what_to_set(name: str, frames: Path, tmp_path: Path) -> None:
    answer = fail("train", name, f"folder:{frames}", "--out", tmp_path / "run", *LITTLE, "--set", "data.batch_size=1")
    assert answer == (
        f"medgen: {name} normalises over the batch and needs batches of two frames or more; set data.batch_size to 2 or more"
    )


def test_nothing_is_written_where_batches_are_too_small(frames: Path, tmp_path: Path) -> None:
    fail("train", "gan", f"folder:{frames}", "--out", tmp_path / "run", *LITTLE, "--set", "data.batch_size=1")
    assert not (tmp_path / "run").exists()


def test_a_single_training_frame_is_answered_by_what_to_add(tmp_path: Path) -> None:
    folder(tmp_path / "frames", "val/normal", count=3)
    folder(tmp_path / "frames", "train/normal", count=1)
    answer = fail("train", "gan", f"folder:{tmp_path / 'frames'}", "--out", tmp_path / "run", *LITTLE)
    assert "needs batches of two frames or more; there is 1 training frame: add some" in answer


def test_a_rest_of_one_frame_is_left_out_of_an_epoch(frames: Path, tmp_path: Path) -> None:
    assert succeed("train", "gan", f"folder:{frames}", "--out", tmp_path / "run", *LITTLE, "--set", "data.batch_size=2")
