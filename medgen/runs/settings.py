"""The settings of a run: a recipe, with every default written out once it is known what it is trained on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import reduce
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import Field

from medgen import recipes, registry
from medgen.config import Settings, merged, override, read_toml, with_whole_paths
from medgen.data.augmenting.augment import NO_AUGMENTATION, AugmentSettings
from medgen.data.dataset import DataSettings, TrainingBatches
from medgen.data.prepared import Prepared
from medgen.data.storage.shuffle import SHUFFLED
from medgen.engine.score_components import ScoringSettings
from medgen.engine.train_settings import TrainSettings
from medgen.errors import ConfigError
from medgen.runs.folds import find_folds
from medgen.types import DataRequirements, TrackerName


class WatchSettings(Settings):
    """How a training is followed: by which trackers, and by the Fréchet distance of its samples from normal training frames."""

    trackers: tuple[TrackerName, ...] = ("tensorboard",)  # told settings, losses, panels, and the measures of reports
    every: int = Field(0, ge=0, le=10**6)  # epochs between two measurements; 0 = none
    extractor: str = "efficientnet-lite0"  # or "inception-2015", then it is an FID; or any other that `medgen fid` takes
    frames: int = Field(1000, ge=2, le=10**6)  # drawn, and real ones at the most


class RunSettings(Settings):
    """A recipe: sections model (the backend's own), data, train, watch and scoring."""

    backend: str
    model: dict[str, Any] = Field(default_factory=dict)
    data: DataSettings = DataSettings()
    train: TrainSettings = TrainSettings()
    watch: WatchSettings = WatchSettings()
    scoring: ScoringSettings = ScoringSettings()
    false_alarm_rate: float = Field(0.05, gt=0, lt=1)  # of normal frames: where the threshold is put

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes that the backend is told of, in their order; () for one that is told of none."""
        return tuple(self.model.get("classes", ()))


def recipe(
    backend: str, config: Path | str | None = None, assignments: Iterable[str] = (), *over: Mapping[str, Any]
) -> RunSettings:
    """Return the settings of a run: a recipe, with nested settings and then each ``key=value`` laid over it.

    Parameters
    ----------
    backend : name of the backend
    config : TOML file of the recipe, or the name of one that comes with medgen; None: the backend's defaults
    assignments : such as "train.epochs=5"
    over : nested settings, each laid over those before

    Raises
    ------
    BackendError, ConfigError : if the backend does not exist or is not the recipe's, or a setting is wrong.

    Examples
    --------
    >>> api.recipe("vae", None, ["model.latents=2", "train.epochs=1"]).train.epochs
    1
    """
    registry.load(backend)
    config = recipes.find(config, backend) if config else None
    values: dict[str, Any] = with_whole_paths(read_toml(config), config.parent) if config else {}
    if values.setdefault("backend", backend) != backend:
        raise ConfigError(f"the recipe '{config}' is for '{values['backend']}', not for '{backend}'")
    values = reduce(merged, over, values)
    values = with_whole_paths(override(values, assignments), Path())
    settings = RunSettings.parse(values, str(config or "settings"))
    registry.parse(backend, settings.model)
    return settings


def fill_defaults(settings: RunSettings, data: Prepared, second: Prepared | None = None) -> RunSettings:
    """Return the settings with every default written out, those too that depend on the data: augmentation and classes.

    `second` is the data set of the second domain, if there is another one.

    Raises
    ------
    BackendError, ConfigError, DataError : if the backend does not exist, a setting is wrong, or there is nothing to train on.
    """
    model = registry.parse(settings.backend, settings.model)
    requirements = registry.load(settings.backend).requirements(model)
    if requirements.classes and not getattr(model, "classes", None):
        rows = TrainingBatches(
            data, settings.data, settings.train.seed, requirements=DataRequirements(abnormal=requirements.abnormal)
        ).rows
        model = model.model_copy(update=_classes(data.index.iloc[rows], model))
    if hasattr(model, "folds"):
        scoring, seed = settings.scoring, settings.train.seed
        folds = find_folds(data, settings.data, scoring, seed).folds_in_all if scoring.leaves_out else 0
        model = model.model_copy(update={"folds": folds})
    augment = settings.data.augment or (NO_AUGMENTATION if data.kind or requirements.single_pass else AugmentSettings())
    train = settings.train.model_copy(update={"epochs": 1}) if requirements.single_pass else settings.train
    together = settings.data.shuffle_frames or (SHUFFLED if data.per_shard else 0)
    known = {"augment": augment, "other": second.address if second else "", "shuffle_frames": together}
    chosen = settings.data.model_copy(update=known)
    return settings.model_copy(update={"model": model.model_dump(mode="json"), "data": chosen, "train": train})


def _classes(index: pd.DataFrame, model: Settings) -> dict[str, tuple[str, ...]]:
    """Return the names of the findings, and of those that are normal where the backend asks."""
    names = tuple(sorted(set(index["finding"])))
    abnormal = set(index["finding"][index["label"] != "normal"])
    normal = {"normal_classes": tuple(name for name in names if name not in abnormal)}
    return {"classes": names, **(normal if hasattr(model, "normal_classes") else {})}
