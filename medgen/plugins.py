"""What other installed packages add: backends, readers of image files and feature extractors, found by their entry points.

A package names a module of its own under ``medgen.backends``, ``medgen.readers`` or ``medgen.extractors``; `docs/template/` is a
whole one. The name of the entry point is that of the module's file, with a hyphen for each underscore, as it is for medgen's own.
Only packages that are installed count: no run, recipe or data set can bring or name a program.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from functools import cache
from importlib import import_module, metadata
from types import MappingProxyType, ModuleType
from typing import Literal, NamedTuple

from medgen.errors import BackendError

Kind = Literal["backends", "readers", "extractors"]


class PluginWarning(UserWarning):
    """Another package's addition cannot be used; medgen goes on without it."""


class Plugin(NamedTuple):
    """One addition.

    Attributes
    ----------
    name : by which it is asked for
    module : that has what is added, as it is imported
    package, version : of the installed package that it comes from
    """

    name: str
    module: str
    package: str
    version: str

    @property
    def origin(self) -> str:
        """The package and its version, as a run notes them."""
        return f"{self.package} {self.version}"

    def load(self, *needed: str) -> ModuleType:
        """Import the module.

        Parameters
        ----------
        needed : names that it has to have

        Raises
        ------
        BackendError : if it cannot be imported or lacks one; the message names the package.
        """
        try:
            module = import_module(self.module)
        except Exception as error:  # whatever a foreign program raises
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            raise BackendError(
                f"'{self.name}' of package {self.origin} cannot be imported ({reason}); mend or remove it"
            ) from error
        if missing := [name for name in needed if not hasattr(module, name)]:
            raise BackendError(f"'{self.name}' of package {self.origin} has no {' and no '.join(missing)}; mend or remove it")
        return module


def found(kind: Kind, taken: tuple[str, ...] = ()) -> Mapping[str, Plugin]:
    """Return the additions of a kind by their names, sorted, without importing any.

    Parameters
    ----------
    taken : names of medgen's own, which no other package may replace; one that tries is warned of and left out
    """
    return _found(kind, taken)


@cache
def _found(kind: Kind, taken: tuple[str, ...]) -> Mapping[str, Plugin]:
    plugins: dict[str, Plugin] = {}
    entries = [(_plugin(entry), entry) for entry in metadata.entry_points(group=f"medgen.{kind}")]
    for plugin, entry in sorted(entries, key=lambda pair: (pair[0].name, pair[0].package, pair[0].module)):
        other = plugins.get(plugin.name)
        if entry.attr or entry.module.rpartition(".")[2].replace("_", "-") != entry.name:
            skip(plugin, f"expected '{entry.name}' to stand for a module of that name, got '{entry.value}'")
        elif plugin.name in taken:
            skip(plugin, f"medgen has '{plugin.name}' itself")
        elif other and other[1:] != plugin[1:]:
            skip(plugin, f"{other.origin} has '{plugin.name}', too")
        else:
            plugins[plugin.name] = plugin
    return MappingProxyType(plugins)


def _plugin(entry: metadata.EntryPoint) -> Plugin:
    package, version = (entry.dist.name, entry.dist.version) if entry.dist else ("unknown", "")
    return Plugin(entry.name, entry.module, package, version)


def skip(plugin: Plugin, reason: str) -> None:
    """Warn in one line, with the name of its package, that an addition is left out."""
    said = f"{reason}; left out" if plugin.origin in reason else f"package {plugin.origin} is left out of medgen: {reason}"
    warnings.warn(said, PluginWarning, stacklevel=2)


def forget() -> None:
    """Look at what is installed again when it is next asked for; a process that installs something needs that."""
    _found.cache_clear()
