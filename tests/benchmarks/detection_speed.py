"""Speed and memory of the detection measures on generated scores and maps.

python tests/benchmarks/detection_speed.py [MAPS]

Prints as JSON: the seconds of one core that a bootstrap by group of the AUROC takes, 2,000 draws of 10,000 frames, with each
frame its own group and with groups of ten; the seconds of one AUROC, ours and scikit-learn's, and how far the two are apart; the
seconds that the pixel figures take for 1,000 maps of 256 x 256, of MAPS (1,000) fed in blocks of 16, and the peak memory of that
process, making the maps included in the memory and not in the time.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np
from memory_use import peak_megabytes
from sklearn.metrics import roc_auc_score
from usage import arguments

from medgen.metrics.detection import auroc, bootstrap
from medgen.metrics.pixel import PixelHistogram

FRAMES, DRAWS, BLOCK, SIDE = 10_000, 2000, 16, 256


def seconds(work: Callable[[], object]) -> float:
    """Return the processor seconds that the work takes, best of three."""
    taken = []
    for _ in range(3):
        start = time.process_time()
        work()
        taken.append(time.process_time() - start)
    return round(min(taken), 4)


def detection() -> dict[str, float]:
    generator = np.random.default_rng(0)
    labels = np.repeat([0, 1], FRAMES // 2)
    scores = generator.normal(size=FRAMES) + labels
    alone, together = np.arange(FRAMES), np.arange(FRAMES) // 10
    return {
        "frames": FRAMES,
        "draws": DRAWS,
        "bootstrap_seconds": seconds(lambda: bootstrap(auroc, labels, scores, alone, DRAWS)),
        "bootstrap_seconds_groups_of_ten": seconds(lambda: bootstrap(auroc, labels, scores, together, DRAWS)),
        "auroc_seconds": seconds(lambda: auroc(labels, scores)),
        "scikit_learn_auroc_seconds": seconds(lambda: roc_auc_score(labels, scores)),
        "difference_of_auroc": abs(float(auroc(labels, scores)) - float(roc_auc_score(labels, scores))),
    }


def pixels(count: int) -> dict[str, float]:
    generator = np.random.default_rng(0)
    histogram, taken = PixelHistogram(threshold=4.0), 0.0
    for start in range(0, count, BLOCK):
        masks = np.zeros((min(BLOCK, count - start), SIDE, SIDE), bool)
        masks[::2, 60:120, 80:150] = masks[::4, 200:220, 10:40] = True
        maps = generator.standard_gamma(2, masks.shape, dtype=np.float32) * (1 + masks)
        begin = time.process_time()
        histogram.update(maps, masks, np.ones_like(masks))
        taken += time.process_time() - begin
    begin = time.process_time()
    figures = histogram.compute()
    return {
        "maps": count,
        "seconds_per_1000_maps": round(taken / count * 1000, 3),
        "seconds_at_the_end": round(time.process_time() - begin, 3),
        "peak_memory_mb": round(peak_megabytes()),
        "error_bound": figures["error_bound"],
    }


def main() -> None:
    if sys.argv[1:2] == ["pixels"]:
        sys.stdout.write(json.dumps(pixels(int(sys.argv[2]))))
        return
    count = (*arguments(__doc__), "1000")[0]
    apart = subprocess.run([sys.executable, __file__, "pixels", count], check=True, capture_output=True, text=True)
    sys.stdout.write(json.dumps({"detection": detection(), "pixels": json.loads(apart.stdout)}, indent=1) + "\n")


if __name__ == "__main__":
    main()
