"""Divide HyperKvasir into two domains, as if they came from two sites: A.csv and B.csv, to be prepared one by one.

python tests/benchmarks/two_sites.py HYPERKVASIR OUT

A has the normal frames of the caecum, B those of the well-prepared bowel elsewhere; the groups of polyp frames go to either in
turn. Splits of the manifest stay, so what is normal and for training in one is never for the test in the other. The frames are
copied into OUT, as a manifest leads to no file outside of its folder.

For a run of the other site: A-forty.csv and B-forty.csv have one normal frame of each of 40 groups, at even steps, and
A-others.csv and B-others.csv all frames of the other groups.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pandas as pd

NORMAL = {"A": "normal-cecum", "B": "bbps-2-3"}
FORTY = 40


def main(source: Path, out: Path) -> None:
    table = pd.read_csv(source / "manifest.csv", keep_default_na=False)
    out.mkdir(parents=True, exist_ok=True)
    shutil.copytree(source, out / "frames", dirs_exist_ok=True)
    for column in ("file", "mask"):
        table[column] = [f"frames/{name}" if name else "" for name in table[column]]
    table["whole"] = table["group"].mask(table["group"] == "", table["file"])
    polyps = table["label"] == "abnormal"
    turns = pd.factorize(table["whole"])[0] % len(NORMAL)  # of the groups, in the order of the manifest
    for turn, (name, finding) in enumerate(NORMAL.items()):
        site = table[(table["finding"] == finding) | (polyps & (turns == turn))]
        firsts = site[site["finding"] == finding].drop_duplicates("whole")
        forty = firsts.iloc[[k * len(firsts) // FORTY for k in range(min(FORTY, len(firsts)))]]
        others = site[~site["whole"].isin(forty["whole"])]
        for part, rows in {name: site, f"{name}-forty": forty, f"{name}-others": others}.items():
            rows.drop(columns="whole").to_csv(out / f"{part}.csv", index=False)
            sys.stdout.write(f"{out / part}.csv: {len(rows)} frames\n")


if __name__ == "__main__":
    from usage import arguments

    words = arguments(__doc__)
    main(Path(words[0]), Path(words[1]))
