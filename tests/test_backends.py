"""Every backend in the registry keeps the contract. A new backend needs no new test here."""

from __future__ import annotations

import ast
import math
import re
import sys
from pathlib import Path

import pytest
import torch
from tiny import SIZE, batch, narrow, pick, tiny, training_batch

from medgen import registry
from medgen.contract.capabilities import CAPABILITIES, Classifies, Diagnoses, Embeds, Reconstructs, Samples, Translates
from medgen.engine import checkpoint
from medgen.errors import BackendError, ConfigError

every = pytest.mark.parametrize("name", registry.names())


@every
def test_every_weight_has_exactly_one_player(name: str) -> None:
    model = tiny(name)
    owned = [id(weight) for player in model.players.values() for weight in player.parameters()]
    assert len(owned) == len(set(owned)) and set(owned) == {id(weight) for weight in model.parameters() if weight.requires_grad}


@every
@pytest.mark.parametrize("progress", [0.0, 0.5, 1.0])
def test_losses_are_finite_scalars_of_known_players(name: str, progress: float) -> None:
    model = narrow(name)
    for player, losses in model.turns(training_batch(), progress):
        assert player in model.players and losses
        assert all(value.shape == () and math.isfinite(value.item()) for value in losses.values())


@every
def test_a_turn_gives_every_weight_of_its_player_a_gradient(name: str) -> None:
    model = narrow(name)
    for player, losses in model.turns(training_batch(), 0.5):
        weights = model.players[player].parameters()
        gradients = torch.autograd.grad(torch.stack(list(losses.values())).sum(), weights, allow_unused=True)
        assert all(gradient is not None for gradient in gradients)


@every
def test_scores_have_the_stated_shapes_and_are_zero_outside_valid(name: str) -> None:
    model, frames = narrow(name).eval(), batch()
    with torch.inference_mode():
        scores = model.score(frames)
    assert scores.score.shape == (4,) and all(part.shape == (4,) for part in scores.components.values())
    assert scores.map is None or (scores.map.shape == (4, 1, SIZE, SIZE) and (scores.map[~frames.valid] == 0).all())


@every
def test_a_frame_scores_the_same_alone_and_in_a_batch(name: str) -> None:
    model, frames = narrow(name).eval(), batch()
    with torch.inference_mode():
        together = model.score(frames)
        alone = [model.score(pick(frames, k)) for k in range(4)]
    torch.testing.assert_close(together.score, torch.cat([scores.score for scores in alone]), rtol=1e-4, atol=1e-6)


@every
def test_saved_and_loaded_weights_give_equal_scores(name: str, tmp_path: Path) -> None:
    model, frames = narrow(name).eval(), batch()
    checkpoint.save(tmp_path / "w.safetensors", model.state_dict(), {})
    other = narrow(name, seed=1).eval()
    checkpoint.load_weights(other, tmp_path / "w.safetensors")
    with torch.inference_mode():
        assert torch.equal(model.score(frames).score, other.score(frames).score)


@every
def test_the_same_seed_gives_the_same_losses(name: str) -> None:
    def losses() -> list[float]:
        model = narrow(name)
        return [value.item() for _, turn in model.turns(training_batch(), 0.5) for value in turn.values()]

    assert losses() == losses()


@every
def test_the_docstring_cites_its_source_and_says_what_the_score_is(name: str) -> None:
    about = registry.about(name)
    assert re.search(r"https?://|doi", about) and "Anomaly score" in about


@every
def test_capabilities_do_what_they_say(name: str) -> None:
    model, frames = narrow(name).eval(), batch()
    with torch.inference_mode():
        if isinstance(model, Reconstructs):
            drawn = model.reconstruct(frames)
            assert drawn.shape == frames.image.shape and drawn.min() >= 0 and drawn.max() <= 1
        if isinstance(model, Samples):
            drawn = model.sample(5)
            assert drawn.shape == (5, 3, SIZE, SIZE) and drawn.min() >= 0 and drawn.max() <= 1
        if isinstance(model, Embeds):
            assert model.embed(frames).shape[0] == 4
        if isinstance(model, Translates):
            for direction in model.directions:
                drawn = model.translate(frames, direction)
                assert drawn.shape == frames.image.shape and drawn.min() >= 0 and drawn.max() <= 1
        if isinstance(model, Classifies):
            for probabilities in model.classify(frames).values():
                torch.testing.assert_close(probabilities.sum(1).cpu(), torch.ones(4))
        if isinstance(model, Diagnoses):
            numbers, warning = model.diagnose(frames)
            assert all(math.isfinite(number) for number in numbers.values()) and isinstance(warning, str)


@every
def test_a_backend_imports_no_other_backend(name: str) -> None:
    tree = ast.parse(Path(str(sys.modules[registry.load(name).__module__].__file__)).read_text())
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}
    assert not {f"medgen.backends.{other}" for other in registry.names()} & imported


@every
def test_an_unknown_setting_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="unknown setting"):
        tiny(name, no_such_setting=1)


def test_a_misspelt_backend_leads_to_the_right_one() -> None:
    with pytest.raises(BackendError, match="did you mean 'endovae'"):
        registry.load("endovea")


def test_a_missing_capability_names_the_backends_that_have_it() -> None:
    with pytest.raises(BackendError, match=r"cannot sample; these can: .*endovae"):
        registry.require(tiny("dfm"), Samples)


def test_an_error_names_exactly_the_backends_that_have_the_capability() -> None:
    models = {name: tiny(name) for name in registry.names()}
    for capability in CAPABILITIES:
        with pytest.raises(BackendError) as caught:
            registry.require(torch.nn.Linear(1, 1), capability)  # type: ignore[arg-type]
        able = [name for name, model in models.items() if isinstance(model, capability)]
        assert str(caught.value).endswith(f"these can: {', '.join(able)}")
