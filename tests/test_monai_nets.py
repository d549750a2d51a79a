"""Backends that are MONAI's own nets: they say of frames what MONAI's classes say of them."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import pytest
import torch
from monai.losses import PatchAdversarialLoss
from tiny import SIZE, tiny, training_batch
from torch.distributions import Normal, kl_divergence

from medgen import registry
from medgen.contract.backend import Backend, backend_name
from medgen.errors import BackendError, ConfigError
from medgen.types import Batch

SMALL: dict[str, dict[str, Any]] = {
    "monai-vqvae": {"widths": [8, 8], "residual_layers": 1, "codes": 32, "code_width": 8},
    "monai-autoencoderkl": {"widths": [8, 8], "groups": 4},
}


def small(name: str, **settings: object) -> Backend:
    return tiny(name, **SMALL[name], **settings)


@pytest.fixture
def frames() -> Batch:
    """Frames without a pixel that is not valid: MONAI knows of none."""
    return Batch(training_batch().image.clamp_min(0.01), torch.ones(4, 1, SIZE, SIZE, dtype=torch.bool), torch.arange(4))


def losses(model: Backend, batch: Batch, progress: float) -> Iterator[tuple[str, dict[str, torch.Tensor]]]:
    torch.manual_seed(1)
    return ((player, dict(values)) for player, values in model.turns(batch, progress))


def test_the_losses_of_the_vqvae_are_those_of_monai(frames: Batch) -> None:
    ((_, ours),) = losses(small("monai-vqvae").train(), frames, 0.5)
    drawn, quantisation = small("monai-vqvae").train().net(frames.image)
    torch.testing.assert_close(
        ours, {"reconstruction": torch.nn.functional.l1_loss(drawn, frames.image), "quantisation": quantisation}
    )


def test_the_losses_of_the_autoencoder_are_those_of_monai(frames: Batch) -> None:
    model = small("monai-autoencoderkl", kl_weight=0.5).train()
    ((_, ours),) = losses(model, frames, 0.5)
    torch.manual_seed(1)
    drawn, mean, deviation = model.net(frames.image)
    kl = kl_divergence(Normal(mean, deviation), Normal(0.0, 1.0)).flatten(1).sum(1).mean()
    torch.testing.assert_close(ours, {"reconstruction": torch.nn.functional.l1_loss(drawn, frames.image), "kl": 0.5 * kl})


def test_the_codes_of_the_vqvae_are_those_of_monai(frames: Batch) -> None:
    model = small("monai-vqvae").eval()
    assert torch.equal(model.codes(frames.image)[0], model.net.index_quantize(frames.image))


def test_codes_are_computed_in_float32_whatever_the_training_computes_in(frames: Batch) -> None:
    model = small("monai-vqvae").eval()
    features = model.net.encode(frames.image)
    model.net.encode = lambda images: features
    expected = model.codes(frames.image)[0]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(model.codes(frames.image)[0], expected)


def test_a_latent_is_redrawn_as_it_is_reconstructed(frames: Batch) -> None:
    model = small("monai-autoencoderkl").eval()
    torch.testing.assert_close(model.redraw(model.embed(frames)), model.reconstruct(frames))
    torch.testing.assert_close(model.reconstruct(frames), model.net.reconstruct(frames.image).clamp(0, 1))


@pytest.mark.parametrize("name", SMALL)
def test_sides_that_a_grid_cannot_halve_are_drawn_whole(name: str) -> None:
    model = registry.create(name, SMALL[name], 30, 1).eval()
    frames = Batch(torch.rand(2, 1, 30, 30), torch.ones(2, 1, 30, 30, dtype=torch.bool), torch.arange(2))
    assert model.reconstruct(frames).shape == frames.image.shape


def test_the_critic_begins_after_its_share_of_the_training() -> None:
    model = small("monai-autoencoderkl", critic_weight=0.01, critic_after=0.3, critic_width=4, critic_layers=1)
    players = [[player for player, _ in model.turns(training_batch(), progress)] for progress in (0.2, 0.3)]
    assert players == [["autoencoder"], ["autoencoder", "critic"]]


def test_the_adversarial_losses_are_those_of_monai(frames: Batch) -> None:
    model = small("monai-autoencoderkl", critic_weight=0.01, critic_width=4, critic_layers=1).eval()
    (_, first), (_, second) = losses(model, frames, 0.5)
    torch.manual_seed(1)
    drawn, loss = model.net(frames.image)[0], PatchAdversarialLoss(criterion="least_squares")
    fooled = loss(model.critic(drawn)[-1], target_is_real=True, for_discriminator=False)
    learnt = [
        loss(model.critic(shown)[-1], real, for_discriminator=True) for shown, real in ((drawn, False), (frames.image, True))
    ]
    torch.testing.assert_close((first["adversarial"], second["critic"]), (0.01 * fooled, 0.5 * (learnt[0] + learnt[1])))


def test_a_width_that_the_groups_do_not_divide_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"model.widths must be multiples of model.groups = 16, not 24"):
        tiny("monai-autoencoderkl", widths=[16, 24])


@pytest.mark.skipif(find_spec("einops") is not None, reason="einops is here")
def test_attention_without_einops_is_one_line_that_says_what_to_install() -> None:
    with pytest.raises(BackendError, match=r"attention in MONAI's net needs einops; pip install einops, or leave"):
        small("monai-autoencoderkl", attention=True)


def test_a_name_has_hyphens_where_its_file_has_underscores() -> None:
    model = small("monai-vqvae")
    assert backend_name(model) == "monai-vqvae" and type(model).__module__ == "medgen.backends.monai_vqvae"
    with pytest.raises(BackendError, match=r"no backend 'monai_vqvae'; did you mean 'monai-vqvae'"):
        registry.load("monai_vqvae")
