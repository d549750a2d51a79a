"""medgen: generative anomaly detection for medical images. For research, never for diagnosis.

`medgen.load` is `medgen.api.load`, imported when it is first asked for: ``import medgen`` itself imports nothing of medgen.
"""

from importlib import import_module as _import_module
from typing import Any as _Any

__version__ = "0.1.0"
_FROM_API = ("load",)


def __getattr__(name: str) -> _Any:
    if name not in _FROM_API:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(_import_module("medgen.api"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_FROM_API})
