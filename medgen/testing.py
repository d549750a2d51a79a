"""What every backend has to keep, as tests that others can run: `check_backend` holds one to all of it.

`CHECKS` are the tests one by one, for pytest to name them::

    @pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
    def test_the_backend_keeps_the_contract(check):
        check(BackendCase("linear", ["model.latents=4"]))
"""

from __future__ import annotations

import ast
import math
import re
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor

from medgen import registry
from medgen.contract.backend import Backend
from medgen.contract.capabilities import Classifies, Diagnoses, Embeds, Reconstructs, Samples, Translates
from medgen.contract.names import module_of
from medgen.engine import checkpoint
from medgen.errors import ConfigError
from medgen.nn.shared_layers import share_layers
from medgen.ranks import ALONE, Ranks, divided
from medgen.runs.settings import recipe
from medgen.types import Batch

T = TypeVar("T")
SIDE = 32  # pixels of the frames that a backend is tried on
PROGRESS = (0.0, 0.5, 1.0)


class BackendCase(NamedTuple):
    """A backend as it is tried.

    Attributes
    ----------
    name : of the backend
    settings : such as "model.width=4", by which it is quick; what is checked holds however wide a net is
    device : where it is tried
    """

    name: str
    settings: Sequence[str] = ()
    device: torch.device = torch.device("cpu")

    def model(self, seed: int = 0, **settings: object) -> Backend:
        """Return the backend with fresh weights for colour frames of SIDE x SIDE; a setting that is named here counts."""
        torch.manual_seed(seed)
        chosen = recipe(self.name, None, self.settings).model
        return registry.create(self.name, {**class_settings(self.name), **chosen, **settings}, SIDE, 3).to(self.device)

    def frames(self) -> Batch:
        """Return four frames to score."""
        return random_frames().to(self.device)

    def training_frames(self) -> Batch:
        """Return four frames with all that a backend may want in training: findings, and second frames."""
        return training_frames().to(self.device)


def check_backend(name: str, settings: Sequence[str] = ()) -> None:
    """Hold a backend to its contract: weights, losses, gradients, shapes, scores, capabilities, docstring, settings.

    Parameters
    ----------
    name : of the backend, one of medgen's own or of an installed package
    settings : such as "model.width=4", by which it is quick

    Raises
    ------
    AssertionError : at the first promise that it does not keep.
    MedgenError : if there is no such backend, or a setting is wrong.
    """
    for check in CHECKS:
        try:
            check(BackendCase(name, settings))
        except AssertionError as error:
            raise AssertionError(f"{name}: {check.__name__.replace('_', ' ')} does not hold. {error}") from error


