"""No training step reads from the device: a program that does waits for it, and the device then stands still.

The operators that would wait for a GPU are refused on the CPU, where they wait for nobody. Copies to a device are not seen.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import NARROW, SIZE, make_fit, training_batch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from medgen import api, registry
from medgen.contract.backend import Backend
from medgen.contract.capabilities import OnePassFit
from medgen.nn.codes.quantizer import Quantizer, QuantizerSettings
from medgen.nn.host import OnHost
from medgen.nn.inpaint import inpaint
from medgen.testing import class_settings

WAITING = {"_local_scalar_dense", "allclose", "bincount", "equal", "is_nonzero", "item", "masked_select", "nonzero", "_unique2",
           "repeat_interleave", "unique_consecutive", "unique_dim"}  # fmt: skip
READING = {"__bool__", "__float__", "__int__", "cpu", "item", "numpy", "tolist"}
MADE = {"as_tensor", "tensor"}  # with device=..., they copy and wait for the copy
ON_THE_CPU_ALREADY = {("image_pool.py", "tolist"): "its draws come from the generator of the CPU"}
TRAINED = [
    name for name in registry.names() if not issubclass(registry.load(name), OnePassFit)
]  # others look once and take no step


class Refuse(TorchDispatchMode):
    """Refuses operators whose result has to be known to the program; those on the tensors `free` may run."""

    def __init__(self, free: set[int]) -> None:
        super().__init__()
        self.free = free

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name, kwargs = func.overloadpacket.__name__, kwargs or {}
        to_host = name == "_to_copy" and str(kwargs.get("device")) == "cpu" and args[0].device.type != "cpu"
        picked = [one for one in args[1] if one is not None] if name in ("index", "index_put_", "index_put") else []
        by_mask = any(one.dtype in (torch.bool, torch.uint8) for one in picked)
        if (name in WAITING and args[0].data_ptr() not in self.free) or to_host or by_mask:
            raise AssertionError(f"aten::{name} waits for the device")
        return func(*args, **kwargs)


class RefuseReading(TorchFunctionMode):
    """Refuses methods of a tensor that read it; on the CPU some of them run no operator."""

    def __init__(self, free: set[int]) -> None:
        super().__init__()
        self.free = free

    def __torch_function__(self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name, kwargs = getattr(func, "__name__", ""), kwargs or {}
        reads = name in READING and args[0].data_ptr() not in self.free and (caller(), name) not in ON_THE_CPU_ALREADY
        if reads or (name in MADE and kwargs.get("device") is not None):
            raise AssertionError(f"{name} waits for the device")
        return func(*args, **kwargs)


def caller() -> str:
    """Return the name of the file of medgen that is being run."""
    frame = sys._getframe()
    while frame.f_back is not None:
        frame = frame.f_back
        path = Path(frame.f_code.co_filename)
        if "medgen" in path.parts and path.name != Path(__file__).name and "tests" not in path.parts:
            return path.name
    return ""


def one_hot_unchecked(codes: torch.Tensor, count: int) -> torch.Tensor:
    """Do what PyTorch does on a GPU; on the CPU it reads the codes first, to refuse those that are out of range."""
    return torch.zeros(*codes.shape, count, dtype=torch.int64).scatter_(-1, codes[..., None], 1)


@contextmanager
def nothing_waits(model: torch.nn.Module, patch: pytest.MonkeyPatch) -> Iterator[None]:
    """Inside the ``with``, compute as on a GPU, and refuse whatever would wait for one."""
    free = {getattr(part, name).data_ptr() for part in model.modules() if isinstance(part, OnHost) for name in part.on_host}
    for module in ("inpaint", "codes.quantizer"):
        patch.setattr(f"medgen.nn.{module}.read_at_once", lambda tensor: False)
    patch.setattr("torch.nn.functional.one_hot", one_hot_unchecked)
    with ExitStack() as stack:
        stack.enter_context(RefuseReading(free))
        stack.enter_context(Refuse(free))
        yield


def model_of(name: str) -> Backend:
    torch.manual_seed(0)
    settings = {**class_settings(name), **api.recipe(name, None, NARROW.get(name, [])).model}
    return registry.create(name, settings, SIZE, 3)


@pytest.mark.parametrize("name", TRAINED)
def test_no_step_of_a_backend_waits(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fit = make_fit(tmp_path, model_of(name))
    fit.model.train()
    batches = [training_batch(seed=step) for step in range(4)]
    fit._step(batches[0], 0.0)  # the first step makes what an optimizer remembers
    fit._step(batches[1], 3.9)  # of the last stage
    with nothing_waits(fit.model, monkeypatch):
        fit._step(batches[2], 1.0)
        fit._step(batches[3], 3.95)


@pytest.mark.parametrize(
    "read", [lambda x: x.sum().item(), lambda x: x[x > 0], lambda x: bool(x.any()), lambda x: x.tolist(), lambda x: x.nonzero()]
)
def test_reading_is_seen(read: Callable[[torch.Tensor], object], monkeypatch: pytest.MonkeyPatch) -> None:
    values = torch.ones(3)
    with nothing_waits(torch.nn.Identity(), monkeypatch), pytest.raises(AssertionError, match="waits"):
        read(values)


def test_what_is_read_in_each_step_stays_on_the_cpu() -> None:
    model = model_of("cyclegan").to("meta")
    counters = {name: value.device.type for name, value in model.named_buffers() if name.endswith("count")}
    assert counters and {*counters.values()} == {"cpu"}
    assert model_of("wgan").to("meta").turn.device.type == "cpu"


@pytest.mark.parametrize("whole", [True, False])
def test_without_reading_holes_are_filled_with_the_same_bits(whole: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = training_batch()
    valid = torch.ones_like(batch.valid) if whole else batch.valid
    image = batch.image.double()  # which is filled by PyTorch on a CPU, too
    expected = inpaint(image, valid)
    monkeypatch.setattr("medgen.nn.inpaint.read_at_once", lambda tensor: False)
    assert torch.equal(inpaint(image, valid), expected)


def test_without_reading_only_dead_codes_move_to_encoder_outputs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medgen.nn.codes.quantizer.read_at_once", lambda tensor: False)
    plain = QuantizerSettings(codes=3, width=2, centre=False, normalise=False, revive_after=5, ema=False)
    quantizer = Quantizer(plain)
    before = quantizer.codebook.detach().clone()
    quantizer.idle.copy_(torch.tensor([0, 5, 4]))
    quantizer(torch.full((1, 2, 1, 1), 7.0))
    assert torch.equal(quantizer.codebook[[0, 2]], before[[0, 2]]) and quantizer.codebook[1].tolist() == [7.0, 7.0]
