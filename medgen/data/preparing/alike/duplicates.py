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
from medgen.data.preparing.alike.likeness import BLOCK, SIDE, Alike
from medgen.errors import ImageError

CORRELATION = 0.96  # of the thumbnails of near-duplicates, at least
WAITING = 1 << 22  # rows that wait for their correlations: 32 MB


def digest(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal digits; of a header, with those of the files that hold its pixels.

    Raises
    ------
    ImageError : if the file cannot be read.
    """
    try:
        states = [(file, file.stat()) for file in (path, *parts_of(path))]
        return _digest(tuple((file, state.st_size, state.st_mtime_ns, state.st_ctime_ns) for file, state in states))
    except OSError as error:
        raise ImageError((error.strerror or str(error)).lower()) from None


@lru_cache(maxsize=64)  # a file may be listed frame by frame
def _digest(states: tuple[tuple[Path, int, int, int], ...]) -> str:
    """Return the digest of the first file and the others, each in the state (size, times of its changes) that it is in."""
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
    of its N (N - 1) / 2. `join` makes groups of them. ``tests/benchmarks/duplicates.py`` measures time and memory: 100,000 frames
    take a quarter of a minute; memory grows with the number of frames, by 0.4 kB for each beside its thumbnail.

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
    rows = np.arange(len(hashes))
    alike = Alike(hashes, distance, thumbnails, correlation, order=-rows)  # behind a row is before it in this order
    groups = _Groups(np.full(len(hashes), -1, dtype=np.int64) if owners is None else owners)
    pairs: list[tuple[int, int]] = []
    for start in range(0, len(rows), BLOCK):
        for row, others in alike.possible(rows[start : start + BLOCK], -start, groups.joinable):
            still = others[groups.joinable(row, others)]  # after what the rows before this one have joined
            if len(found := alike.confirmed(row, still)):
                pairs += [(row, other) for other in groups.join(row, found)]
    return pairs


class _Groups:
    """Frames that pairs have joined so far, each group of one owner at the most."""

    def __init__(self, owners: NDArray[np.int64]) -> None:
        self._labels = np.arange(len(owners))  # the group of each frame
        self._owners = owners.copy()  # of each group, by its label
        self._owned = bool((owners >= 0).any())
        self._members: dict[int, list[int]] = {}  # of the groups of more than one

    def joinable(self, rows: NDArray[np.int64] | int, others: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return of pairs (row, other) whether the other is behind, in another group, and not known to be of another owner."""
        own, labels = self._labels[rows], self._labels[others]
        free = (labels != own) & (others > rows)
        if self._owned:
            mine, theirs = self._owners[own], self._owners[labels]
            free &= (theirs < 0) | (mine < 0) | (theirs == mine)
        return free

    def join(self, row: int, others: NDArray[np.int64]) -> list[int]:
        """Join `row` to the groups of `others`, which rise, and return the first frame of each; the first owner counts."""
        joined = []
        for label, other in _firsts(self._labels[others], others):
            own, owner = self._labels[row], self._owners[label]
            if self._owners[own] >= 0 and owner >= 0 and owner != self._owners[own]:
                continue
            joined.append(other)
            small, large = sorted((int(own), label), key=lambda each: len(self._members.get(each, ())))
            moved = self._members.pop(small, [small])  # the smaller one is renamed, so that no frame is often
            self._members.setdefault(large, [large]).extend(moved)
            self._labels[moved] = large
            self._owners[large] = max(self._owners[own], owner)
        return joined


def _firsts(labels: NDArray[np.int64], others: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Return each label with the first of the frames that have it, in the order of these."""
    each, first = np.unique(labels, return_index=True)
    order = np.argsort(first)
    return list(zip(each[order].tolist(), others[first[order]].tolist(), strict=True))


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
    alike = Alike(hashes, None, thumbnails, correlation, order=rank)
    pairs: list[tuple[int, int]] = []
    together: dict[int, list[tuple[int, NDArray[np.int64]]]] = {}  # by the first that may be alike: one scene has mostly one
    waiting = 0
    for each in np.unique(rank)[1:].tolist():
        for row, others in alike.possible(np.flatnonzero(rank == each), each):
            together.setdefault(int(others[0]), []).append((row, others))
            waiting += len(others)
            if waiting >= WAITING:
                pairs += [pair for scene in together.values() for pair in alike.likest(scene)]
                together, waiting = {}, 0
    pairs += [pair for scene in together.values() for pair in alike.likest(scene)]
    return sorted(pairs, key=lambda pair: pair[1])


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
