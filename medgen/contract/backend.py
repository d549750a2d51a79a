"""The contract of a backend: what every file of `medgen.backends` provides, and all that training and scoring know of it.

Two words are medgen's own. A *player* is a named group of weights with an optimizer: a VAE has one, a GAN has two, its generator
and its critic. A *turn* is one training step of one player: `Backend.turns` yields the player's name and its losses, and the
engine, not the backend, runs backward and steps that player's optimizer. So one training loop serves them all. What a backend
may be able to do besides scoring is in `capabilities`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Annotated, ClassVar, Literal, NamedTuple, Self

from pydantic import Field, model_validator
from torch import Tensor, nn

from medgen.config import Settings
from medgen.contract.capabilities import Translates
from medgen.contract.names import name_of
from medgen.errors import BackendError, did_you_mean
from medgen.types import Batch, DataRequirements, Scores

Losses = dict[str, Tensor]
Momentum = Annotated[float, Field(ge=0, lt=1)]


class Optimizer(Settings):
    """How the engine moves one player's weights: PyTorch's optimizer, its learning rate over time, and a moving average."""

    name: Literal["adam", "rmsprop", "sgd"] = "adam"
    lr: float = Field(1e-3, gt=0)
    betas: tuple[Momentum, Momentum] = (0.9, 0.999)
    weight_decay: float = Field(0.0, ge=0)
    warmup_steps: int = Field(0, ge=0, le=10**9)  # the learning rate rises linearly over so many steps
    plateau_epochs: int = Field(0, ge=0, le=10**6)  # epochs without a better validation loss before the rate falls; 0 = never
    plateau_factor: float = Field(0.5, gt=0, lt=1)
    min_lr: float = Field(1e-6, ge=0)
    decay_every: int = Field(0, ge=0, le=10**9)  # steps after each of which the rate is multiplied with decay_factor; 0 = never
    decay_factor: float = Field(0.95, gt=0, lt=1)
    decay_from: float = Field(1.0, ge=0, le=1)  # share of a stage from which the rate falls linearly to min_lr; 1 = it stays
    ema: float = Field(0.0, ge=0, lt=1)  # decay of a moving average of the weights, which is what is kept and scored; 0 = none

    @model_validator(mode="after")
    def _one_reason_to_fall(self) -> Self:
        if self.decay_from < 1 and (self.plateau_epochs or self.warmup_steps or self.decay_every):
            others = "plateau_epochs, warmup_steps and decay_every"
            raise ValueError(f"decay_from sets the learning rate at every step; leave {others} at 0 with it")
        return self


class Player(NamedTuple):
    """A group of weights that one optimizer moves; its name is its key in `Backend.players`.

    Attributes
    ----------
    weights : the modules that hold them
    optimizer : settings, of which the engine builds the optimizer
    """

    weights: tuple[nn.Module, ...]
    optimizer: Optimizer

    def parameters(self) -> list[nn.Parameter]:
        """Return the weights that can be trained."""
        return [weight for module in self.weights for weight in module.parameters() if weight.requires_grad]


class Stage(NamedTuple):
    """A part of the training with its own best weights: the next stage starts from them.

    Attributes
    ----------
    until : progress at which the stage ends, above 0; the last stage ends at 1
    monitor : name of the validation loss by which the stage's best weights are chosen; "" where no loss tells
    """

    until: float
    monitor: str


class Backend(nn.Module, ABC):
    """A model of normal frames that can be trained and that scores frames.

    Parameters
    ----------
    config : the backend's own settings
    size : side S of a crop in pixels
    channels : C

    Attributes
    ----------
    monitor : name of the validation loss by which the best weights are chosen, the rate falls and training stops early;
        "loss" is the sum of what `turns` yields, "" says that no loss tells a better model from a worse one
    divides : whether a step may be divided among devices: draws and sums over frames go through `medgen.ranks`
    notes : scalars of the last training step that are logged as ``note.NAME`` and not minimised (the weight that a controller
        chose, the KL divergence before it is weighted); `turns` writes them, under the same names in every step of a stage
    """

    monitor: ClassVar[str] = "loss"
    divides: bool = False
    notes: dict[str, Tensor]

    def __init__(self, config: Settings, size: int, channels: int) -> None:
        super().__init__()
        self.config = config
        self.size = size
        self.channels = channels
        self.notes = {}

    @classmethod
    def requirements(cls, config: Settings) -> DataRequirements:
        """Return what the training batches must hold besides frames, under these settings of the backend."""
        return DataRequirements()

    @property
    def behind(self) -> Backend:
        """The backend as it is registered, of one that shows its frames to another: `self` of all others."""
        return self

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The stages of the training, in order; most backends have one."""
        return (Stage(1.0, self.monitor),)

    @property
    @abstractmethod
    def players(self) -> dict[str, Player]:
        """The groups of weights by name; every weight belongs to exactly one. {} for a backend that fits in one pass."""

    @abstractmethod
    def turns(self, batch: Batch, progress: float) -> Iterator[tuple[str, Losses]]:
        """Yield the name of a player and its losses, once for each optimizer step to be taken on the batch.

        Between two yields the engine adds the losses up, runs backward into the weights of that player only and steps its
        optimizer. What a player's losses depend on is therefore computed after the yield before it, so that it sees the moved
        weights. Never yield inside a ``with``.

        Parameters
        ----------
        batch : frames on the training device
        progress : share of the training that is done, 0 to 1; schedules inside a backend follow it and nothing else. A stage
            begins at the progress where the one before it ends; validation runs at the last progress of the stage.
        """

    @abstractmethod
    def score(self, batch: Batch) -> Scores:
        """Score frames in evaluation mode, higher for what is less normal; a frame scores the same alone and in any batch."""

    def local_views(self, batch: Batch) -> Sequence[Tensor]:
        """Return what `adapt` has to know of each frame, (B, ...) each, whatever was moved before; () where nothing moves."""
        return ()

    def adapt(self, views: Sequence[Tensor]) -> float:
        """Move what is held for normal towards few normal frames of another place, in closed form and without their labels.

        Trained weights stay as they are: a few frames cannot carry them, and only the threshold moves.

        Parameters
        ----------
        views : of n frames, (n, ...) each, as `local_views` returns them

        Returns
        -------
        the share of these frames in what is held from now on, 0 to 1; 0 where nothing moved
        """
        return 0.0


def backend_name(model: object) -> str:
    """Return the name under which a model's backend is registered."""
    return name_of(type(model.behind if isinstance(model, Backend) else model).__module__)


def paired_target(model: Backend, batch: Batch) -> Tensor | None:
    """Return what a model that draws from pairs should draw, (B, C, S, S): their second frames; None for any other."""
    return batch.other if type(model).requirements(model.config).other == "pair" else None


def check_direction(model: Translates, direction: str) -> None:
    """Refuse a direction in which a model cannot translate.

    Raises
    ------
    BackendError : if `direction` is none of the model's; the message names those that it has.
    """
    if direction not in model.directions:
        raise BackendError(f"{backend_name(model)} has no direction '{direction}'; {did_you_mean(direction, model.directions)}")
