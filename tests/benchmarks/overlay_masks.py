"""What overlay still tells the classes apart under each way of masking?

python tests/benchmarks/overlay_masks.py DS

DS is a prepared data set. For each trait of the overlay that can be seen in the test frames as a model is given them, unmasked,
each with its own mask, and with the common one, the AUROC of the trait alone (direction-free). Under "mask" the mask itself is
seen, too.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from medgen.data.common_mask import common_mask, with_common_mask
from medgen.data.prepared import open_prepared
from medgen.data.shortcut_features import overlay_traits
from medgen.metrics.detection import auroc


def main(folder: Path) -> None:
    data = open_prepared(folder)
    mask, rows = common_mask(data), data.rows("test")
    labels = (data.index["label"].iloc[rows] == "abnormal").to_numpy().astype(int)
    shown = with_common_mask(data, mask)
    whole = np.ones_like(mask)
    views = {
        "keep": [(frame, whole) for frame in data.frames[rows]],
        "mask": [(frame * seen[..., None], seen) for frame, seen in zip(data.frames[rows], data.valid[rows], strict=True)],
        "common": [(frame, mask) for frame in shown.frames[rows]],
    }
    result: dict[str, object] = {"normal": int((labels == 0).sum()), "abnormal": int(labels.sum()), "shown": float(mask.mean())}
    for name, frames in views.items():
        table = pd.DataFrame([overlay_traits(frame, seen) for frame, seen in frames])
        areas = {trait: float(auroc(labels, table[trait].fillna(-1))) for trait in table}
        result[name] = {trait: max(area, 1 - area) for trait, area in areas.items()}
    sys.stdout.write(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    from usage import arguments

    words = arguments(__doc__)
    main(Path(words[0]))
