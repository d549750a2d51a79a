"""A training on several devices is that of one with the whole batch; `make soak` trains every backend so, over 50 steps."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import NARROW, Batches, narrow, quick_vae
from torch import nn
from worlds import curve, double_precision, in_world

from medgen import api, ranks, registry
from medgen.contract.backend import Backend
from medgen.data.dataset import DataSettings, TrainingBatches
from medgen.data.native.addresses import open_dataset
from medgen.engine.several.dividing import refuse_undivided, require_alike
from medgen.engine.several.place import Place, find_place
from medgen.engine.train_settings import TrainSettings
from medgen.errors import BackendError, ConfigError, RankError, RunError
from medgen.ranks import Ranks
from medgen.types import Progress

FAMILIES = ["cvae", "vqvae", "wgan"]  # batch norm, a codebook of moving averages, a gradient penalty


@pytest.mark.parametrize("name", FAMILIES)
def test_two_devices_have_the_losses_of_one_with_the_whole_batch(name: str, tmp_path: Path) -> None:
    with double_precision():
        alone = curve(lambda: narrow(name).double(), tmp_path, 1)
        (tmp_path / "last.safetensors").unlink()
        together, _ = in_world(2, lambda ranks: curve(lambda: narrow(name).double(), tmp_path, 1, ranks))
    for row, other in zip(alone, together, strict=True):
        assert other == pytest.approx({**row, "seconds": other.get("seconds")} if "seconds" in row else row, rel=1e-5, abs=1e-7)


def test_batch_norm_sees_the_whole_batch() -> None:
    frames, norm = torch.randn(6, 3, 4, 4), nn.BatchNorm2d(3)
    whole = norm(frames)
    means = norm.running_mean.clone()

    def share(world: Ranks) -> tuple[torch.Tensor, torch.Tensor]:
        from medgen.nn.shared_layers import share_layers

        own = nn.BatchNorm2d(3)
        share_layers(own)
        with ranks.divided(world):
            return own(frames[world.rank :: 2]), own.running_mean

    (first, mean), (second, _) = in_world(2, share)
    torch.testing.assert_close(torch.stack([first, second], 1).flatten(0, 1), whole)
    torch.testing.assert_close(mean, means)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_devices_draw_the_shares_of_what_one_would_draw(layout: torch.memory_format) -> None:
    like = torch.zeros(6, 3, 4, 4).to(memory_format=layout)
    torch.manual_seed(3)
    whole = torch.empty_like(like)  # whose numbers lie in memory in the order in which they were drawn
    whole.as_strided((whole.numel(),), (1,)).copy_(torch.randn(whole.numel()))
    torch.manual_seed(3)
    assert torch.equal(ranks.randn_like(like), whole)
    torch.manual_seed(3)

    def share(world: Ranks) -> torch.Tensor:
        with ranks.divided(world):
            return ranks.randn_like(like[world.rank :: 2])

    first, second = in_world(2, share)
    assert torch.equal(torch.stack([first, second], 1).flatten(0, 1), whole)


def test_shares_of_an_augmented_batch_make_up_the_batch(data: Path) -> None:
    batches = TrainingBatches(open_dataset(data, DataSettings()), DataSettings(batch_size=4), 0)
    whole = next(batches.epoch(1, 1))
    first, second = (next(batches.epoch(1, 1, part=(rank, 2))) for rank in range(2))
    torch.testing.assert_close(torch.stack([first.image, second.image], 1).flatten(0, 1), whole.image)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from PIL import Image

    folder: Path = tmp_path_factory.mktemp("several") / "frames" / "normal"
    folder.mkdir(parents=True)
    draw = np.random.default_rng(0)
    for number in range(24):
        Image.fromarray(draw.integers(60, 200, (16, 16, 3), dtype=np.uint8)).save(folder / f"{number}.png")
    return Path(f"folder:{folder.parent}")


class Unlike(Backend):
    """Draws numbers of its own on each device."""


def test_devices_that_come_apart_are_refused() -> None:
    def drift(world: Ranks) -> None:
        model = quick_vae()
        torch.manual_seed(world.rank)
        require_alike(model, world, "epoch 1, step 2")

    with pytest.raises(RunError, match="random numbers of the devices are no longer the same in epoch 1, step 2"):
        in_world(2, drift)


@pytest.mark.parametrize(
    ("backend", "settings", "frames", "said"),
    [
        (Unlike, TrainSettings(), 16, "'vae' cannot be trained on several devices"),
        (registry.load("vae"), TrainSettings(compile="eager"), 16, "train.compile='eager' is for one device"),
        (registry.load("vae"), TrainSettings(), 16, "set data.batch_size=15 or 18"),
    ],
)
def test_what_cannot_be_divided_is_refused(backend: type[Backend], settings: TrainSettings, frames: int, said: str) -> None:
    with pytest.raises((BackendError, ConfigError), match=said):
        refuse_undivided("vae", backend, settings, Batches(), frames, 3)


def test_every_backend_can_be_trained_on_several_devices() -> None:
    assert all(registry.load(name).divides for name in api.backends())


def test_torchrun_says_where_a_process_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    told = {"TORCHELASTIC_RUN_ID": "1", "RANK": "5", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "4", "WORLD_SIZE": "8"}
    for name, value in {**told, "MASTER_ADDR": "alpha", "MASTER_PORT": "29500"}.items():
        monkeypatch.setenv(name, value)
    place = find_place()
    assert place == Place(1, 1, 4, 2, "alpha", 29500, external=True) and place.rank == 5
    with pytest.raises(ConfigError, match="--devices 2 --nodes 1 does not fit the 4 processes on each of 2 machines"):
        find_place(2)


def test_machines_that_do_not_know_where_to_meet_are_refused() -> None:
    with pytest.raises(ConfigError, match="MASTER_ADDR is not set"):
        find_place(1, nodes=2)


def test_a_killed_process_ends_the_training_in_a_line_and_one_device_goes_on(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[subprocess.Popen[bytes]] = []
    popen = subprocess.Popen

    def noted(*given: object, **named: object) -> subprocess.Popen[bytes]:
        begun.append(popen(*given, **named))  # type: ignore[call-overload]
        return begun[-1]

    def kill(progress: Progress) -> None:
        if progress.done == 3:
            next(process for process in begun if "several.child" in str(process.args)).send_signal(signal.SIGKILL)

    monkeypatch.setattr(subprocess, "Popen", noted)
    settings = api.recipe("vae", None, [*NARROW["vae"], "train.epochs=2", "data.batch_size=4", "train.panel_epochs=0"])
    said = r"^process 2 of 2 of this training was ended by SIGKILL \(often for want of memory\); go on from the last state with"
    with pytest.raises(RankError, match=said):
        api.train(data, tmp_path / "run", settings, device="cpu", devices=2, on_progress=kill)
    run = api.resume(tmp_path / "run", device="cpu")
    assert run.about["finished"] == "all 2 epochs done" and run.about["devices"] == "2, 1"
