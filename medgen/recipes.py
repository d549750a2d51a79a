"""Recipes by name: the files of `configs/`, packed into an installed medgen as `medgen/configs`, and what to expect of each.

A recipe is called as its file, `endovae-hyperkvasir`; what it is for is enough where the backend is known, `hyperkvasir`.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from medgen.errors import ConfigError, did_you_mean

STUDIES = "study-"  # how a file begins that is no recipe but a study


@dataclass(frozen=True)
class KnownRecipe:
    """A recipe that comes with medgen, and what was measured of it in `reports/`; None and "" where nothing was."""

    name: str
    backend: str
    frames: str  # that it was made for: HyperKvasir, MNIST, ...
    side: int  # of a frame, in pixels
    minutes: float | None  # of training on one or two processor cores beside other work, as the page says
    result: str  # on frames that were not trained on
    page: str  # with the commands and caveats of the result, below `reports/` of the repository


def folder() -> Path:
    """Return the folder of the recipes: packed beside this file, or that of the repository."""
    packed = Path(__file__).with_name("configs")
    return packed if packed.is_dir() else packed.parents[1] / "configs"


@cache
def names() -> list[str]:
    """Return the names of all recipes, sorted."""
    return sorted(path.stem for path in folder().glob("*.toml") if not path.stem.startswith(STUDIES))


def known_recipes() -> list[KnownRecipe]:
    """Return all recipes that come with medgen, sorted by name.

    Examples
    --------
    >>> [recipe.side for recipe in api.recipes() if recipe.name == "endovae-hyperkvasir"]
    [96]
    """
    return [*_read_once()]


@cache
def _read_once() -> tuple[KnownRecipe, ...]:
    facts: dict[str, dict[str, Any]] = tomllib.loads((folder() / "facts" / "recipes.toml").read_text(encoding="utf-8"))
    return tuple(_known(name, facts.get(name, {})) for name in names())


def _known(name: str, facts: dict[str, Any]) -> KnownRecipe:
    backend = tomllib.loads((folder() / f"{name}.toml").read_text(encoding="utf-8"))["backend"]
    said = {key: facts.get(key, "") for key in ("frames", "result", "page")}
    return KnownRecipe(name, backend, side=facts.get("side", 0), minutes=facts.get("minutes"), **said)


def is_name(config: Path | str) -> bool:
    """Tell whether what was given as a recipe names one that comes with medgen, and is no path."""
    text = str(config)
    return bool(text) and not text.endswith(".toml") and Path(text).name == text and not Path(text).is_file()


def find(config: Path | str, backend: str) -> Path:
    """Return the file of a recipe.

    Parameters
    ----------
    config : its path or its name, in which the backend and the hyphen after it may be left out
    backend : that is to be trained

    Raises
    ------
    ConfigError : if nothing has that name, or the file is not there.
    """
    if not is_name(config):
        path = Path(config)
        if path.suffix == ".toml" and path.stem in names() and not path.exists():
            raise ConfigError(f"there is no file '{config}'; the recipe of that name comes with medgen: --config {path.stem}")
        return path
    for name in (str(config), f"{backend}-{config}"):
        if name in names():
            return folder() / f"{name}.toml"
    if str(config).startswith(STUDIES):
        raise ConfigError(f"'{config}' is a study and no recipe; `medgen compare` takes the file of a study")
    of_backend = [name for name in names() if name.startswith(f"{backend}-")]
    short = [name.removeprefix(f"{backend}-") for name in of_backend]
    raise ConfigError(
        f"there is no recipe '{config}' for {backend}, and no such file; {did_you_mean(str(config), [*short, *of_backend])}"
        "; `medgen recipes` lists all"
    )
