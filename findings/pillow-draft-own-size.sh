#!/usr/bin/env bash
# Pillow's draft() does not give the half of a JPEG with odd sides when it is asked for just that size; it decodes the whole.
#
# Library:  Pillow 13.0.0
# Expected: draft(mode, size) makes a JPEG decode at a half, quarter or eighth of its sides, as small as it can without falling below
#           the size that is asked for. Asked for the very size that the half has, it gives the half.
# Instead:  it divides the sides of the file by those asked for and cuts the quotient to a whole number, while the decoder rounds
#           sides up: 635 // 318 is 1, so that the whole picture is decoded. The half comes for one pixel less, at which it is
#           larger than what was asked for, and the quarter likewise.
# Seen:     a JPEG of 635 x 547
#             asked for 318 x 274: decoded 635 x 547
#             asked for 317 x 273: decoded 318 x 274
#             asked for 159 x 137: decoded 318 x 274
#             asked for 158 x 136: decoded 159 x 137
# Matters:  frames of endoscopy archives are often cropped to odd sizes. A loader that asks for the rounded-up half, or that reuses
#           the size it was given last time, silently decodes four times the pixels: right, but as slow as without draft().
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pillow==13.0.0
cd "$folder"
venv/bin/python - <<'PYTHON'
from io import BytesIO

import PIL.Image

file = BytesIO()
PIL.Image.linear_gradient("L").resize((635, 547)).convert("RGB").save(file, "JPEG")


def decoded(asked: tuple[int, int]) -> tuple[int, int]:
    file.seek(0)
    picture = PIL.Image.open(file)
    picture.draft("RGB", asked)
    picture.load()
    print("asked for {} x {}: decoded {} x {}".format(*asked, *picture.size))
    return picture.size


assert decoded((318, 274)) == (635, 547)
assert decoded((317, 273)) == (318, 274)
assert decoded((159, 137)) == (318, 274)
assert decoded((158, 136)) == (159, 137)
PYTHON
