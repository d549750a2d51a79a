"""How far what a frame and its reconstruction differ in is from what is usual."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from commands import SMALL_VAE, fail, succeed
from scipy.spatial.distance import mahalanobis
from sklearn.covariance import LedoitWolf
from sources import folder
from tiny import batch, tiny

from medgen import api
from medgen.engine.score import Scorer
from medgen.engine.score_components import ScoringSettings
from medgen.errors import BackendError, ConfigError
from medgen.nn.features.feature_gaussian import FeatureGaussian, pooled_all

ASKED = ScoringSettings(residual_distance=True, feature_distance=True)


def blocks(count: int, seed: int = 0) -> list[torch.Tensor]:
    draw = torch.Generator().manual_seed(seed)
    return [torch.randn(count, width, generator=draw) for width in (5, 3)]


def test_statistics_are_taken_over_the_places_that_count() -> None:
    maps, counts = torch.arange(8.0).view(1, 2, 2, 2), torch.tensor([[True, True], [True, False]]).view(1, 1, 2, 2)
    mean, deviation, highest = pooled_all([(maps, counts)])
    torch.testing.assert_close(mean, torch.tensor([[1.0, 5.0]]))
    torch.testing.assert_close(deviation, torch.tensor([[2 / 3, 2 / 3]]).sqrt())
    torch.testing.assert_close(highest, torch.tensor([[2.0, 6.0]]))


def test_the_distance_is_the_mahalanobis_distance_in_units_of_held_out_frames() -> None:
    rows = torch.arange(40)
    first, other = blocks(40)[:1], blocks(7, seed=1)[:1]
    normal_reference = FeatureGaussian.fit(first, rows)
    fitted = LedoitWolf().fit(first[0].double().numpy())
    theirs = [mahalanobis(row, fitted.location_, fitted.precision_) ** 2 / 5 for row in other[0].double().numpy()]
    mean, spread = normal_reference.gaussians[0].usual.tolist()
    np.testing.assert_allclose(normal_reference.distance(other), (np.array(theirs) - mean) / spread, rtol=1e-4)


def test_several_maps_count_alike() -> None:
    normal_reference, other = FeatureGaussian.fit(blocks(40), torch.arange(40)), blocks(7, seed=1)
    alone = [
        FeatureGaussian([gaussian]).distance([block]) for gaussian, block in zip(normal_reference.gaussians, other, strict=True)
    ]
    torch.testing.assert_close(normal_reference.distance(other), torch.stack(alone).mean(0))


def test_it_comes_back_from_disk_the_same() -> None:
    normal_reference, other = FeatureGaussian.fit(blocks(40), torch.arange(40)), blocks(7, seed=1)
    assert torch.equal(FeatureGaussian.of(normal_reference.tensors()).distance(other), normal_reference.distance(other))


@pytest.mark.parametrize("name", ["vae", "featvae"])
def test_the_parts_are_the_distances_of_a_frames_features_and_of_what_its_reconstruction_lacks(name: str) -> None:
    scorer = Scorer(tiny(name).eval(), ASKED)
    with torch.inference_mode():
        scorer.normal_reference = {
            part: FeatureGaussian.fit(blocks, torch.arange(8)) for part, blocks in scorer.pooled(batch(8)).items()
        }
        other = scorer.pooled(batch(3, seed=1))
        found = scorer(batch(3, seed=1)).components
        assert {*other} == {"residual_distance", "feature_distance"}
        for part, blocks in other.items():
            torch.testing.assert_close(found[part], scorer.normal_reference[part].distance(blocks))
            assert found[part].shape == (3,) and found[part].isfinite().all()


def test_frames_are_looked_at_in_the_sizes_that_are_asked_for() -> None:
    frames, model = batch(2), tiny("dfm", sides=()).eval()
    with torch.inference_mode():
        one, two = (
            Scorer(model, ScoringSettings(feature_distance=True, sides=sides)).pooled(frames)["feature_distance"]
            for sides in ((128,), (160, 128))
        )
    assert len(two) == 2 * len(one)
    for first, second in zip(one, two[len(one) :], strict=True):
        torch.testing.assert_close(first, second)


@pytest.mark.parametrize("wrong", [{"sides": [64], "feature_distance": True}, {"sides": [320]}])
def test_sizes_that_would_not_be_looked_at_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=r"greater than or equal to 128|sides are of residual_distance and feature_distance"):
        ScoringSettings.parse(wrong)


@pytest.mark.parametrize(("left", "asked"), [(True, {}), (False, {"sides": (128, 160)})])
def test_the_map_points_at_what_the_reconstruction_lacks(left: bool, asked: dict[str, object]) -> None:
    model, frames = tiny("vae").eval(), batch(2)
    scorer = Scorer(model, ScoringSettings.parse({"residual_distance": True, "feature_map": True, **asked}))
    half = slice(0, 16) if left else slice(16, 32)
    image = torch.full_like(frames.image, 0.5)
    image[..., half] = torch.rand(image[..., half].shape, generator=torch.Generator().manual_seed(0))
    valid = frames.valid.clone()
    valid[..., -2:] = False
    with torch.inference_mode():
        scorer.normal_reference = {
            part: FeatureGaussian.fit(blocks, torch.arange(8)) for part, blocks in scorer.pooled(batch(8)).items()
        }
        found = scorer(replace(frames, image=image, valid=valid))
    assert found.map is not None and found.map.shape == (2, 1, 32, 32) and found.map[~valid].abs().max() == 0
    inside, outside = found.map[..., half], found.map[..., 16:30] if left else found.map[..., :16]
    assert inside.mean() > 1.1 * outside.mean()
    torch.testing.assert_close(found.score, model.score(replace(frames, image=image, valid=valid)).score)


def test_a_backend_of_features_gives_the_map_of_its_own() -> None:
    scorer = Scorer(tiny("featvae").eval(), ScoringSettings(residual_distance=True, feature_map=True))
    with torch.inference_mode():
        scorer.normal_reference = {
            part: FeatureGaussian.fit(blocks, torch.arange(8)) for part, blocks in scorer.pooled(batch(8)).items()
        }
        found = scorer(batch(3)).map
    assert found is not None and found.shape == (3, 1, 32, 32) and found.min() == 0 and found.max() > 0


def test_a_map_of_features_without_what_it_is_made_of_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"set scoring.residual_distance to true, too"):
        ScoringSettings.parse({"feature_map": True})


def test_a_backend_that_reconstructs_nothing_has_no_residual_distance() -> None:
    with pytest.raises(BackendError, match="dfm cannot reconstruct"):
        Scorer(tiny("dfm", sides=()), ScoringSettings(residual_distance=True))


def test_who_stops_a_training_does_not_wait_for_distances_and_is_told_to_go_on(tmp_path: Path) -> None:
    data, run = folder(tmp_path / "frames", "train/good", "val/good", "test/good"), tmp_path / "run"
    chosen = ("model.widths=[8]", "data.batch_size=4", "scoring.feature_distance=true", "train.epochs=2")
    api.train(Path(f"folder:{data}"), run, api.recipe("vae", None, chosen), stop=lambda: True)
    assert not (run / "contrast.safetensors").exists()
    assert "was stopped before its scores were calibrated; finish it with `medgen train ... --resume`" in fail(
        "score", run, f"folder:{data}", "--out", tmp_path / "scores"
    )
    succeed("train", "vae", f"folder:{data}", "--out", run, "--resume")
    succeed("score", run, f"folder:{data}", "--out", tmp_path / "scores", "--no-pictures")


def test_a_run_keeps_what_is_usual_and_says_so_where_it_is_gone(tmp_path: Path) -> None:
    asked = ["--set", "scoring.residual_distance=true", "--set", "scoring.feature_distance=true"]
    data, run = folder(tmp_path / "frames", "train/good", "val/good", "test/good"), tmp_path / "run"
    succeed("train", "vae", f"folder:{data}", "--out", run, *SMALL_VAE, *asked)
    succeed("score", run, f"folder:{data}", "--out", tmp_path / "scores", "--no-pictures")
    table = pd.read_csv(tmp_path / "scores" / "scores.csv")
    assert table[["component_residual_distance", "component_feature_distance"]].notna().all(axis=None)
    (run / "contrast.safetensors").unlink()
    assert "contrast.safetensors" in fail("score", run, f"folder:{data}", "--out", tmp_path / "again")
