"""The samples of a run against real frames: the command, what it keeps and what a report shows of it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from medgen_cli.main import main
from PIL import Image
from torch import Tensor, nn

from medgen import api
from medgen.data.native.addresses import ReadSettings, open_dataset
from medgen.errors import DataError, MedgenError
from medgen.nn.features.extractors import Extractor
from medgen.runs.datasets import open_trained_on
from medgen.runs.run import open_run
from medgen.runs.settings import WatchSettings
from medgen.verbs import distance
from medgen.verbs.distance import FILE, FIDTracker, fid, measure_once, measured, real_features

pytestmark = pytest.mark.usefixtures("blank_charts")


class Means(nn.Module):
    """Six features: mean and deviation of each channel."""

    def forward(self, image: Tensor) -> Tensor:
        return torch.cat([image.mean((2, 3)), image.std((2, 3))], 1)


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of 40 frames of class good, for every split, and 8 of class bad."""
    folder, random = tmp_path_factory.mktemp("frames"), np.random.default_rng(0)
    for split, name, count in (("train", "good", 24), ("test", "good", 16), ("test", "bad", 8)):
        (folder / split / name).mkdir(parents=True)
        for k in range(count):
            pixels = random.integers(0, 256, (16, 16, 3), dtype=np.uint8) // (4 if name == "bad" else 1)
            Image.fromarray(pixels).save(folder / split / name / f"{k}.png")
    return folder


