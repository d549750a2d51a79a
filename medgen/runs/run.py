"""A run folder: everything that training made and that the later verbs read.

``run.toml`` (settings and where the data came from), ``model.safetensors`` (best weights), ``last.safetensors`` (state to resume
from), ``log.csv`` (one row an epoch), ``steps.csv`` (one row every train.log_steps optimizer steps), ``calibration.json`` (scores
of the normal validation frames and the threshold), ``contrast.safetensors`` (what training frames are like, for parts of a score
that are a distance from it), ``common.png`` (where frames are shown, where all are blanked alike), ``panels/`` (pictures while
training), ``tensorboard/``, ``cost.json`` (weights, time, memory, speed), ``scores/`` (the test split, scored), ``scores-val/``
and the like (another split), ``scores-other/`` (the test frames of the second domain).
"""

from __future__ import annotations

import json
import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import reduce
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from medgen import __version__, registry
from medgen.config import Settings, merged, override, read_toml, to_toml
from medgen.contract.backend import Backend
from medgen.data.augment import STILL, AugmentSettings
from medgen.data.dataset import DataSettings, TrainingBatches
from medgen.data.prepared import Prepared, PrepareSettings
from medgen.data.readers.image import read_image
from medgen.engine.checkpoint import load, load_weights
from medgen.engine.device import seed_all
from medgen.engine.fit import STATE, WEIGHTS, TrainSettings
from medgen.engine.score import PLAIN, ScoringSettings
from medgen.errors import ConfigError, RunError
from medgen.files import read_json, write_bytes, write_text
from medgen.nn.features.feature_gaussian import FeatureGaussian
from medgen.runs.to_image import png
from medgen.types import DataRequirements

COMMON = "common.png"  # white where frames are shown
CONTRAST = "contrast.safetensors"


class WatchSettings(Settings):
    """How the samples of a model in training are watched: their Fréchet distance from normal training frames, in the log."""

    every: int = Field(0, ge=0)  # epochs between two measurements; 0 = none
    extractor: str = "efficientnet-lite0"  # or "inception-2015", then it is an FID
    frames: int = Field(1000, ge=2)  # drawn, and real ones at the most


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


class Origin(Settings):
    """What a run was trained on; `kind` is "" for a prepared data set."""

    dataset: str
    kind: str = ""
    source: str
    data_digest: str
    prepare: PrepareSettings
    other_digest: str = ""  # of the second domain's data set


@dataclass(frozen=True)
class Run:
    """An opened run folder."""

    folder: Path
    settings: RunSettings
    origin: Origin
    about: dict[str, str]  # versions, the command, and why the training ended

    @property
    def name(self) -> str:
        return self.folder.resolve().name

    def new_model(self) -> Backend:
        """Return the backend with fresh weights, the same ones for the same seed."""
        seed_all(self.settings.train.seed)
        prepare = self.origin.prepare
        return registry.create(self.settings.backend, self.settings.model, prepare.size, prepare.channels)

    def write(self) -> Run:
        """Write ``run.toml``."""
        sections = {**self.settings.model_dump(mode="json"), "origin": self.origin.model_dump(mode="json"), "about": self.about}
        write_text(self.folder / "run.toml", to_toml(sections))
        return self

    def with_facts(self, **facts: str) -> Run:
        """Return the run with facts added to what is known about it, on disk too."""
        return replace(self, about={**self.about, **facts}).write()

    def with_epochs(self, epochs: int) -> Run:
        """Return the run with another number of epochs, on disk too."""
        train = self.settings.train.model_copy(update={"epochs": epochs})
        return replace(self, settings=self.settings.model_copy(update={"train": train})).write()

    def trained_model(self) -> Backend:
        """Return the backend with the best weights.

        Raises
        ------
        RunError : if there are none or they do not fit.
        """
        model = self.new_model()
        load_weights(model, self.folder / WEIGHTS)
        return model

    def weights_digest(self) -> str:
        """Return a hash of what scores depend on: the best weights, the backend's settings as the run has them, and the overlay.

        Settings that a later version adds to the other sections leave it as it is.
        """
        if not self.has_weights():
            raise RunError(f"'{self.folder}' has no trained weights yet; finish it with `medgen train ... --resume`")
        hashed = sha256((self.folder / WEIGHTS).read_bytes())
        chosen = {"backend": self.settings.backend, "model": self.settings.model, "overlay": self.settings.data.overlay}
        if self.settings.scoring != PLAIN:
            chosen["scoring"] = self.settings.scoring.model_dump(mode="json", exclude_defaults=True)
        hashed.update(json.dumps(chosen, sort_keys=True).encode())
        return hashed.hexdigest()[:16]

    def calibration(self) -> dict[str, Any]:
        """Return the scores of the normal validation frames and the threshold; {} for a run without any."""
        path = self.folder / "calibration.json"
        return read_json(path)

    def threshold(self) -> dict[str, Any]:
        """Return the threshold with what it promises: value, false_alarm_rate, normals, groups, pixel_level; {} without."""
        facts = self.calibration()
        kept = ("value", "false_alarm_rate", "normals", "groups", "pixel_level")
        return {key: facts[key] for key in kept if key in facts}

    def common_mask(self) -> NDArray[np.bool_] | None:
        """Return where every frame is shown, (S, S) bool, of a run whose frames are all blanked alike; None for any other."""
        path = self.folder / COMMON
        return read_image(path).pixels[..., 0] > 0 if path.is_file() else None

    def normal_reference(self) -> dict[str, FeatureGaussian]:
        """Return what training frames are like, for each part of the score that asks how far from the usual something is.

        Raises
        ------
        RunError : if it is missing or damaged.
        """
        if not self.settings.scoring.distances:
            return {}
        if not self.finished() and not (self.folder / CONTRAST).is_file():
            raise RunError(f"'{self.folder}' was stopped before its scores were calibrated; go on with --resume")
        tensors: dict[str, dict[str, Tensor]] = {}
        for name, tensor in load(self.folder / CONTRAST)[0].items():
            part, key = name.split("/", 1)
            tensors.setdefault(part, {})[key] = tensor
        return {part: FeatureGaussian.of(own) for part, own in tensors.items()}

    def finished(self) -> bool:
        """Tell whether the training came to its end and the run is calibrated."""
        return bool(self.about.get("finished"))

    def history(self, name: str = "log.csv") -> pd.DataFrame:
        """Return one row an epoch, or, of ``steps.csv``, one every so many steps; empty before the first."""
        path = self.folder / name
        return pd.read_csv(path) if path.is_file() else pd.DataFrame()

    def has_weights(self) -> bool:
        """Tell whether there are weights to score with."""
        return (self.folder / WEIGHTS).is_file()

    def started(self) -> bool:
        """Tell whether there is a state to resume from."""
        return (self.folder / STATE).is_file()


