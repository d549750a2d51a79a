"""Divide HyperKvasir into two domains, as if they came from two sites: A.csv and B.csv, to be prepared one by one.

python tests/benchmarks/two_sites.py HYPERKVASIR OUT

A has the normal frames of the caecum, B those of the well-prepared bowel elsewhere; the groups of polyp frames go to either in
turn. Splits of the manifest stay, so what is normal and for training in one is never for the test in the other. The frames are
copied into OUT, as a manifest leads to no file outside of its folder.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pandas as pd

NORMAL = {"A": "normal-cecum", "B": "bbps-2-3"}


def main(source: Path, out: Path) -> None:
    table = pd.read_csv(source / "manifest.csv", keep_default_na=False)
    out.mkdir(parents=True, exist_ok=True)
    shutil.copytree(source, out / "frames", dirs_exist_ok=True)
    for column in ("file", "mask"):
        table[column] = [f"frames/{name}" if name else "" for name in table[column]]
    polyps = table["label"] == "abnormal"
    place = pd.factorize(table["group"].mask(table["group"] == "", table["file"]))[
        0
    ]  # of the group, in the order of the manifest
    for turn, (name, finding) in enumerate(NORMAL.items()):
        chosen = (table["finding"] == finding) | (polyps & (place % len(NORMAL) == turn))
        table[chosen].to_csv(out / f"{name}.csv", index=False)
        sys.stdout.write(f"{out / name}.csv: {chosen.sum()} frames\n")


if __name__ == "__main__":
    from usage import arguments

    words = arguments(__doc__)
    main(Path(words[0]), Path(words[1]))
