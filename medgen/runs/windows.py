"""A backend that looks at frames through windows: it learns from random ones, and scores overlapping ones that cover the frame.

Frames that are larger than what a net is made for keep their detail so. The windows of a frame are laid and blended by MONAI's
`SlidingWindowInferer`, each weighed by a Gaussian about its middle (Isensee et al. 2021, https://doi.org/10.1038/s41592-020-01008-z).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from medgen import ranks
from medgen.contract.backend import Backend, Losses, Player, Stage
from medgen.contract.capabilities import Reconstructs
from medgen.data.scorable import LEAST_VALID
from medgen.types import Batch, Scores

AT_ONCE = 32  # windows that the nets are shown together


class Windowed(Backend):
    """Frames of side S, of which a backend for frames of side W sees windows.

    The map of a frame is the mean of those of its windows, weighed by a Gaussian about the middle of each. Its score, and its
    components, are those of its most anomalous window among those of which a tenth is valid.

    Parameters
    ----------
    inner : the backend, for frames of side W below S
    size : S, in pixels
    overlap : share of its side that a window has in common with the next one, at least
    """

    def __init__(self, inner: Backend, size: int, overlap: float) -> None:
        super().__init__(inner.config, size, inner.channels)
        from monai.inferers.inferer import SlidingWindowInferer  # seconds to import

        self.inner, self.divides = inner, inner.divides
        self.laid = SlidingWindowInferer(inner.size, AT_ONCE, overlap, mode="gaussian")

    @property
    def behind(self) -> Backend:
        return self.inner

    @property
    def stages(self) -> tuple[Stage, ...]:
        return self.inner.stages

    @property
    def players(self) -> dict[str, Player]:
        return self.inner.players

    def turns(self, batch: Batch, progress: float) -> Iterator[tuple[str, Losses]]:
        """Yield the backend's turns on one random window of each frame."""
        yield from self.inner.turns(random_windows(batch, self.inner.size), progress)
        self.notes = self.inner.notes

    def score(self, batch: Batch) -> Scores:
        frames = [self._score_one(batch, place) for place in range(len(batch))]
        names = frames[0].components
        return Scores(
            torch.cat([frame.score for frame in frames]),
            torch.cat([frame.map for frame in frames if frame.map is not None]) * batch.valid,
            {name: torch.cat([frame.components[name] for frame in frames]) for name in names},
        )

    def _score_one(self, batch: Batch, place: int) -> Scores:
        seen: list[Scores] = []
        shares: list[Tensor] = []

        def look(windows: Batch) -> Tensor:
            scores = self.inner.score(windows)
            assert scores.map is not None  # of backends that have maps
            seen.append(scores)
            shares.append(windows.valid.flatten(1).float().mean(1))  # (n,)
            return scores.map.float().clone()  # MONAI multiplies it by its weights in place

        blended = self._blended(batch, place, look)
        share = torch.cat(shares)  # (n,), of all windows of the frame
        score = torch.cat([scores.score for scores in seen])
        worst = torch.where(share >= LEAST_VALID, score, -torch.inf).argmax(keepdim=True)  # (1,)
        components = {name: torch.cat([scores.components[name] for scores in seen])[worst] for name in seen[0].components}
        return Scores(score[worst], blended, components)

    def _blended(self, batch: Batch, place: int, look: Callable[[Batch], Tensor]) -> Tensor:
        """Return what `look` makes of the windows of a frame, (n, c, W, W), blended to (1, c, S, S)."""
        image, valid = batch.image[place : place + 1], batch.valid[place : place + 1]

        def work(windows: Tensor) -> Tensor:
            count = len(windows)
            finding = None if batch.finding is None else batch.finding[place].expand(count)
            index = batch.index[place].expand(count)
            return look(Batch(windows[:, :-1].contiguous(), windows[:, -1:] > 0.5, index, finding=finding))

        blended: Any = self.laid(torch.cat([image, valid.to(image.dtype)], 1), work)
        return blended  # type: ignore[no-any-return]


class WindowedReconstruction(Windowed):
    """Windows of a backend that says what a frame would look like if it were normal."""

    def reconstruct(self, batch: Batch) -> Tensor:
        """Return (B, C, S, S) in [0, 1], blended as maps are."""
        inner = self.inner
        assert isinstance(inner, Reconstructs)
        drawn = [
            self._blended(batch, place, lambda windows: inner.reconstruct(windows).float().clone()) for place in range(len(batch))
        ]
        return torch.cat(drawn).clamp(0, 1)


def windowed(inner: Backend, size: int, overlap: float) -> Windowed:
    """Return a backend for frames of side `size` that looks at them through windows; it reconstructs where the backend does."""
    kind = WindowedReconstruction if isinstance(inner, Reconstructs) else Windowed
    return kind(inner, size, overlap)


def random_windows(batch: Batch, side: int) -> Batch:
    """Return a window of each frame of a batch, at a place of its own; PyTorch's generator draws it.

    Parameters
    ----------
    batch : frames (B, C, S, S)
    side : of the windows, at most S
    """
    device, count = batch.image.device, len(batch)
    corners = ranks.randint(batch.image.shape[3] - side + 1, (2, count, 1), device, dim=1)  # of rows and of columns
    rows, columns = corners + torch.arange(side, device=device)  # (B, W) each
    frame = torch.arange(count, device=device)[:, None, None]

    def cut(frames: Tensor) -> Tensor:
        picked = frames.movedim(1, -1)[frame, rows[:, :, None], columns[:, None, :]]  # (B, W, W, C)
        return picked.movedim(-1, 1).contiguous()

    return replace(batch, image=cut(batch.image), valid=cut(batch.valid), mask=None)
