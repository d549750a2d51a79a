"""VQ-VAE and VQ-VAE-2 have the stated sizes, train in two stages, and score and draw by their codes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from tiny import batch, tiny
from torch.nn import functional as F

from medgen import registry
from medgen.backends.vqvae import Config, Model
from medgen.contract.backend import Stage
from medgen.errors import BackendError, ConfigError
from medgen.losses import smooth, valid_mean
from medgen.types import Batch

both = pytest.mark.parametrize("name", ["vqvae", "vqvae2"])
SMALL: dict[str, Any] = {"width": 8, "layers": 2}


def small(name: str, prior: dict[str, Any] | None = None, **settings: Any) -> Any:
    """A backend with a prior of few weights."""
    return tiny(name, prior=SMALL | (prior or {}), **settings)


def conditional(name: str, **settings: Any) -> Any:
    return small(name, {"conditional": True}, classes=("a", "b", "c"), **settings).eval()


def count(*modules: torch.nn.Module) -> int:
    return sum(weight.numel() for module in modules for weight in module.parameters())


def step(model: Any, progress: float, frames: Batch, lr: float = 1e-2) -> str:
    """Take one step of plain gradient descent and return whose turn it was."""
    (player, losses), *rest = list(model.turns(frames, progress))
    assert not rest
    weights = model.players[player].parameters()
    slopes = torch.autograd.grad(torch.stack(list(losses.values())).sum(), weights)
    with torch.no_grad():
        for weight, slope in zip(weights, slopes, strict=True):
            weight -= lr * slope
    return player


def test_the_small_vqvae_has_the_stated_number_of_weights() -> None:
    model = Model(Config(), 64, 3)
    assert count(model.encoder) == 28_688 and count(model.decoder) == 61_395
    assert model.quantizer.codebook.shape == (512, 64) and model.grids == [(4, 4)]


def test_a_larger_vqvae_is_numbers_only() -> None:
    model = Model(Config(widths=(64, 128), residual_blocks=2), 64, 3)
    assert model.codes(batch().image.repeat(1, 1, 2, 2))[0].shape == (4, 16, 16)


@pytest.mark.parametrize(("levels", "sides"), [(2, [8, 16]), (3, [4, 8, 16])])
def test_vqvae2_has_its_grids_from_coarse_to_fine(levels: int, sides: list[int]) -> None:
    model: Any = registry.create("vqvae2", {"levels": levels, "prior": SMALL}, 64, 3)
    codes = model.codes(torch.rand(2, 3, 64, 64))
    assert [level.shape for level in codes] == [(2, side, side) for side in sides] and model.grids == [(s, s) for s in sides]


@both
@pytest.mark.parametrize(("size", "channels"), [(16, 3), (28, 1), (33, 3)])
def test_any_size_runs(name: str, size: int, channels: int) -> None:
    model: Any = registry.create(name, {"prior": SMALL}, size, channels).eval()
    frames = Batch(torch.rand(2, channels, size, size), torch.ones(2, 1, size, size, dtype=torch.bool), torch.arange(2))
    with torch.inference_mode():
        assert model.reconstruct(frames).shape == frames.image.shape == model.sample(2).shape
        scores = model.score(frames)
    assert scores.map is not None and scores.map.shape == (2, 1, size, size)


@both
def test_the_last_stage_trains_the_prior_and_leaves_the_autoencoder_as_it_is(name: str) -> None:
    model = small(name).train()
    assert model.stages == (Stage(0.7, "reconstruction"), Stage(1.0, "loss"))
    assert step(model, 0.699, batch()) == "vqvae"
    before = {name: value.clone() for name, value in model.state_dict().items()}
    assert step(model, 0.7, batch()) == "prior"
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert changed and all(name.startswith("prior.") for name in changed)


@both
def test_the_first_stage_leaves_the_prior_as_it_is(name: str) -> None:
    model = small(name).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    step(model, 0.0, batch())
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert changed and not any(name.startswith("prior.") for name in changed)


@both
def test_without_a_share_there_is_no_prior(name: str) -> None:
    model = small(name, {"share": 0}).eval()
    assert model.stages == (Stage(1.0, "reconstruction"),) and list(model.players) == ["vqvae"]
    assert "code_nll" not in model.score(batch()).components and model.sample(2).shape == (2, 3, 32, 32)
    assert [turn[0] for turn in model.turns(batch(), 1.0)] == ["vqvae"]


@both
def test_a_score_of_codes_without_a_prior_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="needs a prior"):
        small(name, {"share": 0, "map": "code_nll"})


@both
def test_the_reconstruction_loss_is_the_weighted_squared_error_of_valid_pixels(name: str) -> None:
    model, frames = small(name, reconstruction_weight=3.0).eval(), batch()
    drawn = model.autoencode(frames.image)[0]
    error = ((drawn - frames.image) ** 2).mean(1, keepdim=True)
    by_hand = torch.stack([3 * error[k][frames.valid[k]].mean() for k in range(4)]).mean()
    torch.testing.assert_close(next(iter(model.turns(frames, 0.0)))[1]["reconstruction"], by_hand)


@both
def test_a_reconstruction_is_what_its_codes_decode_to(name: str) -> None:
    model, frames = small(name).eval(), batch()
    torch.testing.assert_close(model.decode_codes(model.codes(frames.image)), model.reconstruct(frames))


@both
def test_the_prior_gives_the_score_its_part(name: str) -> None:
    model, frames = small(name).eval(), batch()
    nll = model.prior.nll(model.codes(frames.image))
    mean = torch.cat([level.flatten(1) for level in nll], 1).mean(1)
    torch.testing.assert_close(model.score(frames).components["code_nll"], mean)


def test_the_map_of_codes_shows_each_code_over_its_pixels() -> None:
    model, frames = small("vqvae", {"map": "code_nll"}, score={"sigma": 0}).eval(), batch()
    nll = model.prior.nll(model.codes(frames.image))[0]  # (4, 2, 2)
    spread = nll.repeat_interleave(16, 1).repeat_interleave(16, 2)[:, None] * frames.valid
    scores = model.score(frames)
    torch.testing.assert_close(scores.map, spread)
    torch.testing.assert_close(scores.score, valid_mean(spread, frames.valid))


@both
def test_a_product_map_is_the_residual_map_times_the_map_of_codes(name: str) -> None:
    frames = batch()
    maps = {kind: small(name, {"map": kind}).eval().score(frames).map for kind in ("residual", "code_nll", "product")}
    torch.testing.assert_close(maps["product"], maps["residual"] * maps["code_nll"])
    assert (maps["product"][~frames.valid] == 0).all()


def test_levels_add_up_in_the_map_of_codes() -> None:
    model, frames = small("vqvae2", {"map": "code_nll"}).eval(), batch()
    top, bottom = model.prior.nll(model.codes(frames.image))
    total = F.interpolate(top[:, None], scale_factor=8) + F.interpolate(bottom[:, None], scale_factor=4)
    torch.testing.assert_close(model.score(frames).map, smooth(total, frames.valid, 2 * 32 / 96))


@both
def test_a_frame_of_unknown_class_scores_by_its_likeliest(name: str) -> None:
    model, frames = conditional(name), batch()
    codes = model.codes(frames.image)
    each = torch.stack(
        [torch.cat([x.flatten(1) for x in model.prior.nll(codes, torch.full((4,), k))], 1).mean(1) for k in range(3)]
    )
    torch.testing.assert_close(model.score(frames).components["code_nll"], each.amin(0))
    known = replace(frames, finding=torch.tensor([0, 1, 2, -1]))
    torch.testing.assert_close(
        model.score(known).components["code_nll"], torch.stack([each[0, 0], each[1, 1], each[2, 2], each[:, 3].min()])
    )


@both
def test_a_conditional_prior_learns_from_the_class(name: str) -> None:
    model = conditional(name)
    first, second = (
        next(iter(model.turns(replace(batch(), finding=torch.full((4,), k)), 1.0)))[1]["code_nll"].item() for k in (0, 1)
    )
    assert first != second


@both
def test_classes_are_those_of_a_conditional_prior(name: str) -> None:
    config = type(small(name).config)
    assert conditional(name).classes == ("a", "b", "c") and conditional(name).sample(3, label=1).shape == (3, 3, 32, 32)
    assert small(name, classes=("a",)).classes == () and not registry.load(name).requirements(config()).classes
    assert registry.load(name).requirements(config.parse({"prior": {"conditional": True}})).classes


@both
def test_a_label_that_the_model_does_not_know_is_refused(name: str) -> None:
    with pytest.raises(BackendError, match="knows 0 classes"):
        small(name).sample(1, label=0)


def test_rejection_keeps_the_frames_that_change_least() -> None:
    model = small("vqvae", rejection=0.5).eval()
    with torch.no_grad():
        torch.manual_seed(3)
        every = model.decode_codes(model.prior.sample(8))
        torch.manual_seed(3)
        kept = model.sample(4)
        valid = torch.ones(8, 1, 32, 32, dtype=torch.bool)
        change = (model.reconstruct(Batch(every, valid, torch.arange(8))) - every).square().flatten(1).mean(1)
    torch.testing.assert_close(kept, every[change.argsort()[:4].sort().values])


@both
def test_an_embedding_is_the_mean_vector_of_each_level(name: str) -> None:
    model, frames = small(name).eval(), batch()
    vectors = [table.lookup(level) for table, level in zip(model.quantizers, model.codes(frames.image), strict=True)]
    torch.testing.assert_close(model.embed(frames), torch.cat([level.mean((2, 3)) for level in vectors], 1))


@both
def test_a_codebook_of_one_used_code_is_called_collapsed(name: str) -> None:
    model = small(name).eval()
    for table in model.quantizers:
        table.codebook[1:] = 1e3
    numbers, warning = model.diagnose(batch())
    assert set(numbers.values()) == {1} and warning.startswith("codebook collapse: 1 of 512 codes")


@both
def test_a_codebook_in_use_is_not_called_collapsed(name: str) -> None:
    model = small(name, quantizer={"codes": 8}).train()
    for _ in range(10):
        step(model, 0.0, batch(), lr=0.0)
    numbers, warning = model.eval().diagnose(batch())
    assert min(numbers.values()) > 1.5 and warning == ""


@both
def test_both_stages_note_the_perplexity_of_the_batch(name: str) -> None:
    model = small(name)
    names = []
    for progress in (0.0, 1.0):
        next(iter(model.turns(batch(), progress)))
        names.append(list(model.notes))
    assert names[0] == names[1] == {"vqvae": ["perplexity"], "vqvae2": ["perplexity_top", "perplexity_bottom"]}[name]


def test_a_short_training_uses_the_codes_of_both_levels() -> None:
    torch.manual_seed(0)
    settings = {"widths": (8, 16), "residual_blocks": 0, "quantizer": {"codes": 64, "revive_after": 10}}
    model = small("vqvae2", {"share": 0}, **settings).train()
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    for k in range(60):
        optimizer.zero_grad()
        torch.stack(list(next(iter(model.turns(batch(16, k), 0.0)))[1].values())).sum().backward()
        optimizer.step()
    numbers, _ = model.eval().diagnose(batch(64, 99))
    assert min(numbers["perplexity_top"], numbers["perplexity_bottom"]) > 20
