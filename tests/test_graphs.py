"""Each backend's score is written down as a graph that says what PyTorch says of other frames, or it is refused and told why."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
import torch
from tiny import SIZE, batch, narrow, tiny, training_batch
from torch import Tensor

from medgen import registry
from medgen.contract.capabilities import OnePassFit
from medgen.engine.graph import trace
from medgen.engine.graph.trace import traced, why_not
from medgen.engine.runtime import TOLERANCE
from medgen.engine.score import Scorer
from medgen.engine.score_components import ScoringSettings
from medgen.errors import BackendError
from medgen.metrics.fusion import fuse
from medgen.types import Batch
from medgen.verbs.exporting.frame_graph import FrameWork, Fusion

pytestmark = pytest.mark.usefixtures("no_stacks")


def crops(seed: int, count: int = 2) -> list[Tensor]:
    """Return stored crops and their valid pixels."""
    random = np.random.default_rng(seed)
    frames = random.integers(0, 256, (count, SIZE, SIZE, 3), dtype=np.uint8)
    return [torch.from_numpy(frames), torch.from_numpy(random.random((count, SIZE, SIZE)) > 0.2)]


def compare(work: FrameWork) -> None:
    """Write work down on some crops, and compare what the graph says of others."""
    program, others = traced(work, crops(0)), crops(1)
    with torch.no_grad():
        wanted, found = work(others), program(others)
    assert len(wanted) == len(found)
    for own, other in zip(wanted, found, strict=True):
        torch.testing.assert_close(other, own, rtol=0, atol=TOLERANCE * float(own.abs().max()) + 1e-12)


@pytest.mark.parametrize("name", registry.names())
def test_the_graph_of_each_backend_gives_the_scores_and_maps_of_pytorch(name: str) -> None:
    model = narrow(name).eval()
    if isinstance(model, OnePassFit):
        list(model.turns(training_batch(), 0.0))
        model.finalise_fit()
    compare(FrameWork(Scorer(model, ScoringSettings()), "mask"))


def test_what_the_settings_add_to_a_score_is_in_the_graph() -> None:
    scorer = Scorer(narrow("vae").eval(), ScoringSettings(perceptual="efficientnet-lite0", flips=True))
    work = FrameWork(scorer, "mask")
    compare(work)
    assert "component_perceptual" in work.outputs


def test_draws_from_the_posterior_are_in_the_graph_as_they_fell() -> None:
    model = narrow("vae").eval()
    model.config = model.config.model_copy(update={"draws": 2})
    compare(FrameWork(Scorer(model, ScoringSettings()), "mask"))


def test_frames_that_are_told_their_class_have_a_graph() -> None:
    model = tiny("cvae", widths=[8], latents=4).eval()
    assert model.classes

    def work(given: list[Tensor]) -> list[Tensor]:
        told = torch.ones(len(given[0]), dtype=torch.long)
        return [model.score(Batch(given[0], torch.ones_like(given[0][:, :1], dtype=torch.bool), told, finding=told)).score]

    program, others = traced(work, [batch(2).image]), [batch(2, seed=1).image]
    with torch.no_grad():
        torch.testing.assert_close(program(others)[0], work(others)[0])


def test_scores_that_are_placed_among_those_of_the_fit_have_no_graph() -> None:
    model = tiny("padim", features={"side": 64}, width=8, folds=2).eval()
    model.keep_own(torch.arange(4.0), torch.tensor([0, 1, 0, 1]), torch.ones(4, dtype=torch.float64) / 4)
    with pytest.raises(BackendError, match=r'cv\+ and jackknife\+ .* scoring.calibration = "split" has a graph'):
        traced(FrameWork(Scorer(model, ScoringSettings()), "mask"), crops(0))


def converters_error(*said: str) -> Exception:
    """Return an error whose causes say the rest."""
    errors = [RuntimeError(one) for one in said]
    for error, cause in pairwise(errors):
        error.__cause__ = cause
    return errors[0]


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (
            ("step 3/3", "%a :", "No ONNX function found for <OpOverload(op='aten.x', overload='default')>. No"),
            "it has no word for aten.x",
        ),
        (("Check failed\nSummary:\n-- No conversion rule found for operations: a.b, c.d\n",), "it has no word for a.b, c.d"),
        (("outer", "\x1b[96mThis\x1b[0m is it.\nAnd more."), "RuntimeError: This is it."),
    ],
)
def test_of_what_a_converter_says_the_reason_is_told_in_one_line(said: tuple[str, ...], why: str) -> None:
    assert why_not(converters_error(*said)) == why


def test_where_overlay_is_kept_no_mask_goes_in() -> None:
    work = FrameWork(Scorer(narrow("vae").eval(), ScoringSettings()), "keep")
    program = traced(work, crops(0)[:1])
    torch.testing.assert_close(program(crops(1)[:1])[0], work([crops(1)[0]])[0])


def test_a_number_of_two_names_is_two_outputs() -> None:
    def work(given: list[Tensor]) -> list[Tensor]:
        twice = given[0] * 2
        return [twice, given[0] + 1, twice]

    graph = traced(work, [torch.ones(2, 3)])
    (outputs,) = next(node for node in graph.graph.nodes if node.op == "output").args
    assert len(set(outputs)) == 3
    torch.testing.assert_close(graph([torch.full((2, 3), 5.0)]), [torch.full((2, 3), of) for of in (10.0, 6.0, 10.0)])


def decides(given: list[Tensor]) -> list[Tensor]:
    return [given[0] * 2] if float(given[0].float().mean()) > 0 else [given[0]]


def leaves(given: list[Tensor]) -> list[Tensor]:
    return [torch.from_numpy(given[0].numpy() * 2)]


def draws(given: list[Tensor]) -> list[Tensor]:
    return [given[0] + torch.rand(given[0].shape)]


def searches(given: list[Tensor]) -> list[Tensor]:
    found = given[0].float()
    for _ in range(9):
        found = found + 1
    return [found]


@pytest.mark.parametrize(
    ("work", "why"),
    [
        (decides, "reads a number of a frame"),
        (leaves, "another program than PyTorch"),
        (draws, "draws random numbers"),
        (searches, "10 operations, more than the 8"),
    ],
)
def test_what_no_graph_can_hold_is_refused_in_one_line(
    work: Callable[[list[Tensor]], list[Tensor]], why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trace, "MOST", 8)
    with pytest.raises(BackendError, match=why) as error:
        traced(work, [torch.ones(2, 3, dtype=torch.uint8)])
    assert "\n" not in str(error.value)


def test_the_fusion_inside_a_graph_is_that_of_numpy() -> None:
    random = np.random.default_rng(0)
    normal = {"a": random.normal(size=30).tolist(), "b": random.integers(0, 5, 31).tolist()}
    values = {"a": np.concatenate([random.normal(size=99) * 3, [9.0]]), "b": random.integers(-2, 9, 100).astype(float)}
    fusion, given = Fusion(normal, ("b",)), [torch.from_numpy(of) for of in values.values()]
    graph = traced(lambda parts: [fusion(dict(zip(values, parts, strict=True)))], [torch.ones_like(of) for of in given])
    np.testing.assert_allclose(graph(given)[0].numpy(), fuse(normal, values, ("b",)), rtol=1e-12)


def test_rounding_takes_no_place_from_the_lowest_normal_frame_in_a_graph() -> None:
    normal = np.random.default_rng(0).normal(size=30)
    lowest, rounded = (torch.tensor([value], dtype=torch.float64) for value in (normal.min(), normal.min() - 1e-7))
    fusion = Fusion({"a": normal.tolist()}, ())
    assert fusion({"a": rounded}) == fusion({"a": lowest}) > 0


@pytest.mark.parametrize(
    ("dropout", "random"), [((), False), ((0.0,), False), ((0.1,), True)], ids=["default", "none", "a-tenth"]
)
def test_attention_draws_random_numbers_only_where_it_drops_some(dropout: tuple[float, ...], random: bool) -> None:
    graph = torch.fx.Graph()
    three = [graph.placeholder(name) for name in ("query", "key", "value")]
    node = graph.call_function(torch.ops.aten._scaled_dot_product_flash_attention_for_cpu.default, (*three, *dropout))
    assert torch.Tag.nondeterministic_seeded in node.target.tags and trace.draws(node) is random  # type: ignore[union-attr]
