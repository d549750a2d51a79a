#!/usr/bin/env bash
# Scores of a net change sides at their own threshold when they go through a CSV file.
#
# Library:  pandas 3.1.1, NumPy 2.4.6
# Expected: a column of float32 scores, written with to_csv and read with read_csv, decides as before at a threshold that is one of
#           the scores: pandas writes enough digits to tell any two float32 apart, and reads them exactly.
# Instead:  the digits are those of the shortest float32, and come back as the nearest float64, which is above or below the value
#           that the float32 had. Cast back to float32 all scores are right, compared as they are hardly any is. No warning.
# Seen:     read back as float64; equal to what was written: 0 of 1000, as float32: 1000 of 1000
#           thresholds (one at each score) at which the number of flagged frames changes: 514 of 1000
# Matters:  a conformal threshold is a score of a calibration frame, kept exactly in JSON. That frame, and test frames that tie with
#           it, are flagged or not depending on whether the scores come from memory or from disk. Scores written as float64 stay.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pandas==3.1.1 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import warnings

import numpy as np
import pandas as pd

warnings.simplefilter("error")
scores = np.random.default_rng(0).gamma(2.0, 0.01, 1000).astype(np.float32)
pd.DataFrame({"score": scores}).to_csv("scores.csv", index=False)
back = pd.read_csv("scores.csv")["score"].to_numpy()
same, same32 = int((back == scores).sum()), int((back.astype(np.float32) == scores).sum())
changed = sum(int((scores.astype(np.float64) > limit).sum()) != int((back > limit).sum()) for limit in map(float, scores))
print(f"read back as {back.dtype}; equal to what was written: {same} of 1000, as float32: {same32} of 1000")
print(f"thresholds (one at each score) at which the number of flagged frames changes: {changed} of 1000")
assert (str(back.dtype), same32) == ("float64", 1000) and same < 10 and changed > 400

pd.DataFrame({"score": scores.astype(np.float64)}).to_csv("scores.csv", index=False)
assert (pd.read_csv("scores.csv")["score"].to_numpy() == scores).all()
PYTHON
