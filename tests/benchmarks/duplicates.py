"""Time and memory that near-duplicates take, of 10,000 to 1,000,000 generated frames.

python tests/benchmarks/duplicates.py [COUNT ...]

Prints as JSON for each number of frames (10,000 and 100,000): the processor seconds of finding the pairs that join frames and of
finding those that are alike across splits, how many there are of each, the groups, the peak memory of the process (in kilobytes a
frame too, of which 0.8 are its thumbnail), and, up to 20,000 frames, the seconds of comparing each hash with all behind it, which
a search of all pairs by hashes takes before it compares any thumbnails. "exponent" says how the seconds grow from one number of
frames to the next; 2 is quadratic.

A fifth of the frames are of still scenes, of 10,000 frames or a tenth of all; a tenth are near-duplicates of another frame; all
others are smooth and random, under a light that is brightest in the middle, so that hashes are as unevenly spread as those of
endoscopy: about one pair of 200 is within ten bits.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time
from typing import Any

import numpy as np
from memory_use import peak_megabytes
from numpy.typing import NDArray
from usage import arguments

from medgen.data.preparing.alike.duplicates import join, likest_before, near_duplicates
from medgen.data.preparing.alike.likeness import SIEVE

SIDE, BLOCK, QUADRATIC = 16, 10_000, 20_000
CLOCK = time.process_time


def overlaps(cells: int) -> NDArray[np.float32]:
    """Return (cells, 16) what share each pixel of a side has in each of so many cells of equal width."""
    edges = np.linspace(0, SIDE, cells + 1)
    pixels = np.arange(SIDE)
    shared = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    return (np.maximum(shared, 0) * cells / SIDE).astype(np.float32)


def hashes_of(thumbnails: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Return (N,) difference hashes, from cells of thumbnails, where `dhash` has cells of the frame."""
    cells = np.einsum("yh,nhw,xw->nyx", overlaps(8), thumbnails.mean(axis=3, dtype=np.float32), overlaps(9), optimize=True)
    bits = np.packbits((cells[..., 1:] > cells[..., :-1]).reshape(len(cells), 64), axis=1)
    return bits.copy().view(">u8")[:, 0].astype(np.uint64)


def frames(count: int) -> tuple[NDArray[np.uint64], NDArray[np.uint8]]:
    """Return (N,) hashes and (N, 16, 16, 3) thumbnails, shuffled."""
    generator = np.random.default_rng(0)
    still, length = count // 5, min(10_000, count // 10)
    of_scene = np.arange(count)  # the picture that each frame shows
    of_scene[:still] -= of_scene[:still] % length
    of_scene[still : still + count // 10] += count // 10
    generator.shuffle(of_scene)
    y, x = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j]
    light = (45 * np.exp(-(x**2 + y**2)))[..., None].astype(np.float32)
    spread = np.asarray([np.interp(np.linspace(0, 4, SIDE), range(5), row) for row in np.eye(5)], dtype=np.float32)  # (5, 16)
    thumbnails, hashes = np.empty((count, SIDE, SIDE, 3), np.uint8), np.empty(count, np.uint64)
    for start in range(0, count, BLOCK):
        scenes, where = np.unique(of_scene[start : start + BLOCK], return_inverse=True)
        coarse = np.stack([np.random.default_rng(scene).normal(0, 35, (5, 5, 3)) for scene in scenes]).astype(np.float32)
        pictures = 90 + light + np.einsum("nabc,ay,bx->nyxc", coarse, spread, spread, optimize=True)
        noise = generator.normal(0, 2, (len(where), SIDE, SIDE, 3)).astype(np.float32)
        thumbnails[start : start + BLOCK] = np.clip(pictures[where] + noise, 0, 255)
        hashes[start : start + BLOCK] = hashes_of(thumbnails[start : start + BLOCK])
    return hashes, thumbnails


def all_pairs(hashes: NDArray[np.uint64]) -> int:
    """Return how many pairs of hashes are within the bits of the sieve, found by looking at each."""
    return sum(int((np.bitwise_count(hashes[row + 1 :] ^ hashes[row]) <= SIEVE).sum()) for row in range(len(hashes)))


def measure(count: int) -> dict[str, Any]:
    """Return what one number of frames takes; the peak is that of the process."""
    hashes, thumbnails = frames(count)
    before = peak_megabytes()
    began = CLOCK()
    pairs = near_duplicates(hashes, thumbnails=thumbnails)
    found = CLOCK()
    groups = int(join(count, pairs).max()) + 1
    joined = CLOCK()
    across = likest_before(hashes, thumbnails, np.random.default_rng(1).choice(3, count, p=(0.6, 0.15, 0.25)))
    ended = CLOCK()
    peak = peak_megabytes()
    result = {
        "frames": count,
        "pairs": len(pairs),
        "pairs_seconds": round(found - began, 2),
        "groups": groups,
        "join_seconds": round(joined - found, 2),
        "across_splits": len(across),
        "across_splits_seconds": round(ended - joined, 2),
        "peak_memory_mb": round(peak),
        "kilobytes_a_frame": round(1024 * peak / count, 2),
        "frames_alone_mb": round(before),
    }
    if count <= QUADRATIC:
        ended = CLOCK()
        within = all_pairs(hashes)
        result |= {"all_hashes_seconds": round(CLOCK() - ended, 2), "share_within_the_sieve": round(2 * within / count**2, 5)}
    return result


def main() -> None:
    if sys.argv[1:2] == ["measure"]:
        sys.stdout.write(json.dumps(measure(int(sys.argv[2]))))
        return
    results: list[dict[str, Any]] = []
    for count in sorted(map(int, arguments(__doc__) or ["10000", "100000"])):
        apart = subprocess.run([sys.executable, __file__, "measure", str(count)], check=True, capture_output=True, text=True)
        results.append(json.loads(apart.stdout))
        if len(results) > 1:
            last, this = results[-2:]
            growth = math.log(this["pairs_seconds"] / last["pairs_seconds"]) / math.log(this["frames"] / last["frames"])
            this["exponent"] = round(growth, 2)
    sys.stdout.write(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
