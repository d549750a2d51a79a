"""From settings to a backend with fresh weights: for whole frames, or for windows of them."""

from __future__ import annotations

from medgen import registry
from medgen.contract.backend import Backend
from medgen.errors import ConfigError
from medgen.runs.settings import RunSettings
from medgen.runs.windows import windowed


def build_model(settings: RunSettings, size: int, channels: int) -> Backend:
    """Return the backend of a run with fresh weights.

    Parameters
    ----------
    size, channels : of the frames

    Raises
    ------
    BackendError : if there is no backend of that name.
    ConfigError : if a setting is wrong, or windows do not fit frames or backend.
    """
    check_windows(settings, size)
    window = settings.data.window
    net = registry.create(settings.backend, settings.model, window or size, channels)
    return windowed(net, size, settings.data.window_overlap) if window else net


def check_windows(settings: RunSettings, size: int) -> None:
    """Refuse windows that do not fit frames or backend.

    Parameters
    ----------
    size : of the frames

    Raises
    ------
    ConfigError : saying which of both.
    """
    window = settings.data.window
    if not window:
        return
    if window >= size:
        raise ConfigError(
            f"data.window is {window}, and the frames have a side of {size}: windows must be smaller; leave it away"
        )
    wanted = registry.load(settings.backend).requirements(registry.parse(settings.backend, settings.model))
    if wanted.single_pass or wanted.other:
        why = "is fitted to whole frames in one pass" if wanted.single_pass else "takes a second frame beside each"
        raise ConfigError(f"data.window: {settings.backend} {why} and cannot learn from windows; leave it away")
