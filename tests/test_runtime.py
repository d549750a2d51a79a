"""Other engines than PyTorch: they give PyTorch's scores, or none.

Where OpenVINO is absent, PyTorch stands in for it, which shows all but OpenVINO itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from commands import fail, succeed
from tiny import batch, tiny
from torch import Tensor, nn
from torch.fx.experimental.proxy_tensor import make_fx
from torch.nn.functional import group_norm, interpolate
from untrained import make_frames, make_run

from medgen.config import read_toml
from medgen.contract.backend import Backend
from medgen.engine.graph import openvino_nets
from medgen.engine.graph.openvino_nets import compile_net
from medgen.engine.runtime import TOLERANCE, Engine
from medgen.engine.score import Scored, score_batches
from medgen.errors import BackendError, ConfigError, MedgenError
from medgen.runs.run import Run
from medgen.runs.scores import STAMP, score_rows
from medgen.verbs.results import open_split

CPU = torch.device("cpu")
needs_openvino = pytest.mark.skipif(find_spec("openvino") is None, reason="OpenVINO is not installed: the extra 'openvino'")
Compile = Callable[[nn.Module, Tensor], Callable[[Tensor], Sequence[Tensor]]]


class Counted:
    """Stands in for an engine: runs each net by PyTorch, adds `error` to what comes out, and counts."""

    def __init__(self, error: float = 0.0) -> None:
        self.error, self.calls = error, 0

    def __call__(self, net: nn.Module, example: Tensor) -> Callable[[Tensor], Sequence[Tensor]]:
        own = net.net.forward  # before it is swapped

        def run(x: Tensor) -> list[Tensor]:
            self.calls += 1
            return [own(x) + self.error]

        return run


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Counted:
    counted = Counted()
    monkeypatch.setattr(openvino_nets, "compile_net", counted)
    monkeypatch.setattr(openvino_nets, "version", lambda: "0")
    return counted


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    root = tmp_path_factory.mktemp("runtime")
    return make_run(make_frames(root / "frames"), root / "run")


def scored(model: Backend, engine: Engine | None = None, frames: int = 4) -> Scored:
    return next(iter(score_batches(model, [batch(frames)], CPU, engine=engine)))


@needs_openvino
@pytest.mark.parametrize(("name", "settings"), [("endovae", {}), ("vqvae", {}), ("padim", {"features": {"side": 48}})])
def test_openvino_gives_the_scores_and_maps_of_pytorch(name: str, settings: dict[str, object]) -> None:
    model, engine = tiny(name, **settings), Engine("openvino")
    wanted, found = scored(model).scores, scored(model, engine).scores
    torch.testing.assert_close(found.score, wanted.score, rtol=TOLERANCE, atol=1e-6)
    torch.testing.assert_close(found.map, wanted.map, rtol=TOLERANCE, atol=1e-4)


@pytest.mark.parametrize(("old", "new"), [((48, 48), (64, 64)), ((100, 60), (33, 64)), ((40, 90), (10, 90))])
def test_frames_are_resized_for_openvino_as_pytorch_does(old: tuple[int, int], new: tuple[int, int]) -> None:
    images = torch.rand(2, 3, *old, generator=torch.Generator().manual_seed(0))
    wanted = interpolate(images, new, mode="bilinear", antialias=True)
    torch.testing.assert_close(openvino_nets.smoothly_resized(images, new, False), wanted, rtol=0, atol=1e-6)


@pytest.mark.parametrize("affine", [True, False])
def test_groups_of_channels_are_normalised_for_openvino_as_pytorch_does(affine: bool) -> None:
    random = torch.Generator().manual_seed(0)
    x, weight, bias = (torch.rand(shape, generator=random) for shape in ((2, 6, 5, 7), (6,), (6,)))
    given = (weight, bias) if affine else (None, None)
    found, *_ = openvino_nets.normalised_groups(x, *given, 2, 6, 35, 3, 1e-5)
    torch.testing.assert_close(found, group_norm(x, 3, *given))


def test_openvino_is_never_handed_the_normalisation_of_groups_at_which_it_may_end_the_process() -> None:
    graph = make_fx(nn.GroupNorm(3, 6).requires_grad_(False), openvino_nets._taken_apart())(torch.rand(2, 6, 5, 7))
    assert "layer_norm" in graph.code and "group_norm" not in graph.code


def test_a_graph_at_which_another_program_ends_its_process_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openvino_nets, "version", lambda: "0")
    monkeypatch.setattr(openvino_nets, "COMPILES", "import os; os._exit(9)")
    with pytest.raises(BackendError, match=r"openvino 0 fails at compiling its graph \(exit status 9\)"):
        openvino_nets.check_compiles(tmp_path)


class Undecided(nn.Module):
    """Does one thing or another, as its values say."""

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        return (x * 2 if x.mean() > 0 else x,)


@needs_openvino
def test_what_depends_on_the_values_of_a_tensor_is_not_exported() -> None:
    with pytest.raises(Exception, match="data-dependent"):
        compile_net(Undecided(), torch.ones(1, 3, 8, 8))


def test_the_nets_of_a_backend_are_run_by_the_engine(stand_in: Counted) -> None:
    scored(tiny("endovae"), Engine("stand-in"))
    assert stand_in.calls >= 2  # its encoder and its decoder


def test_a_model_has_its_own_nets_again_afterwards(stand_in: Counted) -> None:
    model = tiny("endovae")
    scored(model, Engine("stand-in"))
    assert not [module for module in model.modules() if "forward" in vars(module)]


def test_another_engine_than_pytorch_is_compared_on_some_frames(stand_in: Counted) -> None:
    engine = Engine("stand-in")
    scored(tiny("endovae"), engine)
    assert (engine.checked, engine.largest) == (4, 0.0)


def test_results_that_differ_are_refused_in_words_that_say_what_to_do(stand_in: Counted) -> None:
    stand_in.error = 0.1
    with pytest.raises(MedgenError, match=r"stand-in gives other results than PyTorch.*--runtime torch"):
        scored(tiny("endovae"), Engine("stand-in"))


def test_results_that_are_no_numbers_are_refused(stand_in: Counted) -> None:
    stand_in.error = float("nan")
    with pytest.raises(MedgenError, match="other results"):
        scored(tiny("endovae"), Engine("stand-in"))


def test_a_net_that_cannot_be_exported_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(net: nn.Module, example: Tensor) -> Callable[[Tensor], Sequence[Tensor]]:
        raise RuntimeError("no such operator\nin any\nrule")

    monkeypatch.setattr(openvino_nets, "compile_net", refuse)
    with pytest.raises(BackendError, match=r"cannot be exported \(RuntimeError: no such operator\); .*--runtime torch"):
        scored(tiny("endovae"), Engine("stand-in"))


def test_an_engine_for_processors_is_refused_on_a_gpu() -> None:
    with pytest.raises(ConfigError, match="--device cpu"):
        Engine("openvino").around(lambda frames: frames.image, torch.device("cuda"))


def test_an_engine_that_is_not_installed_is_named_with_how_to_install_it(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openvino_nets, "DISTRIBUTION", "no-such-distribution")
    answer = fail("score", run.folder, run.origin.dataset, "--out", tmp_path, "--runtime", "openvino")
    assert "pip install 'medgen[openvino]'" in answer


def test_scores_say_which_engine_made_them_and_how_far_it_was_from_pytorch(run: Run, tmp_path: Path, stand_in: Counted) -> None:
    score_rows(run, *open_split(run), tmp_path, runtime="openvino")
    facts = read_toml(tmp_path / STAMP)
    assert facts["runtime"] == "openvino 0" and facts["parity"]["largest"] == 0 and facts["parity"]["frames"] > 0


def test_scores_of_another_engine_are_not_read_as_pytorchs(run: Run, tmp_path: Path, stand_in: Counted) -> None:
    score_rows(run, *open_split(run), tmp_path, runtime="openvino")
    score_rows(run, *open_split(run), tmp_path)
    assert "runtime" not in read_toml(tmp_path / STAMP) and "parity" not in read_toml(tmp_path / STAMP)


def test_scores_of_the_same_engine_are_read_again(run: Run, tmp_path: Path, stand_in: Counted) -> None:
    score_rows(run, *open_split(run), tmp_path, runtime="openvino")
    calls = stand_in.calls
    score_rows(run, *open_split(run), tmp_path, runtime="openvino")
    assert stand_in.calls == calls


def test_the_command_says_how_far_the_engine_was_from_pytorch(run: Run, tmp_path: Path, stand_in: Counted) -> None:
    said = succeed("score", run.folder, run.origin.dataset, "--out", tmp_path, "--no-pictures", "--runtime", "openvino")
    assert "scored with openvino 0" in said
