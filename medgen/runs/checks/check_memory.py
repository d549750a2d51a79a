"""How much memory a training would take, and whether that is there: asked before it begins."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, replace

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook

from medgen.contract.backend import Backend
from medgen.data.dataset import TrainingBatches
from medgen.engine.device import Device, make_fabric
from medgen.engine.memory import free_memory
from medgen.errors import RunError
from medgen.runs.checks.check_batches import turns_of_stages
from medgen.runs.models import build_model
from medgen.runs.settings import RunSettings
from medgen.types import Batch

FRAMES = 2  # that the nets are shown: one has no spread, which a normalisation over the batch needs
STATE = 3  # numbers beside each weight that is trained: its gradient, and the two moments of Adam, whatever the optimizer
GIB = 2**30


def check_memory(settings: RunSettings, batches: TrainingBatches, device: Device = "auto") -> int:
    """Return how many bytes a training takes at its peak at least; refuse one that does not fit into what is free.

    They are weights, what the optimizers keep, and what autograd keeps of a batch for the way back. The peak is up to three times
    as high, as kernels and the way back need room of their own.

    Parameters
    ----------
    settings : of the run, with every default written out
    batches : of the training

    Raises
    ------
    RunError : if it takes more than is free; the message says how many frames a batch could have.
    """
    fabric = make_fabric(device, settings.train.precision)
    count, free = min(settings.data.batch_size, batches.epoch_frames), free_memory(fabric.device)
    with _refusing_weights_beyond(free):
        model = build_model(settings, batches.data.size, batches.data.channels)
    few = _first(next(batches.epoch(0)), FRAMES).to(fabric.device)
    with fabric.autocast():
        fixed, of_a_frame = weight_bytes(model), frame_bytes(model.to(fabric.device), few)
    need = fixed + count * of_a_frame
    if free is not None and need > free:
        fits = max(0, free - fixed) // max(1, of_a_frame)
        remedy = f"set data.batch_size to at most {fits}" if fits >= FRAMES else "train at a smaller data.resize_to"
        raise RunError(
            f"a training in batches of {count} takes at least {need / GIB:.2g} GiB of memory, and {free / GIB:.2g} GiB are free; "
            f"{remedy}, or free some"
        )
    return need


@contextmanager
def _refusing_weights_beyond(free: int | None) -> Iterator[None]:
    """Inside the ``with``, refuse a net whose weights do not fit, while it is built and before they fill the memory.

    Raises
    ------
    RunError : at the first weight that is too much.
    """
    total = 0

    def count(module: nn.Module, name: str, weight: nn.Parameter | None) -> None:
        nonlocal total
        total += 0 if weight is None else weight.nbytes
        if free is not None and total > free:
            raise RunError(
                f"its nets have more than {total / GIB:.2g} GiB of weights, and {free / GIB:.2g} GiB of memory are free; make "
                "them narrower, or free some"
            )

    hook = register_module_parameter_registration_hook(count)  # type: ignore[arg-type]
    try:
        yield
    finally:
        hook.remove()


def weight_bytes(model: Backend) -> int:
    """Return the bytes of all weights and buffers, and of what their optimizers keep beside those that are trained."""
    kept = [*model.parameters(), *model.buffers()]
    players = model.players.values()
    trained = sum(weight.nbytes * (STATE + bool(player.optimizer.ema)) for player in players for weight in player.parameters())
    return sum(tensor.nbytes for tensor in kept) + trained


def frame_bytes(model: Backend, batch: Batch) -> int:
    """Return the bytes that autograd keeps of each frame for the way back, in the turn where that is most.

    What a detector that fits in one pass gathers is not among them.

    Parameters
    ----------
    model : one that is thrown away: its statistics move
    batch : frames, two or more
    """
    with _kept_for_the_way_back(model) as kept:
        most = 0
        for _ in turns_of_stages(model, batch):
            most = max(most, sum(kept.values()))
            kept.clear()
    return most // len(batch)


@contextmanager
def _kept_for_the_way_back(model: Backend) -> Iterator[dict[int, int]]:
    """Note the bytes of each piece of memory that autograd keeps, by its address; weights are no part of that."""
    weights = {tensor.untyped_storage().data_ptr() for tensor in (*model.parameters(), *model.buffers())}
    kept: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        yield kept


def _first(batch: Batch, count: int) -> Batch:
    """Return the first frames, in memory of their own."""
    parts = {field.name: getattr(batch, field.name) for field in fields(batch)}
    return replace(batch, **{name: part[:count].clone() for name, part in parts.items() if part is not None})
