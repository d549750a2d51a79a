"""Which packages a run was made with, and whether that of its backend is here."""

from __future__ import annotations

import platform
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from medgen import __version__, registry
from medgen.errors import ConfigError, RunError

PACKAGE = re.compile(r"[A-Za-z0-9][\w.-]* \d[\w.+!-]*")  # name and version, and nothing that a shell would understand
OF_PACKAGE = "backend_from"  # in [about] of run.toml: package and version of a backend that is not medgen's own


def versions() -> dict[str, str]:
    """Return the versions that a result depends on."""
    names = ("torch", "lightning-fabric", "monai", "numpy", "opencv-python-headless")
    return {"medgen": __version__, "python": platform.python_version(), **{name: version(name) for name in names}}


def made_with(backend: str) -> dict[str, str]:
    """Return what a run is made with: versions, platform, and the package of a backend that is not medgen's own."""
    of = registry.origin(backend)
    return {**versions(), "platform": platform.platform(), **({OF_PACKAGE: of} if of else {})}


@contextmanager
def written_by(about: Mapping[str, str]) -> Iterator[None]:
    """Say with whatever is wrong with the settings of a run that another version of medgen wrote them.

    Parameters
    ----------
    about : what `made_with` said when the run was made

    Raises
    ------
    ConfigError : that of the block.
    """
    try:
        yield
    except ConfigError as error:
        if (made := about.get("medgen", __version__)) == __version__:
            raise
        raise ConfigError(f"{error}; medgen {made} made the run, this is {__version__}") from None


def require_backend(folder: Path, backend: str, about: Mapping[str, str]) -> None:
    """Refuse a run whose backend is of another package that is not installed.

    Parameters
    ----------
    folder : of the run, for the message
    about : what `made_with` said when the run was made

    Raises
    ------
    RunError : saying of which.
    """
    of = about.get(OF_PACKAGE, "")
    if of and backend not in registry.names():
        install = f"pip install {'=='.join(of.split())}" if PACKAGE.fullmatch(of) else "ask whoever trained it"
        raise RunError(
            f"'{folder}' was trained with '{backend}' of package {of[:100]!r}, which is not installed; "
            f"if you trust who made that: {install}"
        )