def versions() -> dict[str, str]:
    """Return the versions that a result depends on."""
    names = ("torch", "lightning", "monai", "numpy", "opencv-python-headless", "torchmetrics")
    return {"medgen": __version__, "python": platform.python_version(), **{name: version(name) for name in names}}


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
    augment = settings.data.augment or (STILL if data.kind or requirements.single_pass else AugmentSettings())
    train = settings.train.model_copy(update={"epochs": 1}) if requirements.single_pass else settings.train
    chosen = settings.data.model_copy(update={"augment": augment, "other": second.address if second else ""})
    return settings.model_copy(update={"model": model.model_dump(mode="json"), "data": chosen, "train": train})


def _classes(index: pd.DataFrame, model: Settings) -> dict[str, tuple[str, ...]]:
    """Return the names of the findings, and of those that are normal where the backend asks."""
    names = tuple(sorted(set(index["finding"])))
    abnormal = set(index["finding"][index["label"] != "normal"])
    normal = {"normal_classes": tuple(name for name in names if name not in abnormal)}
    return {"classes": names, **(normal if hasattr(model, "normal_classes") else {})}


def create_run(folder: Path, settings: RunSettings, data: Prepared, command: str, second: Prepared | None = None) -> Run:
    """Write ``run.toml`` in a new run folder.

    Raises
    ------
    RunError : if the folder holds something already.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RunError(f"'{folder}' is not empty; go on with --resume, or choose another --out")
    origin = Origin(
        dataset=data.address,
        kind=data.kind,
        source=data.source,
        data_digest=data.digest,
        prepare=data.settings,
        other_digest=second.digest if second else "",
    )
    about = {**versions(), "platform": platform.platform(), "command": command}
    run = Run(folder, settings, origin, about)
    run.new_model()  # a size that does not fit is refused before anything is written
    if settings.data.overlay == "common":
        write_bytes(folder / COMMON, png(data.valid[0].astype(np.uint8) * np.uint8(255)))
    return run.write()


def open_run(folder: Path) -> Run:
    """Open a run folder.

    Raises
    ------
    RunError : if it is none.
    """
    if not (folder / "run.toml").is_file():
        what = "is not a run folder" if folder.is_dir() else "does not exist"
        raise RunError(f"'{folder}' {what}; give one made by `medgen train BACKEND DATASET --out RUN`")
    sections = read_toml(folder / "run.toml")
    about = {key: str(value) for key, value in sections.pop("about", {}).items()}
    origin = Origin.parse(sections.pop("origin", {}), f"{folder}/run.toml [origin]")
    return Run(folder, RunSettings.parse(sections, f"{folder}/run.toml"), origin, about)


def recipe(backend: str, config: Path | None = None, assignments: Iterable[str] = (), *over: Mapping[str, Any]) -> RunSettings:
    """Return the settings of a run: a recipe, with nested settings and then each ``key=value`` laid over it.

    Raises
    ------
    BackendError, ConfigError : if the backend does not exist or is not the recipe's, or a setting is wrong.
    """
    registry.load(backend)
    values: dict[str, Any] = read_toml(config) if config else {}
    if values.setdefault("backend", backend) != backend:
        raise ConfigError(f"the recipe '{config}' is for '{values['backend']}', not for '{backend}'")
    values = reduce(merged, over, values)
    settings = RunSettings.parse(override(values, assignments), str(config or "settings"))
    registry.parse(backend, settings.model)
    return settings