@pytest.fixture(scope="module")
def run(frames: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "vae"
    settings = api.recipe("vae", None, ("train.epochs=1", "model.latents=2", 'data.normal=["good"]', "train.precision=float32"))
    api.train(Path(f"folder:{frames}"), out, settings)
    return out


@pytest.fixture(autouse=True)
def _six_features(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distance, "_load_extractor", lambda name, device: Extractor(name, Means(), 6, lambda images: images))


def test_a_run_is_compared_with_the_normal_test_frames_of_its_own_data_set(run: Path) -> None:
    found = fid(run, extractor="efficientnet-lite0", n=12)
    assert (found["n_real"], found["n_generated"], found["split"]) == (12, 12, "test") and found["fd"] > 0
    assert fid(run, extractor="efficientnet-lite0", n=1000)["n_real"] == 16


def test_the_same_seed_measures_the_same_samples(run: Path) -> None:
    first, again, other = (fid(run, extractor="efficientnet-lite0", n=12, seed=seed)["fd"] for seed in (1, 1, 2))
    assert first == again != other


def test_real_frames_are_no_distance_from_themselves(frames: Path) -> None:
    address = Path(f"folder:{frames / 'train'}")
    found = fid(address, address, extractor="efficientnet-lite0", split="all")
    assert found["fd"] == pytest.approx(0, abs=1e-6) and found["precision"] == 1.0


def test_frames_without_a_run_need_a_reference(frames: Path) -> None:
    with pytest.raises(DataError, match="say what to compare it with"):
        fid(Path(f"folder:{frames}"))


def test_the_run_keeps_one_result_for_each_extractor_of_its_present_weights(run: Path) -> None:
    for name in ("efficientnet-lite0", "inception-2015", "efficientnet-lite0"):
        fid(run, extractor=name, n=8)
    assert [entry["extractor"] for entry in measured(open_run(run))] == ["efficientnet-lite0", "inception-2015"]
    kept = json.loads((run / FILE).read_text())
    (key,) = (key for key, entry in kept.items() if entry["extractor"] == "inception-2015")
    kept[key]["weights"] = "of another training"
    (run / FILE).write_text(json.dumps(kept))
    assert [entry["extractor"] for entry in measured(open_run(run))] == ["efficientnet-lite0"]


def test_frames_of_another_set_of_the_same_name_are_none_of_the_runs_own(
    run: Path, frames: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = shutil.copytree(frames, tmp_path / frames.name)
    (other / "test" / "good" / "0.png").unlink()
    (run / FILE).unlink(missing_ok=True)
    fid(run, Path(f"folder:{other}"), extractor="efficientnet-lite0", n=8)
    monkeypatch.setattr(distance, "available", list)
    opened = open_run(run)
    reason = measure_once(opened, opened.trained_model(), open_trained_on(opened), 8)
    assert "no feature extractor is installed" in reason  # it would be measured


def test_a_result_against_other_frames_replaces_none(run: Path, frames: Path, tmp_path: Path) -> None:
    shutil.copytree(frames, tmp_path / "other")
    fid(run, extractor="efficientnet-lite0", n=8)
    before = measured(open_run(run))
    fid(run, Path(f"folder:{tmp_path / 'other'}"), extractor="efficientnet-lite0", n=8)
    assert [entry for entry in measured(open_run(run)) if entry in before] == before


def test_features_of_real_frames_are_computed_once(frames: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDGEN_CACHE", str(tmp_path))
    data, calls = open_dataset(f"folder:{frames}", ReadSettings(normal=["good"])), []

    def prepare(images: Tensor) -> Tensor:
        calls.append(len(images))
        return images

    net = Extractor("efficientnet-lite0", Means(), 6, prepare)
    first, again = (real_features(net, data, 100, "test") for _ in range(2))
    assert torch.equal(first, again) and first.shape == (16, 6) and sum(calls) == 16


@pytest.mark.parametrize("name", ["file:net.onnx", "efficientnet-lite0@net.safetensors"])
def test_features_by_a_file_are_computed_again_as_it_may_be_another(
    frames: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("MEDGEN_CACHE", str(tmp_path))
    data = open_dataset(f"folder:{frames}", ReadSettings(normal=["good"]))
    first, doubled = (real_features(Extractor(name, Means(), 6, lambda x, k=k: k * x), data, 100, "test") for k in (1, 2))
    torch.testing.assert_close(doubled, 2 * first)


def test_too_few_real_frames_are_refused(frames: Path) -> None:
    net = Extractor("efficientnet-lite0", Means(), 6, lambda images: images)
    with pytest.raises(DataError, match="has 0 normal frames in split 'val'"):
        real_features(net, open_dataset(f"folder:{frames}", ReadSettings(normal=["bad"])), 100, "val")


def test_of_real_frames_without_labels_all_are_taken(tmp_path: Path) -> None:
    net = Extractor("efficientnet-lite0", Means(), 6, lambda images: images)
    for k in range(8):
        Image.new("RGB", (32, 32), (k, 0, 0)).save(tmp_path / f"{k}.png")
    assert len(real_features(net, open_dataset(f"folder:{tmp_path}"), 100, "all")) == 8


def test_a_follower_measures_against_normal_training_frames(frames: Path, run: Path) -> None:
    fid_tracker = FIDTracker(open_dataset(f"folder:{frames}", ReadSettings(normal=["good"])), WatchSettings(every=1, frames=100))
    assert fid_tracker.name == "fd (efficientnet-lite0)" and 0 < fid_tracker.real.count <= 24
    assert fid_tracker.measure(open_run(run).trained_model().eval()) > 0


def test_a_watched_training_logs_the_distance_at_every_so_many_epochs(frames: Path, tmp_path: Path) -> None:
    chosen = ("train.epochs=4", "model.latents=2", 'data.normal=["good"]', "train.precision=float32")
    watched = api.recipe("vae", None, (*chosen, "watch.every=2", "watch.frames=8"))
    plain = api.recipe("vae", None, chosen)
    rows = api.train(Path(f"folder:{frames}"), tmp_path / "watched", watched).history()
    assert rows["diagnosis.fd (efficientnet-lite0)"].notna().tolist() == [False, True, False, True]
    unwatched = api.train(Path(f"folder:{frames}"), tmp_path / "plain", plain).history()
    assert rows["train.reconstruction"].tolist() == unwatched["train.reconstruction"].tolist()


def test_the_command_says_what_was_compared_and_warns_of_few_samples(run: Path) -> None:
    result = CliRunner().invoke(main, ["fid", str(run), "--extractor", "efficientnet-lite0", "--n", "8"])
    assert result.exit_code == 0 and "FD (efficientnet-lite0)" in result.output and "FID" not in result.output
    assert "8 generated against 8 real frames of split test" in result.output and "warning: 8 real" in result.output


def test_an_extractor_that_is_not_installed_says_how_to_get_it(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("MEDGEN_INCEPTION", "/nowhere")
    with pytest.raises(MedgenError, match="MEDGEN_INCEPTION is '/nowhere'"):
        fid(run)


def test_a_report_shows_the_samples_distance_and_says_why_not(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (run / FILE).unlink(missing_ok=True)
    monkeypatch.setattr(distance, "available", list)
    page = api.report([run], tmp_path / "without").read_text()
    assert "Samples were not measured: no feature extractor is installed" in page
    monkeypatch.setattr(distance, "available", lambda: ["efficientnet-lite0"])
    page = api.report([run], tmp_path / "with").read_text()
    assert 'data-metric="distribution.fd"' in page and "not measured" not in page
    assert json.loads((tmp_path / "with" / "metrics.json").read_text())["distribution"]["measured"][0]["n_generated"] == 8
