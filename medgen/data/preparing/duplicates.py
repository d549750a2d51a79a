"""Find files that are the same, and frames that are nearly the same.

Neighbouring frames of a video show one place: trained on and tested with, they make a test too easy, and counted as independent
they make its intervals too narrow. All pairs go through a quick sieve, a 64-bit difference hash; what passes is confirmed by the
correlation of two thumbnails.

Measured on 975 HyperKvasir frames, each cut to the square in its field of view (as `contour.crop` cuts it), against the 222 pairs
that share a group in the set's own manifest. "Alike" counts pairs, "joined" what chains of pairs put into one group:

======================  =====  ==================  ===================  ====================
called alike            alike  of 222, themselves  of 222, once joined  largest joined group
======================  =====  ==================  ===================  ====================
hash within 2 bits         67                  62                   64                     5
hash within 6 bits        494                 153                  207                    63
within 10, confirmed      218                 162                  221                    15
======================  =====  ==================  ===================  ====================

The 56 confirmed pairs that the manifest does not group were looked at one by one: all show the same place. The hash alone within
6 bits also calls 50 pairs alike that are not both of video and that no group joins; confirmed, none is left. A 64-bit hash of
cosine coefficients (pHash) did no better as a sieve.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from hashlib import file_digest
from pathlib import Path

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from medgen.data.images import parts_of
from medgen.data.pixel_format import Pixels, to_uint8
from medgen.errors import ImageError

SIDE = 16  # of a thumbnail, in pixels
SIEVE = 10  # bits in which the hashes of near-duplicates may differ where thumbnails confirm them
ALONE = 2  # and where nothing does
CORRELATION = 0.96  # of the thumbnails of near-duplicates, at least
CHECKED = 1 << 13  # thumbnails that are compared at once: 25 MB


def digest(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal digits; of a header, with those of the files that hold its pixels.

    Raises
    ------
    ImageError : if the file cannot be read.
    """
    try:
        states = [(file, file.stat()) for file in (path, *parts_of(path))]
        return _digest(tuple((file, state.st_size, state.st_mtime_ns) for file, state in states))
    except OSError as error:
        raise ImageError((error.strerror or str(error)).lower()) from None


@lru_cache(maxsize=64)  # a file may be listed frame by frame
def _digest(states: tuple[tuple[Path, int, int], ...]) -> str:
    """Return the digest of the first file and the others, each in the state (size, time of its change) that it is in."""
    first, *others = (file for file, *_ in states)
    with first.open("rb") as opened:
        content = file_digest(opened, "sha256")
    for part in others:
        with part.open("rb") as opened:
            content.update(file_digest(opened, "sha256").digest())
    return content.hexdigest()


def dhash(pixels: Pixels) -> int:
    """Return the 64-bit difference hash of a frame.

    Each bit tells whether grey rises from one of 9 x 8 cells to the next in its row; the first bit is the highest. Equal to
    ``ImageHash.dhash`` (Buchner), after Krawetz 2013, https://www.hackerfactor.com/blog/?/archives/529-Kind-of-Like-That.html

    Parameters
    ----------
    pixels : (H, W, C), C 1 or 3; uint8 in [0, 255] or float32 in [0, 1]. The dark border around a field of view sets many
        bits in the same way; cut it off first.
    """
    cells = np.asarray(_picture(pixels).convert("L").resize((9, 8), PIL.Image.Resampling.LANCZOS))  # (8, 9)
    return int.from_bytes(np.packbits(cells[:, 1:] > cells[:, :-1]).tobytes(), "big")


def thumbnail(pixels: Pixels) -> NDArray[np.uint8]:
    """Return a frame of (H, W, C), C 1 or 3, as (16, 16, 3) uint8, averaged over areas."""
    return np.asarray(_picture(pixels).convert("RGB").resize((SIDE, SIDE), PIL.Image.Resampling.BOX))


def _picture(pixels: Pixels) -> PIL.Image.Image:
    eight = to_uint8(pixels)
    return PIL.Image.fromarray(eight[..., 0] if eight.shape[2] == 1 else eight)


def exact_duplicates(digests: Sequence[str]) -> list[tuple[int, int]]:
    """Return (first, other) for each file that has the digest of an earlier one."""
    first: dict[str, int] = {}
    return [(earlier, row) for row, value in enumerate(digests) if (earlier := first.setdefault(value, row)) != row]


