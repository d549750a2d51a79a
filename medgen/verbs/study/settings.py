"""A study: which backends are compared on which data sets, how long each may train, with how many frames and seeds.

A study file says it in TOML, and is all that is needed to repeat it::

    dataset = "DATA"
    budget = "20m"                                # of training for each run
    seeds = 3

    [common.data]                                 # of every run; laid over the recipes
    batch_size = 16

    [backends.endovae]                            # with its defaults
    [backends.vqvae2]
    config = "hyperkvasir"                        # a recipe: its name, or a file
    [backends.small]                              # a name of one's own
    backend = "vae"
    settings.model.latents = 16                   # laid over recipe and common settings

In place of ``dataset`` it may name several, each with a name of one's own, and with either it may name training sizes::

    shots = [4, 16, 64, "all"]                    # training frames

    [datasets]
    colon = "DATA"
    digits = "mnist:DIR"
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self

from pydantic import Field, PositiveInt, field_validator, model_validator

from medgen import recipes, registry
from medgen.config import Settings, merged, override, read_toml, to_toml, with_paths_from, with_whole_paths
from medgen.data.native.addresses import address_from, whole_address
from medgen.errors import ConfigError
from medgen.files import write_text
from medgen.runs.settings import RunSettings, recipe

FILE = "study.toml"
DATASETS = "datasets"  # folder of a study of several data sets or training sizes: a study for each of them
COMMON_DEFAULTS: Mapping[str, Any] = {
    "data": {"overlay": "common"}
}  # all runs share one mask: those of single frames leak the label
SECONDS_PER_UNIT = {"s": 1.0, "m": 60.0, "h": 3600.0}
ALL = "all"  # of the training frames
ENTRY_NAME = re.compile(r"[A-Za-z0-9_-]+")  # of an entry: it names folders and a TOML section
PLACEHOLDER = "{backend}"  # in the path of a recipe: each backend's name


class StudyEntry(Settings):
    """One backend of a study, or one recipe of it."""

    backend: str = ""  # its registered name; "" = the entry's own name
    config: str = ""  # a recipe: TOML file, or the name of one that comes with medgen
    settings: dict[str, Any] = Field(default_factory=dict)  # nested as a recipe, laid over it


class Part(NamedTuple):
    """A study of one data set and one training size, that a study of several is made of."""

    dataset: str  # its name
    shots: str  # training frames, or "all"
    study: StudySettings

    @property
    def folder(self) -> str:
        """Its folder, as seen from that of the whole study."""
        return f"{DATASETS}/{self.dataset}/{self.shots}"


class StudySettings(Settings):
    """A study. Paths in a file are seen from the folder that holds it, all others from the working folder."""

    title: str = ""
    dataset: str = ""
    datasets: dict[str, str] = Field(default_factory=dict)  # in place of `dataset`: several, by name
    shots: tuple[PositiveInt | Literal["all"], ...] = ()  # training frames of each size; () = all, and no curve
    budget: str = ""  # of training for each run: "90s", "20m", "1.5h"; "" = as long as the recipes say
    seeds: int = Field(1, ge=1)  # each backend is trained with the seeds 0, 1, ...
    common: dict[str, Any] = Field(default_factory=dict)  # settings of every run, laid over its recipe; data.overlay is "common"
    backends: dict[str, StudyEntry]  # by name, in the order of the page

    @field_validator("budget")
    @classmethod
    def _understood(cls, value: str) -> str:
        seconds(value)
        return value

    @field_validator("backends")
    @classmethod
    def _not_empty(cls, value: dict[str, StudyEntry]) -> dict[str, StudyEntry]:
        if not value:
            raise ValueError("expected at least one backend; `medgen backends` lists them")
        return value

    @field_validator("backends", "datasets")
    @classmethod
    def _named(cls, value: dict[str, Any]) -> dict[str, Any]:
        if wrong := [name for name in value if not ENTRY_NAME.fullmatch(name)]:
            raise ValueError(f"the name '{wrong[0]}' has other characters than letters, digits, - and _")
        return value

    @field_validator("shots")
    @classmethod
    def _once(cls, value: tuple[int | str, ...]) -> tuple[int | str, ...]:
        if twice := [size for size in value if value.count(size) > 1]:
            raise ValueError(f"{twice[0]} is named twice")
        return value

    @model_validator(mode="after")
    def _of_something(self) -> Self:
        if bool(self.dataset) == bool(self.datasets):
            raise ValueError("expected either dataset, for one, or a section [datasets] with names and addresses")
        return self

    @property
    def several(self) -> bool:
        """Whether it is made of several studies, of a data set and a training size each."""
        return bool(self.datasets or self.shots)

    def parts(self) -> list[Part]:
        """Return the studies that it is made of: each data set with each training size, the whole of it first."""
        sizes = sorted(self.shots or (ALL,), key=lambda size: float("-inf") if size == ALL else -int(size))
        return [
            Part(name, str(size), self._part(address, 0 if size == ALL else int(size)))
            for name, address in (self.datasets or {"data": self.dataset}).items()
            for size in sizes
        ]

    def _part(self, address: str, shots: int) -> StudySettings:
        few = {"data": {"shots": shots}} if self.shots else {}
        entries = {
            name: entry.model_copy(update={"settings": merged(entry.settings, few)}) for name, entry in self.backends.items()
        }
        return self.model_copy(update={"dataset": address, "datasets": {}, "shots": (), "backends": entries})

    def recipes(self) -> dict[str, RunSettings]:
        """Return the settings of each entry.

        Raises
        ------
        BackendError, ConfigError : if a backend or a recipe does not exist, or a setting is wrong.
        """
        recipes = {}
        for name, entry in self.backends.items():
            config = Path(entry.config) if entry.config else None
            try:
                recipes[name] = recipe(entry.backend or name, config, (), COMMON_DEFAULTS, self.common, entry.settings)
            except ConfigError as error:
                raise ConfigError(f"backend '{name}': {error}") from None
        return recipes

    def with_defaults(self) -> StudySettings:
        """Return the study with every default written out: it leans on no recipe and on no working folder."""
        entries = {}
        for name, settings in self.recipes().items():
            model = registry.parse(settings.backend, settings.model).model_dump(mode="json")
            values = {**settings.model_dump(mode="json"), "model": model}
            entries[name] = StudyEntry(backend=values.pop("backend"), settings=values)
        return self.model_copy(update={**self._addresses(Path()), "common": {}, "backends": entries})

    def _addresses(self, folder: Path) -> dict[str, Any]:
        """Return the addresses that a file in `folder` holds with paths from the root of the disk."""
        datasets = {name: whole_address(address, folder) for name, address in self.datasets.items()}
        return {"dataset": whole_address(self.dataset, folder), "datasets": datasets}

    def write(self, path: Path) -> None:
        """Write the complete study as TOML."""
        write_text(path, to_toml(self.as_seen_from(path.parent)))

    def as_seen_from(self, folder: Path) -> dict[str, Any]:
        """Return the complete study as a file in `folder` holds it."""
        values = with_paths_from(self.with_defaults().model_dump(mode="json"), folder)
        datasets = {name: address_from(address, folder) for name, address in values["datasets"].items()}
        values |= {"dataset": address_from(values["dataset"], folder), "datasets": datasets}
        unsaid = [name for name in ("dataset", "datasets", "shots") if not values[name]]
        return {name: value for name, value in values.items() if name not in unsaid}


def _seen_from(folder: Path, config: str) -> str:
    path = os.path.abspath(folder / Path(config).expanduser())  # noqa: PTH100 - a link in the path stays one
    return config if recipes.is_name(config) and not Path(path).is_file() else path


def seconds(budget: str) -> float:
    """Return how long a budget is, in seconds; infinity for "".

    Raises
    ------
    ValueError : if it is not understood; pydantic makes a `ConfigError` of it.
    """
    parsed = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", budget.strip())
    if budget and (not parsed or not float(parsed[1])):
        raise ValueError("expected a number above 0 with s, m or h behind it, such as 90s, 20m or 1.5h")
    return float(parsed[1]) * SECONDS_PER_UNIT[parsed[2]] if parsed else float("inf")


def study_of(
    dataset: Path | str,
    backends: Sequence[str],
    *,
    config: str = "",
    assignments: Sequence[str] = (),
    budget: str = "",
    seeds: int = 1,
    title: str = "",
) -> StudySettings:
    """Return the study of some backends with the same settings.

    Parameters
    ----------
    config : a recipe for every backend, by file or name; ``{backend}`` in it stands for the name of each
    assignments : each ``key=value``, laid over every recipe

    Raises
    ------
    ConfigError : if a backend is named twice or none is, or a setting is wrong.

    Examples
    --------
    >>> study = api.study_of(DATA, ["endovae", "vqvae2"], budget="20m", seeds=3)
    >>> list(study.backends), study.seeds
    (['endovae', 'vqvae2'], 3)
    """
    if twice := [name for name in backends if backends.count(name) > 1]:
        raise ConfigError(f"'{twice[0]}' is named twice; two recipes of one backend are compared by a study file")
    values = {
        "title": title,
        "dataset": str(dataset),
        "budget": budget,
        "seeds": seeds,
        "common": override({}, assignments),
        "backends": {name: {"config": config.replace(PLACEHOLDER, name)} for name in backends},
    }
    return StudySettings.parse(values, "study")


def read_study(path: Path) -> StudySettings:
    """Read a study file.

    Raises
    ------
    ConfigError : if it cannot be read, or says something that is not understood.

    Examples
    --------
    >>> list(api.read_study(STUDY).backends)
    ['vae']
    """
    values = with_whole_paths(read_toml(path), path.parent)
    study = StudySettings.parse(values, str(path))
    entries = {
        name: entry.model_copy(update={"config": _seen_from(path.parent, entry.config)}) if entry.config else entry
        for name, entry in study.backends.items()
    }
    return study.model_copy(update={**study._addresses(path.parent), "backends": entries})
