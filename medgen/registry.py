"""Which backends there are: every file in `medgen.backends` whose name does not begin with an underscore is one.

Its name is that of the file, with a hyphen for each underscore (`medgen.contract.names`).

A backend is one file there with a docstring that cites its source, a class `Config` (settings) and a class `Model`. A new file is
a new backend: nothing else has to be told.
"""

from __future__ import annotations

import ast
import pkgutil
from collections.abc import Mapping
from importlib import import_module, resources
from typing import TYPE_CHECKING, Any, TypeVar

from medgen import backends
from medgen.contract.names import module_of, name_of
from medgen.errors import BackendError, did_you_mean

if TYPE_CHECKING:
    from medgen.config import Settings
    from medgen.contract.backend import Backend

C = TypeVar("C")  # a capability


def names() -> list[str]:
    """Return the names of all backends, without importing any."""
    return sorted(name_of(info.name) for info in pkgutil.iter_modules(backends.__path__) if not info.name.startswith("_"))


def load(name: str) -> type[Backend]:
    """Return the model class of a backend.

    Raises
    ------
    BackendError : if there is no backend of that name.
    """
    _check(name)
    return import_module(f"{backends.__name__}.{module_of(name)}").Model


def about(name: str) -> str:
    """Return the docstring of a backend's file: what it is, its source and its anomaly score. The file is read, not imported.

    Raises
    ------
    BackendError : if there is no backend of that name.
    """
    _check(name)
    return (
        ast.get_docstring(ast.parse(resources.files(backends).joinpath(f"{module_of(name)}.py").read_text(encoding="utf-8")))
        or ""
    )


def _check(name: str) -> None:
    if name not in names():
        raise BackendError(f"there is no backend '{name}'; {did_you_mean(name, names())}")


def summaries() -> dict[str, str]:
    """Return the first sentence about each backend, by name, without importing any.

    Examples
    --------
    >>> "endovae" in api.backends()
    True
    """
    return {name: about(name).splitlines()[0] for name in names()}


def create(name: str, settings: Mapping[str, Any], size: int, channels: int) -> Backend:
    """Build a backend with fresh weights.

    Raises
    ------
    BackendError : if there is no backend of that name.
    ConfigError : if a setting is wrong.
    """
    return load(name)(parse(name, settings), size, channels)


def parse(name: str, settings: Mapping[str, Any]) -> Settings:
    """Return the validated settings of a backend.

    Raises
    ------
    BackendError : if there is no backend of that name.
    ConfigError : if a setting is wrong.
    """
    config: type[Settings] = import_module(load(name).__module__).Config
    return config.parse(settings, f"[model] of {name}")


def require(model: Backend, capability: type[C]) -> C:
    """Return the model as one that has a capability, so that the caller can use it without asking again.

    Parameters
    ----------
    model : of any backend
    capability : a protocol of `medgen.contract.capabilities`, such as ``Samples``

    Raises
    ------
    BackendError : if the model lacks it; the message names the backends that have it.
    """
    from medgen.contract.backend import backend_name
    from medgen.contract.capabilities import CAPABILITIES  # both bring torch, which the names of backends do not need

    if isinstance(model, capability):
        return model
    members = [member for member in vars(capability) if not member.startswith("_")]
    able = [name for name in names() if all(hasattr(load(name), member) for member in members)]
    raise BackendError(f"{backend_name(model)} cannot {CAPABILITIES[capability]}; these can: {', '.join(able)}")
