"""What a run adds to its backend's score: a perceptual part, mirror images, and a fusion whose threshold keeps its promise."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from commands import SMALL_VAE, fail, succeed
from sources import folder
from tiny import batch, tiny, training_batch

from medgen import api
from medgen.engine.score import Scorer
from medgen.engine.score_components import ScoringSettings
from medgen.errors import BackendError, ConfigError
from medgen.metrics.calibration import threshold
from medgen.metrics.fusion import fuse, neg_log10_p, neg_log10_p_to_either_side

PAIRS = {"pairing": "given", "width": 4, "critic_width": 4}


@pytest.mark.parametrize(("name", "model"), [("vae", {}), ("pix2pix", PAIRS)])
def test_a_frame_and_its_mirror_image_score_the_same_with_flips(name: str, model: dict[str, Any]) -> None:
    scorer, frames = Scorer(tiny(name, **model).eval(), ScoringSettings(flips=True)), training_batch()
    assert frames.other is not None
    mirrored = replace(frames, image=frames.image.flip(3), valid=frames.valid.flip(3), other=frames.other.flip(3))
    with torch.inference_mode():
        plain, turned = scorer(frames), scorer(mirrored)
    torch.testing.assert_close(plain.score, turned.score)
    assert plain.map is not None and turned.map is not None
    torch.testing.assert_close(plain.map, turned.map.flip(3))


def test_without_settings_a_score_is_the_backends_own() -> None:
    model, frames = tiny("vae").eval(), batch()
    with torch.inference_mode():
        assert torch.equal(Scorer(model, ScoringSettings())(frames).score, model.score(frames).score)


def test_a_perceptual_part_joins_the_others_and_leaves_the_score() -> None:
    model, frames = tiny("vae").eval(), batch()
    with torch.inference_mode():
        found, own = Scorer(model, ScoringSettings(perceptual="efficientnet-lite0"))(frames), model.score(frames)
    assert {*found.components} == {*own.components, "perceptual"} and found.components["perceptual"].min() > 0
    assert torch.equal(found.score, own.score)


def test_a_backend_that_reconstructs_nothing_has_no_perceptual_part() -> None:
    with pytest.raises(BackendError, match="dfm cannot reconstruct"):
        Scorer(tiny("dfm", sides=()), ScoringSettings(perceptual="efficientnet-lite0"))


def test_draws_from_the_posterior_are_the_same_for_every_frame_and_every_time() -> None:
    model, frames = tiny("vae", draws=3, latents=4).eval(), batch()
    with torch.inference_mode():
        first, again = model.score(frames).score, model.score(frames).score
        alone = model.score(replace(frames, image=frames.image[2:3], valid=frames.valid[2:3], index=frames.index[2:3])).score
    assert torch.equal(first, again) and not torch.equal(first, tiny("vae", latents=4).eval().score(frames).score)
    torch.testing.assert_close(first[2:3], alone, rtol=1e-4, atol=1e-6)


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("frames")
    folder(root, "train/good", "test/good", "test/bad", count=12)
    return folder(root, "val/good", count=60)


def trained(frames: Path, out: Path, fused: str) -> str:
    return succeed("train", "vae", f"folder:{frames}", "--out", out, *SMALL_VAE, "--set", f"scoring.fuse={fused}")


def test_a_fused_score_is_the_mean_surprise_of_its_parts_among_half_of_the_validation_frames(
    frames: Path, tmp_path: Path
) -> None:
    trained(frames, tmp_path / "run", '["ssim", "kl"]')
    succeed("score", tmp_path / "run", f"folder:{frames}", "--out", tmp_path / "out", "--no-pictures")
    table = pd.read_csv(tmp_path / "out" / "scores.csv")
    calibration = json.loads((tmp_path / "run" / "calibration.json").read_text())
    assert [*calibration["components"]] == ["component_ssim", "component_kl"] and all(
        len(part) == 30 for part in calibration["components"].values()
    )
    expected = fuse(calibration["components"], {name: table[name].to_numpy() for name in calibration["components"]})
    np.testing.assert_allclose(table["score"], expected, rtol=1e-4)


def test_a_component_of_two_sides_is_fused_by_how_far_it_is_to_either(frames: Path, tmp_path: Path) -> None:
    either = ["--set", 'scoring.two_sided=["kl"]', "--set", 'scoring.fuse=["ssim", "kl"]']
    succeed("train", "vae", f"folder:{frames}", "--out", tmp_path / "run", *SMALL_VAE, *either)
    table = api.score(tmp_path / "run", Path(f"folder:{frames}"), tmp_path / "out", pictures=False).table
    parts = json.loads((tmp_path / "run" / "calibration.json").read_text())["components"]
    ssim = neg_log10_p(parts["component_ssim"], table["component_ssim"])
    kl = neg_log10_p_to_either_side(parts["component_kl"], table["component_kl"])
    np.testing.assert_allclose(table["score"], (ssim + kl) / 2, rtol=1e-4)


def test_two_sides_of_what_is_not_fused_are_refused() -> None:
    with pytest.raises(ConfigError, match="two_sided names 'kl', which is not fused; add it"):
        api.recipe("vae", None, ['scoring.fuse=["ssim"]', 'scoring.two_sided=["kl"]'])


def test_the_threshold_of_a_fusion_rests_on_the_other_half(frames: Path, tmp_path: Path) -> None:
    trained(frames, tmp_path / "run", '["*"]')
    calibration = json.loads((tmp_path / "run" / "calibration.json").read_text())
    assert calibration["normals"] == len(calibration["scores"]) == 30
    assert calibration["value"] == pytest.approx(threshold(calibration["scores"], 0.05))


def test_a_fusion_without_enough_validation_frames_is_refused_before_the_training(tmp_path: Path) -> None:
    folder(tmp_path / "frames", "train/good", "val/good", count=9)
    refused = fail(
        "train", "vae", f"folder:{tmp_path / 'frames'}", "--out", tmp_path / "run", *SMALL_VAE, "--set", 'scoring.fuse=["kl"]'
    )
    assert "needs at least 16 normal validation frames" in refused and not (tmp_path / "run").exists()


@pytest.mark.parametrize("distance", ["residual_distance", "feature_distance"])
def test_a_distance_from_normal_frames_without_validation_frames_is_refused_before_the_training(
    tmp_path: Path, distance: str
) -> None:
    source = folder(tmp_path / "frames", "train/good", count=1)
    refused = fail("train", "vae", f"folder:{source}", "--out", tmp_path / "run", *SMALL_VAE, "--set", f"scoring.{distance}=true")
    assert "which takes normal validation frames; " in refused and not (tmp_path / "run").exists()


def test_a_fusion_of_a_score_without_components_is_refused_before_the_training(frames: Path, tmp_path: Path) -> None:
    refused = fail("train", "dfm", f"folder:{frames}", "--out", tmp_path / "run", "--set", 'scoring.fuse=["*"]')
    assert "the score of this backend has none" in refused and not (tmp_path / "run").exists()


def test_a_part_that_there_is_not_leads_to_the_right_one(frames: Path, tmp_path: Path) -> None:
    refused = fail("train", "vae", f"folder:{frames}", "--out", tmp_path / "run", *SMALL_VAE, "--set", 'scoring.fuse=["sim"]')
    assert not (tmp_path / "run").exists() and "names 'sim', which is no part of this score; did you mean 'ssim'?" in refused
