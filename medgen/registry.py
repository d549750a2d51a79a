"""Which backends there are: each file in `medgen.backends` whose name does not begin with an underscore, and those of others.

Its name is that of the file, with a hyphen for each underscore (`medgen.contract.names`).

A backend is one file there with a docstring that cites its source, a class `Config` (settings) and a class `Model`. A new file is
a new backend: nothing else has to be told. Other installed packages add theirs by entry points (`medgen.plugins`).
"""

from __future__ import annotations

import ast
import pkgutil
from collections.abc import Mapping
from functools import cache
from importlib import import_module, resources
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from medgen import backends
from medgen.contract.names import module_of, name_of
from medgen.errors import BackendError, did_you_mean
from medgen.plugins import Plugin, found, skip

if TYPE_CHECKING:
    from medgen.config import Settings
    from medgen.contract.backend import Backend

C = TypeVar("C")  # a capability


@cache
def _own() -> tuple[str, ...]:
    modules = (info.name for info in pkgutil.iter_modules(backends.__path__))
    return tuple(sorted(name_of(module) for module in modules if not module.startswith("_")))


def plugins() -> Mapping[str, Plugin]:
    """Return the backends of other packages by their names, without importing any."""
    return found("backends", _own())


def names() -> list[str]:
    """Return the names of all backends, without importing any."""
    return sorted([*_own(), *plugins()])


def origin(name: str) -> str:
    """Return the package that a backend comes from with its version, "" for one of medgen's own."""
    plugin = plugins().get(name)
    return plugin.origin if plugin else ""


def load(name: str) -> type[Backend]:
    """Return the model class of a backend.

    Raises
    ------
    BackendError : if there is no backend of that name, or it is another package's and cannot be imported.
    """
    _check(name)
    if plugin := plugins().get(name):
        return plugin.load("Config", "Model").Model
    return import_module(f"{backends.__name__}.{module_of(name)}").Model


def about(name: str) -> str:
    """Return the docstring of a backend's file: what it is, its source and its anomaly score. The file is read, not imported.

    Raises
    ------
    BackendError : if there is no backend of that name, or the file of another package cannot be read.
    """
    _check(name)
    if plugin := plugins().get(name):
        source = _source(plugin)
    else:
        source = resources.files(backends).joinpath(f"{module_of(name)}.py").read_text(encoding="utf-8")
    return ast.get_docstring(ast.parse(source)) or ""


def _source(plugin: Plugin) -> str:
    """Return the text of another package's file; folders above it are imported, as Python does to find it."""
    try:
        spec = find_spec(plugin.module)
        source = Path(str(spec.origin)).read_text(encoding="utf-8") if spec else ""
        ast.parse(source)
    except Exception as error:  # whatever a foreign program raises
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise BackendError(f"'{plugin.name}' of package {plugin.origin} cannot be read ({reason}); mend or remove it") from error
    if not spec:
        raise BackendError(f"'{plugin.name}' of package {plugin.origin} has no file {plugin.module}; mend or remove it")
    return source


def _check(name: str) -> None:
    if name not in names():
        raise BackendError(f"there is no backend '{name}'; {did_you_mean(name, names())}")


def summaries() -> dict[str, str]:
    """Return the first sentence about each backend, by name; one of another package that cannot be imported is warned of.

    None of medgen's own is imported; those of other packages are, as nothing else tells whether they can be.

    Examples
    --------
    >>> "endovae" in api.backends()
    True
    """
    said = {}
    for name in names():
        try:
            first = (about(name).splitlines() or [""])[0]
            if name in plugins():
                load(name)
            said[name] = first
        except BackendError as error:
            skip(plugins()[name], str(error))
    return said


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
    from medgen.contract.backend import Backend, backend_name
    from medgen.contract.capabilities import CAPABILITIES  # both bring torch, which the names of backends do not need

    if isinstance(model, capability):
        return model
    said = f"{backend_name(model)} cannot {CAPABILITIES[capability]}"
    if isinstance(model, Backend) and isinstance(model.behind, capability):
        raise BackendError(f"{said} where it sees windows of a frame; train it without data.window")
    able = having(*(member for member in vars(capability) if not member.startswith("_")))
    raise BackendError(f"{said}; these can: {', '.join(able)}")


def having(*members: str) -> list[str]:
    """Return the names of the backends whose models have all these methods; one that cannot be imported is warned of."""
    able = []
    for name in names():
        try:
            model = load(name)
        except BackendError as error:
            skip(plugins()[name], str(error))
        else:
            able += [name] if all(hasattr(model, member) for member in members) else []
    return able
