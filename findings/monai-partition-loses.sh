#!/usr/bin/env bash
# MONAI's split by ratios loses cases, or leaves folds empty: of 14 patients in ten equal parts 4 are in no part, of 15 the last two parts have none.
#
# Library:  monai 1.6.1, with torch 2.13.0
# Expected: partition_dataset(data, ratios=...) puts each case into one part, and parts of equal ratios differ by one case at most, as
#           num_partitions without ratios does it.
# Instead:  the size of each part is rounded by itself, and what the sizes do not reach is left out. Where all are rounded up the last parts get what
#           is left, or nothing. No warning.
# Seen:     100 cases, ratios 1, 1, 1: 33, 33, 33, one case lost; 14 cases, ten equal ratios: ten parts of 1, 4 lost; 15 cases: 2, 2, 2, 2, 2, 2,
#           2, 1, 0, 0; 12 cases, five: 2 each, 2 lost; with num_partitions: none lost, none empty
# Matters:  the cases at the end of the list are never trained with nor tested, which in a list by date or clinic are the same ones each time. With
#           shuffle and a seed it is the same patients in every run.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check monai==1.6.1 torch==2.13.0 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
from monai.data import partition_dataset


def sizes(cases, parts):
    split = partition_dataset(list(range(cases)), ratios=[1] * parts, shuffle=True, seed=0)
    seen = [len(part) for part in split]
    print(f"{cases} cases in {parts} equal parts: {seen}, {cases - sum(seen)} lost")
    whole = partition_dataset(list(range(cases)), num_partitions=parts, shuffle=True, seed=0)
    assert sum(map(len, whole)) == cases and min(map(len, whole)) >= cases // parts
    return seen, cases - sum(seen)


assert sizes(100, 3) == ([33] * 3, 1)
assert sizes(14, 10) == ([1] * 10, 4)
assert sizes(15, 10) == ([2] * 7 + [1, 0, 0], 0)
assert sizes(12, 5) == ([2] * 5, 2)
PYTHON
