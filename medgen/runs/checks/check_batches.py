"""Whether a backend can learn from batches as small as its training would have: asked before it is trained."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn

from medgen.contract.backend import Backend, backend_name
from medgen.data.dataset import TrainingBatches
from medgen.errors import ConfigError
from medgen.runs.models import build_model
from medgen.runs.settings import RunSettings
from medgen.types import Batch


def check_batches(settings: RunSettings, batches: TrainingBatches) -> None:
    """Refuse, before a training, batches of a single frame for a backend that cannot learn from them.

    All batches of a training are of one size: a rest of an epoch is left out.

    Parameters
    ----------
    settings : of the run, with every default written out

    Raises
    ------
    ConfigError : if the backend normalises over the batch; the message says what to set.
    """
    if min(settings.data.batch_size, batches.epoch_frames) > 1:
        return
    model = build_model(settings, batches.data.size, batches.data.channels)
    try:
        learn_from(model, next(batches.epoch(0)))
    except ConfigError as error:
        low = "data.batch_size" if settings.data.batch_size == 1 else "data.epoch_frames"
        remedy = f"set {low} to 2 or more" if len(batches.rows) > 1 else "there is 1 training frame: add some"
        raise ConfigError(f"{error}; {remedy}") from None


def learn_from(model: Backend, batch: Batch) -> None:
    """Take the turns of each stage on one batch, without a step of any weight.

    Parameters
    ----------
    model : one that is thrown away: its statistics move

    Raises
    ------
    ConfigError : if the backend normalises over one value, which has no spread.
    """

    def refuse_one_value(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        values = inputs[0]
        if layer.training and values.numel() == values.shape[1]:
            raise ConfigError(f"{backend_name(model)} normalises over the batch and needs batches of two frames or more")

    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d):
            module.register_forward_pre_hook(refuse_one_value)
    for _ in turns_of_stages(model, batch):
        pass


def turns_of_stages(model: Backend, batch: Batch) -> Iterator[str]:
    """Take the turns of the beginning of each stage on one batch, without a step of any weight, and yield each player's name."""
    model.train()
    start = 0.0
    for stage in model.stages:
        for player, _ in model.turns(batch, start):
            yield player
        start = stage.until