def random_frames(n: int = 4, seed: int = 0) -> Batch:
    """Return n smooth frames on the CPU, the same for the same seed, with a tenth of the pixels not valid."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(n, 3, 4, 4, generator=generator)
    image = torch.nn.functional.interpolate(coarse, size=SIDE, mode="bilinear")
    valid = torch.rand(n, 1, SIDE, SIDE, generator=generator) > 0.1
    return Batch(image * valid, valid, torch.arange(n))


def training_frames(n: int = 4, seed: int = 0) -> Batch:
    """Return such frames with findings, and with second frames beside them."""
    return replace(random_frames(n, seed), finding=torch.arange(n) % 2, other=random_frames(n, seed + 100).image)


def class_settings(name: str) -> dict[str, object]:
    """Return the classes that a run would tell a backend of, {} for one that wants none."""
    return {"classes": ("a", "b")} if registry.load(name).requirements(registry.parse(name, {})).classes else {}


def every_weight_has_exactly_one_player(case: BackendCase) -> None:
    model = case.model()
    owned = [id(weight) for player in model.players.values() for weight in player.parameters()]
    assert len(owned) == len(set(owned)), "a weight belongs to two players"
    there = {id(weight) for weight in model.parameters() if weight.requires_grad}
    assert set(owned) == there, f"{len(there - set(owned))} weights that require a gradient belong to no player"


def losses_are_finite_scalars_of_known_players(case: BackendCase) -> None:
    for progress in PROGRESS:
        model = case.model()
        for player, losses in model.turns(case.training_frames(), progress):
            assert player in model.players, f"'{player}' is none of {', '.join(model.players)}"
            assert losses, f"'{player}' has a turn without a loss"
            for name, value in losses.items():
                assert value.shape == (), f"'{name}' has shape {tuple(value.shape)}"
                assert math.isfinite(value.item()), f"'{name}' is {value.item()} at progress {progress}"


def a_turn_gives_every_weight_of_its_player_a_gradient(case: BackendCase) -> None:
    model = case.model()
    for player, losses in model.turns(case.training_frames(), 0.5):
        weights = model.players[player].parameters()
        gradients = torch.autograd.grad(torch.stack(list(losses.values())).sum(), weights, allow_unused=True)
        assert all(gradient is not None for gradient in gradients), f"a weight of '{player}' has no part in its losses"


def scores_have_the_stated_shapes_and_are_zero_outside_valid(case: BackendCase) -> None:
    model, frames = case.model().eval(), case.frames()
    with torch.inference_mode():
        scores = model.score(frames)
    shapes = {name: tuple(part.shape) for name, part in {"score": scores.score, **scores.components}.items()}
    assert set(shapes.values()) == {(4,)}, f"{shapes} for 4 frames"
    if scores.map is not None:
        assert scores.map.shape == (4, 1, SIDE, SIDE), f"a map of shape {tuple(scores.map.shape)}"
        assert (scores.map[~frames.valid] == 0).all(), "a map is not 0 where pixels are not valid"


def a_frame_scores_the_same_alone_and_in_a_batch(case: BackendCase) -> None:
    model, frames = case.model().eval(), case.frames()
    with torch.inference_mode():
        together = model.score(frames)
        alone = [model.score(one_of(frames, k)) for k in range(4)]
    torch.testing.assert_close(together.score, torch.cat([scores.score for scores in alone]), rtol=1e-4, atol=1e-6)


def one_of(frames: Batch, k: int) -> Batch:
    """Return frame k alone."""
    return Batch(frames.image[k : k + 1], frames.valid[k : k + 1], frames.index[k : k + 1])


def saved_and_loaded_weights_give_equal_scores(case: BackendCase) -> None:
    model, other, frames = case.model().eval(), case.model(seed=1).eval(), case.frames()
    with tempfile.TemporaryDirectory() as folder:
        checkpoint.save(Path(folder) / "w.safetensors", model.state_dict(), {})
        checkpoint.load_weights(other, Path(folder) / "w.safetensors")
    with torch.inference_mode():
        assert torch.equal(model.score(frames).score, other.score(frames).score), "is all state a weight or a buffer?"


def the_same_seed_gives_the_same_losses(case: BackendCase) -> None:
    def losses() -> list[float]:
        return [value.item() for _, turn in case.model().turns(case.training_frames(), 0.5) for value in turn.values()]

    assert losses() == losses(), "is every random number drawn from PyTorch's generators?"


class Alike(Ranks):
    """The first of two ranks whose shares of a batch are alike: a sum over both is twice its own."""

    rank, count = 0, 2

    def sum(self, tensor: Tensor) -> Tensor:
        return 2 * tensor

    def of_first(self, make: Callable[[], T]) -> T:
        return make()


def a_divided_step_draws_what_the_whole_one_does(case: BackendCase) -> None:
    """Of a backend that says `divides`: numbers that each rank draws for its own frames alone leave the generators apart."""
    frames = case.training_frames()

    def drawn(ranks: Ranks, share: Batch) -> Tensor:
        model = case.model()
        share_layers(model)
        with divided(ranks):
            for _ in model.turns(share, 0.5):
                pass
        return torch.cuda.get_rng_state(case.device) if case.device.type == "cuda" else torch.get_rng_state()

    if case.model().divides:
        same = torch.equal(drawn(ALONE, frames), drawn(Alike(), frames.part(0, Alike.count)))
        assert same, "its random numbers are to be drawn by `medgen.ranks` (rand, randn, randint, randn_like)"


def the_docstring_cites_its_source_and_says_what_the_score_is(case: BackendCase) -> None:
    about = registry.about(case.name)
    assert re.search(r"https?://|doi", about), "the docstring of its file has no link to its source"
    assert "Anomaly score" in about, "the docstring of its file has no sentence that begins with 'Anomaly score'"


def capabilities_do_what_they_say(case: BackendCase) -> None:
    model, frames = case.model().eval(), case.frames()

    def is_picture(drawn: torch.Tensor, n: int) -> bool:
        return drawn.shape == (n, 3, SIDE, SIDE) and bool(drawn.min() >= 0) and bool(drawn.max() <= 1)

    with torch.inference_mode():
        if isinstance(model, Reconstructs):
            assert is_picture(model.reconstruct(frames), 4), "`reconstruct` gives frames in [0, 1] of the shape of its own"
        if isinstance(model, Samples):
            assert is_picture(model.sample(5), 5), "`sample` gives as many frames in [0, 1] as are asked for"
        if isinstance(model, Embeds):
            assert model.embed(frames).shape[0] == 4, "`embed` gives a vector for each frame"
        if isinstance(model, Translates):
            for direction in model.directions:
                assert is_picture(model.translate(frames, direction), 4), "`translate` gives frames in [0, 1] of that shape"
        if isinstance(model, Classifies):
            for probabilities in model.classify(frames).values():
                torch.testing.assert_close(probabilities.sum(1).cpu(), torch.ones(4))
        if isinstance(model, Diagnoses):
            numbers, warning = model.diagnose(frames)
            assert all(math.isfinite(number) for number in numbers.values()), f"`diagnose` gives {numbers}"
            assert isinstance(warning, str), "`diagnose` gives a warning, or an empty text"


def a_backend_imports_no_other_backend(case: BackendCase) -> None:
    tree = ast.parse(Path(str(sys.modules[registry.load(case.name).__module__].__file__)).read_text(encoding="utf-8"))
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}
    others = {f"medgen.backends.{module_of(other)}" for other in registry.names()} & imported
    assert not others, f"it imports {', '.join(others)}"


def an_unknown_setting_is_refused(case: BackendCase) -> None:
    try:
        case.model(no_such_setting=1)
    except ConfigError as error:
        assert "unknown setting" in str(error)
    else:
        raise AssertionError("its `Config` is to be a `medgen.config.Settings`")


CHECKS: tuple[Callable[[BackendCase], Any], ...] = (
    every_weight_has_exactly_one_player,
    losses_are_finite_scalars_of_known_players,
    a_turn_gives_every_weight_of_its_player_a_gradient,
    scores_have_the_stated_shapes_and_are_zero_outside_valid,
    a_frame_scores_the_same_alone_and_in_a_batch,
    saved_and_loaded_weights_give_equal_scores,
    the_same_seed_gives_the_same_losses,
    a_divided_step_draws_what_the_whole_one_does,
    the_docstring_cites_its_source_and_says_what_the_score_is,
    capabilities_do_what_they_say,
    a_backend_imports_no_other_backend,
    an_unknown_setting_is_refused,
)
