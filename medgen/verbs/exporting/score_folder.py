"""Score crops by the graph beside this file, with ONNX Runtime and NumPy alone: python score_folder.py FOLDER > scores.csv

FOLDER is a prepared data set (frames.npy, valid.npy, index.csv), or holds crops as PNG, which Pillow reads: as large as the graph
takes them, transparent where they show no tissue. For research only, never for diagnosis.
"""

import csv
import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime

HERE, FOLDER = Path(__file__).parent, Path(sys.argv[1])
ABOUT, RULE = (json.loads((HERE / name).read_text(encoding="utf-8")) for name in ("graph.json", "threshold.json"))


def read() -> tuple:  # names, frames (N, S, S, C) uint8, valid (N, S, S) bool
    if (FOLDER / "shards").is_dir():
        sys.exit("a data set in shards is not read here; store it in one file, or score it by `medgen score`")
    if (FOLDER / "frames.npy").is_file():
        with (FOLDER / "index.csv").open(encoding="utf-8", newline="") as file:
            names = [row["path"] for row in csv.DictReader(file)]
        return names, np.load(FOLDER / "frames.npy", mmap_mode="r"), np.load(FOLDER / "valid.npy", mmap_mode="r")
    from PIL import Image

    paths = sorted(FOLDER.glob("*.png"))
    pixels = np.stack([np.asarray(Image.open(path).convert("LA" if ABOUT["channels"] == 1 else "RGBA")) for path in paths])
    return [path.name for path in paths], pixels[..., :-1], pixels[..., -1] > 0


if hashlib.sha256((HERE / ABOUT["file"]).read_bytes()).hexdigest() != ABOUT["digests"][ABOUT["file"]]:
    sys.exit(f"{ABOUT['file']} is not the file that was exported")
session = onnxruntime.InferenceSession(HERE / ABOUT["file"], providers=["CPUExecutionProvider"])
names, frames, valid = read()
shape, rows, found = ABOUT["inputs"]["frames"]["shape"], np.arange(len(names)), []
if frames.shape[1:] != tuple(shape[1:]):
    sys.exit(f"crops are {frames.shape[1:]}, expected {tuple(shape[1:])}; cut and resize them as graph.json says")
for start in range(0, len(names), shape[0]):
    part = np.resize(rows[start : start + shape[0]], shape[0])  # the last part is filled with frames that are not kept
    given = {"frames": frames[part], "valid": valid[part]}
    found.append(session.run(ABOUT["columns"], {name: given[name] for name in ABOUT["inputs"]}))
by_column = zip(ABOUT["columns"], zip(*found, strict=True), strict=True)
columns = {name: np.concatenate(parts)[: len(names)].astype(float) for name, parts in by_column}
seen = valid.mean(axis=(1, 2)) >= ABOUT["least_valid"] if "valid" in ABOUT["inputs"] else rows >= 0
for name in columns:
    columns[name][~seen] = np.nan  # too little tissue: no score
if RULE.get("value") is not None:
    columns["abnormal"] = np.where(seen, columns["score"] > RULE["value"], "")
csv.writer(sys.stdout).writerows([["path", *columns], *zip(names, *columns.values(), strict=True)])
