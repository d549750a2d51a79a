#!/usr/bin/env bash
# confidenceinterval's report asked for 99 % has intervals of 95 % for precision and recall beside those of 99 % for F1.
#
# Library:  confidenceinterval 1.0.5, with scikit-learn 1.9.1 and statsmodels 0.15.0
# Expected: `classification_report_with_ci(..., confidence_level=0.99)` states every interval at 99 %, as one parameter "the confidence
#           level" says.
# Instead:  only F1 of a single class is told of the level; precision, recall and all rows of averages stay at 95 %, and no heading says so.
# Seen:     200 cases, 99 % asked for: F1 of the finding 0.663 to 0.896, as at 99 %; its recall 0.646 to 0.856, as at 95 % (99 %: 0.604 to 0.876)
# Matters:  the table goes into a paper as one of 99 %: its sensitivities are stated as surer than they are, in the same row as an F1 that is not.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check confidenceinterval==1.0.5 scikit-learn==1.9.1 statsmodels==0.15.0 numpy==2.4.6 scipy==1.17.1 pandas==3.1.1
cd "$folder"
venv/bin/python - <<'PYTHON'
import numpy as np
from confidenceinterval import classification_report_with_ci
from confidenceinterval import f1_score, precision_score, recall_score

truth = np.repeat([0, 1], [140, 60]).tolist()
answers = np.repeat([0, 1, 0, 1], [128, 12, 14, 46]).tolist()
report = classification_report_with_ci(truth, answers, confidence_level=0.99).set_index("Class")
print(report.to_string())
same = {}
for column, measure in (("Precision CI", precision_score), ("Recall CI", recall_score), ("F1-Score CI", f1_score)):
    method = {} if measure is f1_score else {"method": "wilson"}
    for level in (0.95, 0.99):
        _, interval = measure(truth, answers, confidence_level=level, average="binary", **method)
        same[column, level] = np.allclose(report.loc["Class 1", column], interval, atol=6e-4)
        print(f"{column} of class 1 at {level:.0%}: {interval[0]:.3f} to {interval[1]:.3f}, in the report: {same[column, level]}")
assert same == {
    ("Precision CI", 0.95): True, ("Precision CI", 0.99): False,
    ("Recall CI", 0.95): True, ("Recall CI", 0.99): False,
    ("F1-Score CI", 0.95): False, ("F1-Score CI", 0.99): True,
}  # fmt: skip
_, macro = recall_score(truth, answers, confidence_level=0.95, average="macro")
assert np.allclose(report.loc["macro", "Recall CI"], macro, atol=6e-4)
PYTHON