def near_duplicates(
    hashes: NDArray[np.uint64],
    distance: int | None = None,
    thumbnails: NDArray[np.uint8] | None = None,
    correlation: float = CORRELATION,
    owners: NDArray[np.int64] | None = None,
) -> list[tuple[int, int]]:
    """Return the pairs that join frames that are nearly the same, (i, j) with i < j, in order of i.

    A pair is left out where pairs before it have joined its frames already: a still scene of N frames gives N - 1 pairs, not all
    of its N (N - 1) / 2. `join` makes groups of them. Time grows with the square of the number of frames (10,000: a few seconds),
    memory with the number itself.

    Parameters
    ----------
    hashes : (N,) uint64, the `dhash` of each frame
    distance : bits in which two hashes may differ; None is 10 with thumbnails and 2 without
    thumbnails : (N, 16, 16, 3) uint8, the `thumbnail` of each frame. Without them the hashes alone decide: few frames are then
        called alike that are not, but most near-duplicates are missed.
    correlation : least correlation of two thumbnails, each channel about its own mean; a frame of one colour is like no other
    owners : (N,) of each frame the number of the patient, video or file that it is known to belong to, -1 where nothing is known.
        No pairs join frames of two owners: the outermost slices of two brains look alike, and are not of one patient. A frame of
        which nothing is known is then of the first owner that it is joined to.
    """
    known = np.full(len(hashes), -1, dtype=np.int64) if owners is None else owners.copy()
    alike = _Alike(hashes, distance, thumbnails, correlation)
    count = len(alike.hashes)
    part = np.arange(count)  # the group of each frame so far: its lowest row
    pairs: list[tuple[int, int]] = []
    for row in range(count - 1):
        others = alike.to(row, row + 1 + np.flatnonzero(part[row + 1 :] != part[row]))
        owner = max([known[row], *known[others[known[others] >= 0]][:1]]) if known[row] < 0 else known[row]
        others = others[(known[others] == owner) | (known[others] < 0)]
        if len(others):
            joined, first = np.unique(part[others], return_index=True)
            pairs += [(row, int(other)) for other in np.sort(others[first])]
            group = np.isin(part, [*joined, part[row]])
            part[group], known[group] = min(part[row], joined.min()), owner
    return pairs


def likest_before(
    hashes: NDArray[np.uint64], thumbnails: NDArray[np.uint8], rank: NDArray[np.int64], correlation: float = CORRELATION
) -> list[tuple[int, int]]:
    """Return for each frame that is nearly the same as one of a lower rank the likest such, (of lower rank, frame), in order.

    With the splits as ranks these are the frames of a test that training has nearly seen, one pair each.

    Parameters
    ----------
    hashes : (N,) uint64, the `dhash` of each frame
    thumbnails : (N, 16, 16, 3) uint8, the `thumbnail` of each frame
    rank : (N,) of each frame
    correlation : least correlation of two thumbnails
    """
    alike = _Alike(hashes, None, thumbnails, correlation)
    pairs = []
    for row in np.flatnonzero(rank > rank.min(initial=0)).tolist():
        others = alike.to(row, np.flatnonzero(rank < rank[row]))
        if len(others):
            pairs.append((int(others[np.argmax(alike.correlation_with(row, others))]), row))
    return pairs


class _Alike:
    """Which frames are nearly the same as one."""

    def __init__(
        self, hashes: NDArray[np.uint64], distance: int | None, thumbnails: NDArray[np.uint8] | None, correlation: float
    ) -> None:
        self.hashes = np.asarray(hashes, dtype=np.uint64)
        self._limit = distance if distance is not None else ALONE if thumbnails is None else SIEVE
        self._thumbnails, self._least = thumbnails, correlation
        self._flat = None if thumbnails is None else np.ptp(thumbnails, axis=(1, 2)).max(axis=1) == 0  # like no other

    def to(self, row: int, others: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return those of `others`, rows, that are nearly the same as `row`."""
        near = others[np.bitwise_count(self.hashes[others] ^ self.hashes[row]) <= self._limit]
        if self._flat is None:
            return near
        near = near[~self._flat[near]] if not self._flat[row] else near[:0]
        return near[self.correlation_with(row, near) >= self._least]

    def correlation_with(self, row: int, others: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the correlation of the thumbnail of `row` with those of `others`: (P,)."""
        assert self._thumbnails is not None
        own = _centred(self._thumbnails[row : row + 1])[0]
        parts = [self._thumbnails[others[start : start + CHECKED]] for start in range(0, len(others), CHECKED)]
        return np.concatenate([np.empty(0, np.float32), *(_centred(part) @ own for part in parts)])


def _centred(thumbnails: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return thumbnails as vectors of length 1 about their channels' means; a flat one is 0: (P, 16, 16, 3) -> (P, 768)."""
    values = thumbnails.astype(np.float32)
    values -= values.mean(axis=(1, 2), keepdims=True)
    vectors = values.reshape(len(values), -1)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-6)


def join(n: int, pairs: Sequence[tuple[int, int]]) -> NDArray[np.int64]:
    """Return for each of `n` frames the number of its group: frames that a chain of pairs joins share one.

    Groups are numbered in the order of their first frames.
    """
    ends = np.asarray(pairs, dtype=np.int64).reshape(-1, 2)
    if not len(ends):
        return np.arange(n)
    from scipy.sparse import coo_array  # both take as long to import as small data sets take to prepare
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(ends), dtype=np.int8), (ends[:, 0], ends[:, 1])), shape=(n, n))
    _, labels = connected_components(graph, directed=False)
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[inverse].astype(np.int64)
