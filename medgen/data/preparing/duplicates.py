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

from collections.abc import Iterator, Sequence
from hashlib import file_digest
from pathlib import Path

import numpy as np
import PIL.Image
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from medgen.data.pixel_format import Pixels, to_uint8
from medgen.errors import ImageError

SIDE = 16  # of a thumbnail, in pixels
SIEVE = 10  # bits in which the hashes of near-duplicates may differ where thumbnails confirm them
ALONE = 2  # and where nothing does
CORRELATION = 0.96  # of the thumbnails of near-duplicates, at least
BLOCK = 1 << 22  # pairs that are compared at once: 32 MB of hashes
CHECKED = 1 << 13  # pairs of thumbnails that are compared at once: 50 MB


def digest(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal digits.

    Raises
    ------
    ImageError : if the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ImageError((error.strerror or str(error)).lower()) from None


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
) -> list[tuple[int, int]]:
    """Return every pair of frames that are nearly the same, (i, j) with i < j, in order.

    Time grows with the square of the number of frames (10,000: a few seconds), memory does not.

    Parameters
    ----------
    hashes : (N,) uint64, the `dhash` of each frame
    distance : bits in which two hashes may differ; None is 10 with thumbnails and 2 without
    thumbnails : (N, 16, 16, 3) uint8, the `thumbnail` of each frame. Without them the hashes alone decide: few frames are then
        called alike that are not, but most near-duplicates are missed.
    correlation : least correlation of two thumbnails, each channel about its own mean; a frame of one colour is like no other
    """
    limit = distance if distance is not None else ALONE if thumbnails is None else SIEVE
    pairs: list[tuple[int, int]] = []
    for rows, columns in _candidates(np.asarray(hashes, dtype=np.uint64), limit):
        if thumbnails is not None:
            alike = _correlation(thumbnails, rows, columns) >= correlation
            rows, columns = rows[alike], columns[alike]
        pairs += zip(rows.tolist(), columns.tolist(), strict=True)
    return pairs


def _candidates(hashes: NDArray[np.uint64], limit: int) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Yield the pairs whose hashes differ in at most `limit` bits, a block of rows against all later columns at a time."""
    count, start = len(hashes), 0
    while start < count - 1:
        stop = min(start + max(1, BLOCK // (count - start)), count)
        bits = np.bitwise_count(hashes[start:stop, None] ^ hashes[None, start:])  # (rows, columns from start)
        rows, columns = np.nonzero(np.triu(bits <= limit, k=1))
        yield rows + start, columns + start
        start = stop


def _correlation(thumbnails: NDArray[np.uint8], rows: NDArray[np.int64], columns: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the correlation of thumbnails[rows] with thumbnails[columns]: (P,)."""
    result = np.zeros(len(rows), dtype=np.float32)
    for start in range(0, len(rows), CHECKED):
        part = slice(start, start + CHECKED)
        result[part] = np.einsum("pk,pk->p", _centred(thumbnails[rows[part]]), _centred(thumbnails[columns[part]]))
    return result


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
    graph = coo_array((np.ones(len(ends), dtype=np.int8), (ends[:, 0], ends[:, 1])), shape=(n, n))
    _, labels = connected_components(graph, directed=False)
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[inverse].astype(np.int64)
