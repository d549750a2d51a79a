"""A component of a score is one entry: its setting asks for it, and it refuses a model that cannot give what it needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
import torch
from tiny import batch, tiny, training_batch
from torch import Tensor

from medgen.backends.pix2pix import Model as Pix2Pix
from medgen.contract.backend import Backend
from medgen.engine import score
from medgen.engine.score import Scorer
from medgen.engine.score_components import COMPONENTS, Component, DirectComponent, ScoredFrames, ScoringSettings
from medgen.nn.features.perceptual import perceptual_layers


def test_every_component_has_a_setting_of_its_name_that_leaves_it_out_by_default() -> None:
    assert not any(getattr(ScoringSettings(), name) for name in COMPONENTS)


class Brightness(DirectComponent):
    """The mean of a frame's values."""

    def __init__(self, model: Backend, settings: ScoringSettings) -> None: ...

    def measure(self, frames: ScoredFrames) -> Tensor:
        return frames.batch.image.flatten(1).mean(1)


class WithBrightness(ScoringSettings):
    brightness: bool = False


def test_a_new_component_is_a_class_a_setting_and_an_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    components: Mapping[str, type[Component]] = {**COMPONENTS, "brightness": Brightness}
    monkeypatch.setattr(score, "COMPONENTS", components)
    model, frames = tiny("vae").eval(), batch()
    with torch.inference_mode():
        left_out, added = (Scorer(model, WithBrightness(brightness=asked))(frames).components for asked in (False, True))
    assert {*added} - {*left_out} == {"brightness"}
    torch.testing.assert_close(added["brightness"], frames.image.mean((1, 2, 3)))


def test_features_that_several_components_look_at_are_computed_once() -> None:
    frames, nets = ScoredFrames(tiny("vae").eval(), batch()), [perceptual_layers(128)]
    with torch.inference_mode():
        assert frames.features(nets) is frames.features([perceptual_layers(128)])


def test_what_is_drawn_of_a_pair_is_compared_with_its_second_frame() -> None:
    model, frames = tiny("pix2pix", pairing="given", width=4, critic_width=4).eval(), training_batch(1)
    assert isinstance(model, Pix2Pix)
    scorer = Scorer(model, ScoringSettings(perceptual="efficientnet-lite0", residual_distance=True))
    with torch.inference_mode():
        as_it_should_be = replace(frames, other=model.reconstruct(frames))
        assert scorer(as_it_should_be).components["perceptual"].max() < 1e-6 < scorer(frames).components["perceptual"].min()
        assert not any(block.any() for block in scorer.pooled(as_it_should_be)["residual_distance"])
