"""A training that is divided among ranks (`medgen.ranks`): what it refuses, what it averages, and that the ranks stay alike."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256

import torch
from torch import Tensor

from medgen.contract.backend import Backend, backend_name
from medgen.contract.capabilities import OnePassFit
from medgen.engine import checkpoint
from medgen.engine.train_settings import TrainSettings
from medgen.errors import BackendError, ConfigError, RunError
from medgen.nn.shared_layers import share_layers
from medgen.ranks import Ranks
from medgen.types import TrainingData

NEAR = 1e-5  # share of the sum of weights by which ranks on unlike devices may differ


def make_ready(model: Backend, ranks: Ranks) -> None:
    """Let the layers of a model see whole batches, where there are several ranks.

    Raises
    ------
    BackendError : if it has a layer that cannot.
    """
    if ranks.count == 1:
        return
    if layer := share_layers(model):
        raise BackendError(f"'{backend_name(model)}' has a layer {layer}, which is for one device: leave --devices away")


def refuse_undivided(
    name: str, backend: type[Backend], settings: TrainSettings, train: TrainingData, frames: int, count: int
) -> None:
    """Refuse a training that cannot be divided among so many devices, before anything is started or written.

    Parameters
    ----------
    frames : of a step, as the settings say
    count : of devices in all

    Raises
    ------
    BackendError : if the backend cannot be trained so.
    ConfigError : if the frames of a step cannot be divided evenly, or a setting is for one device.
    """
    if not backend.divides:
        raise BackendError(f"'{name}' cannot be trained on several devices: leave --devices away")
    if settings.compile:
        raise ConfigError(f"train.compile='{settings.compile}' is for one device; leave --devices or train.compile away")
    if frames % count:
        near = " or ".join(str(size) for size in (frames // count * count, -(-frames // count) * count) if size)
        raise ConfigError(
            f"data.batch_size={frames} are the frames of a step on all devices, which {count} devices cannot share evenly; "
            f"set data.batch_size={near}"
        )
    if not train.divides(0, count):
        raise ConfigError(f"there are fewer training frames than a step has, and {count} devices cannot share them evenly")


def averaged_columns(columns: Mapping[str, Tensor], ranks: Ranks, device: torch.device) -> Mapping[str, Tensor]:
    """Return the means over ranks of named scalars, which are means over frames."""
    if ranks.count == 1 or not columns:
        return columns
    values = torch.stack([value.detach().to(device, torch.float32) for value in columns.values()])
    ranks.average([values])
    return dict(zip(columns, values.unbind(), strict=True))


def fit_together(model: OnePassFit, ranks: Ranks) -> None:
    """Fit a detector on the first rank, which gathered the frames of all, and give what it found to the others."""
    if ranks.count == 1:
        model.finalise_fit()
        return
    assert isinstance(model, Backend)

    def fitted() -> dict[str, Tensor]:
        model.finalise_fit()
        return {name: value.cpu() for name, value in model.state_dict().items()}

    state = ranks.of_first(fitted)
    if not ranks.first:
        model.load_state_dict(state)


def require_alike(model: Backend, ranks: Ranks, where: str) -> None:
    """Refuse to go on where ranks have come apart, as by draws of a number that differs between them.

    Raises
    ------
    RunError : if random states or weights differ.
    """
    if ranks.count == 1:
        return
    states = checkpoint.random_states()
    digest = sha256(b"".join(states[name].numpy().tobytes() for name in sorted(states))).hexdigest()
    size = float(sum(weights.detach().double().abs().sum().cpu() for weights in model.parameters()))
    first_digest, first_size = ranks.of_first(lambda: (digest, size))
    drew, moved = ranks.any(digest != first_digest, not abs(size - first_size) <= NEAR * abs(first_size))
    if drew or moved:
        what = "random numbers" if drew else "weights"
        raise RunError(
            f"the {what} of the devices are no longer the same in {where}: '{backend_name(model)}' cannot be trained on several; "
            "leave --devices away"
        )
