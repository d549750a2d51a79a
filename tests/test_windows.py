"""Frames seen through windows: random ones to learn from, overlapping ones to score by, blended to maps of full size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from commands import fail, succeed
from monai.inferers import sliding_window_inference
from sources import folder
from tiny import SIZE, batch, pick, tiny
from torch import Tensor

from medgen import api, registry
from medgen.contract.backend import Backend, Losses, Player
from medgen.contract.capabilities import Reconstructs, Samples
from medgen.engine.fixed_shape import in_fixed_shape
from medgen.errors import BackendError, ConfigError
from medgen.runs.models import build_model
from medgen.runs.run import open_run
from medgen.runs.windows import Windowed, random_windows, windowed
from medgen.types import Batch, Scores

pytestmark = pytest.mark.usefixtures("blank_charts")

SIDE = 12


class Bright(Backend):
    """Its map is the mean over channels, its score the highest pixel; it remembers the sides of what it was shown."""

    def __init__(self, size: int = SIDE) -> None:
        super().__init__(tiny("vae").config, size, 3)
        self.sides: set[int] = set()

    @property
    def players(self) -> dict[str, Player]:
        return {}

    def turns(self, batch: Batch, progress: float) -> Iterator[tuple[str, Losses]]:
        self.sides.add(batch.image.shape[3])
        self.notes = {"mean": batch.image.mean()}
        yield "bright", {"loss": batch.image.mean()}

    def score(self, batch: Batch) -> Scores:
        self.sides.add(batch.image.shape[3])
        drawn = batch.image.mean(1, keepdim=True) * batch.valid
        return Scores(drawn.flatten(1).amax(1), drawn, {"mean": drawn.flatten(1).mean(1)})


class Tenth(Bright):
    """Its map is the same in all pixels of a window: the mean of the frame there."""

    def score(self, batch: Batch) -> Scores:
        mean = batch.image.mean((1, 2, 3))
        return Scores(mean, mean.view(-1, 1, 1, 1).expand(-1, 1, SIDE, SIDE).contiguous())


@pytest.fixture(scope="module")
def model() -> Windowed:
    return windowed(Bright(), SIZE, 0.5)


def test_a_map_that_is_the_same_in_every_window_is_that_of_the_whole_frame(model: Windowed) -> None:
    torch.testing.assert_close(model.score(batch()).map, Bright(SIZE).score(batch()).map)


def test_windows_are_blended_as_by_monai() -> None:
    frames = replace(batch(), valid=torch.ones(4, 1, SIZE, SIZE, dtype=torch.bool))

    def mean(windows: Tensor) -> Tensor:
        return windows.mean((1, 2, 3), keepdim=True).repeat(1, 1, SIDE, SIDE)

    expected = sliding_window_inference(frames.image, (SIDE, SIDE), 1, mean, overlap=0.25, mode="gaussian")
    torch.testing.assert_close(windowed(Tenth(), SIZE, 0.25).score(frames).map, expected)


def test_the_score_of_a_frame_is_that_of_its_most_anomalous_window(model: Windowed) -> None:
    torch.testing.assert_close(model.score(batch()).score, Bright(SIZE).score(batch()).score)


def test_components_are_those_of_the_window_that_gives_the_score(model: Windowed) -> None:
    frames = Batch(torch.zeros(1, 3, SIZE, SIZE), torch.ones(1, 1, SIZE, SIZE, dtype=torch.bool), torch.arange(1))
    frames.image[:, :, 0, 0] = 1.0  # which the first window alone shows
    assert model.score(frames).components["mean"].tolist() == pytest.approx([1 / SIDE**2])


def test_windows_of_which_less_than_a_tenth_is_valid_give_no_score(model: Windowed) -> None:
    frames = Batch(torch.full((1, 3, SIZE, SIZE), 0.2), torch.ones(1, 1, SIZE, SIZE, dtype=torch.bool), torch.arange(1))
    frames.valid[:, :, :, : SIZE // 2] = False
    frames.valid[:, :, 0, 0] = True
    frames.image[:, :, 0, 0] = 1.0
    assert model.score(frames).score.tolist() == pytest.approx([0.2])


def test_the_nets_see_windows_and_never_a_whole_frame() -> None:
    bright = Bright()
    model = windowed(bright, SIZE, 0.5)
    assert [player for player, _ in model.turns(batch(), 0.0)] == ["bright"] and "mean" in model.notes
    model.score(batch())
    assert bright.sides == {SIDE}


def test_a_random_window_is_a_part_of_its_frame_and_of_its_mask() -> None:
    frames = batch()
    cut = random_windows(frames, SIDE)
    for k in range(4):
        own, window = frames.image[k].numpy(), cut.image[k].numpy()
        places = np.lib.stride_tricks.sliding_window_view(own, window.shape)[0]  # (S - W + 1, S - W + 1, C, W, W)
        ((row, column),) = np.argwhere((places == window).all((2, 3, 4)))
        assert torch.equal(cut.valid[k], frames.valid[k][:, row : row + SIDE, column : column + SIDE])


def test_windows_reach_every_edge_of_a_frame() -> None:
    ramp = torch.arange(SIZE).float().expand(200, 3, SIZE, SIZE)
    cut = random_windows(Batch(ramp, torch.ones(200, 1, SIZE, SIZE, dtype=torch.bool), torch.arange(200)), SIDE).image
    assert cut.min() == 0 and cut.max() == SIZE - 1


def test_a_frame_has_the_same_bits_alone_and_beside_others() -> None:
    model = windowed(tiny("vae", widths=[8], latents=4, encoder_hidden=[], decoder_hidden=[]), 48, 0.5).eval()
    frames = Batch(torch.rand(3, 3, 48, 48), torch.ones(3, 1, 48, 48, dtype=torch.bool), torch.arange(3))
    with torch.inference_mode():
        together = in_fixed_shape(lambda part: model.score(part).map, frames)
        assert all(
            torch.equal(in_fixed_shape(lambda part: model.score(part).map, pick(frames, k))[0], together[k]) for k in range(3)
        )


def test_a_backend_in_windows_reconstructs_where_it_does_and_draws_no_frames() -> None:
    assert not isinstance(windowed(Bright(), SIZE, 0.5), Reconstructs)
    model = windowed(tiny("vae"), 48, 0.5).eval()
    frames = Batch(torch.rand(1, 3, 48, 48), torch.ones(1, 1, 48, 48, dtype=torch.bool), torch.arange(1))
    assert isinstance(model, Reconstructs) and model.reconstruct(frames).shape == frames.image.shape
    assert not isinstance(model, Samples)


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> str:
    root = folder(tmp_path_factory.mktemp("frames"), "train/good", "val/good", "test/good", "test/bad", side=24)
    return f"folder:{root}"


def test_a_backend_that_takes_two_frames_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"data.window: cyclegan takes a second frame beside each and cannot learn"):
        build_model(api.recipe("cyclegan", None, ["data.window=16"]), SIZE, 3)


SMALL = ("--set", "train.epochs=1", "--set", "data.batch_size=2", "--set", "model.widths=[8]")


def test_a_run_in_windows_trains_scores_and_reports_at_the_side_of_its_frames(frames: str, tmp_path: Path) -> None:
    succeed("train", "vae", frames, "--out", tmp_path / "run", *SMALL, "--set", "data.window=16")
    model = open_run(tmp_path / "run").trained_model()
    assert isinstance(model, Windowed) and (model.size, model.inner.size) == (24, 16)
    page = api.report([tmp_path / "run"], tmp_path / "page")
    assert np.load(tmp_path / "run" / "scores" / "maps.npy").shape == (8, 24, 24) and page.is_file()


@pytest.mark.parametrize(
    ("backend", "window", "said"),
    [
        ("vae", 24, "data.window is 24, and the frames have a side of 24: windows must be smaller"),
        ("padim", 16, "data.window: padim is fitted to whole frames in one pass and cannot learn from windows"),
    ],
)
def test_windows_that_do_not_fit_are_refused_before_the_training(
    backend: str, window: int, said: str, frames: str, tmp_path: Path
) -> None:
    answer = fail("train", backend, frames, "--out", tmp_path / "run", "--set", f"data.window={window}")
    assert said in answer and not (tmp_path / "run").exists()


def test_what_windows_cannot_do_names_the_backend_and_the_setting() -> None:
    with pytest.raises(BackendError, match=r"^vae cannot sample where it sees windows of a frame; train it without data"):
        registry.require(windowed(tiny("vae"), SIZE + 8, 0.5), Samples)
