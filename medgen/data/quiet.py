"""What decoders say about odd but readable files is kept from the user."""

from __future__ import annotations

import logging
import warnings
from threading import Lock


class _Quiet:
    """Keeps what decoders say about odd but readable files from the user.

    Warning filters belong to the whole process, so that threads share one change of them: the first in makes it, the last
    out takes it back.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._inside = 0
        self._loggers = [logging.getLogger(name) for name in ("nibabel.global", "tifffile")]  # they write to stderr

    def __enter__(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._filters = warnings.catch_warnings()
                self._filters.__enter__()
                warnings.simplefilter("ignore")
                self._disabled = [logger.disabled for logger in self._loggers]
                for logger in self._loggers:
                    logger.disabled = True
            self._inside += 1

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                for logger, disabled in zip(self._loggers, self._disabled, strict=True):
                    logger.disabled = disabled
                self._filters.__exit__(None, None, None)


quiet = _Quiet()
