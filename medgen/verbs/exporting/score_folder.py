"""Score crops by the graph beside this file, with ONNX Runtime and NumPy alone: python score_folder.py FOLDER > scores.csv

FOLDER is a prepared data set (frames.npy, valid.npy, index.csv), or holds crops as PNG of 8 bits, which Pillow reads: as large as
the graph takes them, transparent where they show no tissue. What else it holds is named and left out.
For research only, never for diagnosis.
"""

import csv
import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime

HERE, FOLDER = Path(__file__).parent, Path(sys.argv[1] if len(sys.argv) == 2 else sys.exit(__doc__))
ABOUT, RULE = (json.loads((HERE / name).read_text(encoding="utf-8")) for name in ("graph.json", "threshold.json"))
AT_ONCE, *CROP = ABOUT["inputs"]["frames"]["shape"]  # how many frames, and S, S, C of each

if hashlib.sha256((HERE / ABOUT["file"]).read_bytes()).hexdigest() != ABOUT["digests"][ABOUT["file"]]:
    sys.exit(f"{ABOUT['file']} is not the file that was exported")
if (FOLDER / "frames.npy").is_file():
    with (FOLDER / "index.csv").open(encoding="utf-8", newline="") as file:
        names = [row["path"] for row in sorted(csv.DictReader(file), key=lambda row: int(row.get("row", 0)))]
    given = {name: np.load(FOLDER / f"{name}.npy", mmap_mode="r") for name in ("frames", "valid")}  # (N, S, S, C), (N, S, S)
else:
    from PIL import Image

    crops = {}
    for path in sorted(FOLDER.glob("*")):
        try:
            with Image.open(path, formats=["PNG"]) as picture:
                if [*picture.size] != CROP[:2] or "16" in str(picture.tile[0][3]):  # how samples are stored, such as "I;16B"
                    raise ValueError(f"expected {CROP[:2]} pixels of 8 bits, cut and resized as graph.json says")
                crops[path.name] = np.asarray(picture.convert("LA" if CROP[2] == 1 else "RGBA"))
        except (OSError, SyntaxError, ValueError) as error:
            sys.stderr.write(f"left out: {path.name}: {error}\n")
    pixels = np.stack([*crops.values()] or sys.exit(f"{FOLDER} has no crops and no frames.npy; `medgen score` takes raw frames"))
    names, given = [*crops], {"frames": pixels[..., :-1], "valid": pixels[..., -1] > 0}

if [*given["frames"].shape] != [len(names), *CROP]:
    sys.exit(f"frames.npy is {given['frames'].shape}, expected {(len(names), *CROP)}; cut and resize them as graph.json says")
seen = np.mean(given["valid"], axis=(1, 2)) >= (ABOUT["least_valid"] if "valid" in ABOUT["inputs"] else 0)  # enough tissue
rows, columns = np.flatnonzero(seen), {name: np.full(len(names), np.nan) for name in ABOUT["columns"]}
session = onnxruntime.InferenceSession(HERE / ABOUT["file"], providers=["CPUExecutionProvider"])
for part in (np.resize(rows[start : start + AT_ONCE], AT_ONCE) for start in range(0, len(rows), AT_ONCE)):  # the last one repeats
    for name, values in zip(columns, session.run([*columns], {key: given[key][part] for key in ABOUT["inputs"]}), strict=True):
        columns[name][part] = values
if RULE.get("value") is not None:
    columns["abnormal"] = np.where(seen, columns["score"] > RULE["value"], "")
csv.writer(sys.stdout).writerows([["path", *columns], *zip(names, *columns.values(), strict=True)])
