"""The normal training frames that are most like a frame, as its run sees both."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import adaptive_avg_pool2d

from medgen.contract.capabilities import Embeds
from medgen.data.dataset import make_batch
from medgen.data.prepared import Prepared, evenly_spaced
from medgen.data.scorable import scorable
from medgen.engine.fixed_shape import in_fixed_shape
from medgen.errors import DataError
from medgen.runs.datasets import open_trained_on
from medgen.service.view.frames import Frame
from medgen.types import Batch
from medgen.verbs.in_memory.loaded import LoadedRun

MOST = 4000  # training frames that are looked at, at even steps
BLOCK = 32
SHOWN = 4
SIDE = 16  # of the thumbnails of runs that have no latent space


class Nearest:
    """Finds normal training frames of a run; where they lie in its space is computed when it is first asked for."""

    def __init__(self, model: LoadedRun, busy: threading.Lock) -> None:
        """Use a run; `busy` is held while its model computes."""
        self._model, self._busy = model, busy
        self._once = threading.Lock()
        self._data: Prepared | None = None
        self._rows = np.empty(0, dtype=np.int64)
        self._places = np.empty((0, 0), dtype=np.float32)

    def of(self, frame: Frame) -> dict[str, Any]:
        """Return `frames`, the nearest first, each with its row, path and distance; `space`, in which; and `among` how many.

        Raises
        ------
        DataError : if the frames of the training are not there any more.
        """
        data = self._ready()
        with self._busy:
            seen = frame.source.see(self._model, [frame], False).scored
            own = self._embedded(seen.data, seen.rows)[0]
        distances = np.sqrt(np.square(self._places - own).sum(axis=1))
        order = np.argsort(distances, kind="stable")[:SHOWN]
        paths = data.index["path"].iloc[self._rows[order]]
        found = [
            {"row": int(self._rows[place]), "path": path, "distance": float(distances[place])}
            for place, path in zip(order.tolist(), paths, strict=True)
        ]
        return {"frames": found, "space": self._space(), "among": len(self._rows)}

    def picture(self, row: int) -> NDArray[np.uint8]:
        """Return a normal training frame, (S, S, C).

        Raises
        ------
        DataError : if the row is of none.
        """
        data = self._ready()
        if row not in self._rows:
            raise DataError(f"row {row} is no normal training frame that was looked at")
        return np.asarray(data.frames[row : row + 1])[0]

    def _ready(self) -> Prepared:
        with self._once:
            if self._data is None:
                data = open_trained_on(self._model.run)
                rows = data.rows("train")
                rows = scorable(data, rows[(data.index["label"].iloc[rows] == "normal").to_numpy()], self._overlay)
                if not len(rows):
                    raise DataError("the data set of the training has no normal training frames")
                self._rows = rows[evenly_spaced(len(rows), MOST)]
                starts = range(0, len(self._rows), BLOCK)
                self._places = np.concatenate([self._block(data, self._rows[start : start + BLOCK]) for start in starts])
                self._data = data
            return self._data

    def _block(self, data: Prepared, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        with self._busy:  # between two blocks the frame that somebody looks at comes first
            return self._embedded(data, rows)

    @torch.inference_mode()
    def _embedded(self, data: Prepared, rows: Sequence[int] | NDArray[np.int64]) -> NDArray[np.float32]:
        model, device = self._model.model, self._model.device
        batch = make_batch(data, np.asarray(rows), self._overlay).to(device)
        embed = model.to(device).eval().embed if isinstance(model, Embeds) else _thumbnails
        return in_fixed_shape(embed, batch).flatten(1).float().cpu().numpy()

    def _space(self) -> str:
        return "latent space of the run" if isinstance(self._model.model, Embeds) else f"thumbnails of {SIDE} x {SIDE} pixels"

    @property
    def _overlay(self) -> Any:
        return self._model.run.settings.data.overlay


def _thumbnails(batch: Batch) -> torch.Tensor:
    return adaptive_avg_pool2d(batch.image, SIDE)
