"""What a training has to be gone on with exactly: as named tensors and facts for a file, and back from there."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import Tensor

from medgen.contract.backend import Backend
from medgen.engine import checkpoint
from medgen.engine.player import PlayerOptimizer
from medgen.engine.running_means import Means
from medgen.engine.stages import Position
from medgen.errors import RunError


def packed(
    model: Backend,
    optimizers: Mapping[str, PlayerOptimizer],
    means: Mapping[str, Means],
    position: Position,
    moved: Collection[str],
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the tensors of a training's state, the generators' among them, and facts that JSON can hold."""
    tensors = {f"model/{name}": value for name, value in model.state_dict().items()}
    for kind, mean in means.items():
        mean.save(kind, tensors)
    hands = {name: checkpoint.flatten(f"hands/{name}", hand.state(), tensors) for name, hand in optimizers.items()}
    tensors |= checkpoint.random_states()
    return tensors, {"position": asdict(position), "hands": hands, "moved": sorted(moved)}


def unpack(
    state: tuple[Mapping[str, Tensor], Mapping[str, Any]],
    path: Path,
    model: Backend,
    optimizers: Mapping[str, PlayerOptimizer],
    means: Mapping[str, Means],
) -> tuple[Position, set[str]]:
    """Put a state that `packed` returned, read from `path`, into a training, all but the generators.

    Returns
    -------
    position : where it stood
    moved : names of the players that had a turn in this epoch

    Raises
    ------
    RunError : if it does not fit.
    """
    tensors, about = state
    weights = {name.removeprefix("model/"): value for name, value in tensors.items() if name.startswith("model/")}
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise RunError(f"'{path}' does not fit the model: {str(error).splitlines()[-1].strip()}") from None
    try:
        for name, optimizer in optimizers.items():
            optimizer.load_state(checkpoint.unflatten(about["hands"][name], tensors))
        position = Position(**about["position"])
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(
            f"'{path}' does not fit the settings in run.toml ({type(error).__name__}: {error}). It is that of another version of "
            "medgen, or run.toml was changed: put it back as it was, or train again"
        ) from None
    for kind, mean in means.items():
        mean.load(kind, tensors)
    return position, {name for name in optimizers if name in about["moved"]}
