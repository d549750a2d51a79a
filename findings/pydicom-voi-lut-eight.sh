#!/usr/bin/env bash
# pydicom looks a 12-bit picture up in a VOI LUT of 8-bit entries by the low bytes of its values: the curve begins anew each 256 levels.
#
# Library:  pydicom 3.0.2
# Expected: a LUT of 4096 entries from 0 to 255 turns 0 to 4095 into 0 to 255, as NumPy's indexing does.
# Instead:  the place in the LUT is put into an array of the type of its entries; uint8 holds no more than 255, so that of 4096 entries the
#           first 256 are used, again and again. With entries of 10 to 16 bits the place fits.
# Seen:     stored 0, 255, 256, 1000, 2000, 4095: 0, 16, 0, 14, 13, 16 with 8 bits; by NumPy 0, 16, 16, 62, 125, 255;
#           with the same LUT in 12 bits 0, 255, 256, 1000, 2000, 4095, as by NumPy; apply_voi_lut the same as apply_voi
# Matters:  the standard allows 8 bits and 10 to 16, and a LUT that ends at what a screen shows has 8. Dense tissue comes out as dark
#           as fat, in bands, at a glance a windowed picture, and a training takes it for one.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pydicom==3.0.2 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import numpy as np
from pydicom.dataset import Dataset
from pydicom.pixels import apply_voi, apply_voi_lut

stored = np.array([[0, 255, 256, 1000, 2000, 4095]], np.uint16)


def looked_up(bits):
    table = np.linspace(0, 2**bits - 1, 4096).round().astype(int)
    item = Dataset()
    item.LUTDescriptor = [4096, 0, bits]
    item.add_new("LUTData", "US", table.tolist())
    picture = Dataset()
    picture.BitsAllocated, picture.BitsStored, picture.PixelRepresentation = 16, 12, 0
    picture.VOILUTSequence = [item]
    shown = apply_voi(stored, picture)
    assert np.array_equal(shown, apply_voi_lut(stored, picture))
    print(f"{bits} bits: pydicom {shown[0].tolist()}, numpy {table[stored][0].tolist()}")
    return shown, table[stored], table[stored % 256]


for bits in (10, 12, 16):
    shown, right, _ = looked_up(bits)
    assert np.array_equal(shown, right)
shown, right, low_bytes = looked_up(8)
assert np.array_equal(shown, low_bytes) and right.max() == 255 and shown.max() == 16
PYTHON
