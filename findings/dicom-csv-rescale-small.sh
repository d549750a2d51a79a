#!/usr/bin/env bash
# dicom-csv rescales in the smallest type that holds the slope: 40,000 counts become -25,536, and an ADC of 1.500 becomes 1.520.
#
# Library:  dicom-csv 0.5.1, with pydicom 3.0.2 and numpy 2.4.6
# Expected: `get_image` and `stack_images` give stored value * slope + intercept, as pydicom's apply_rescale does.
# Instead:  slope and intercept are put into numpy's smallest type that can hold them, a whole slope of 2 into 8 bits, a slope of 0.000001 into 16
#           bits of floating point, which have five steps between 0 and 0.0000003. The product has the type of the picture, and runs over.
# Seen:                                             dicom-csv   pydicom
#           int16, 20000 counts, slope 2               -25536     40000
#           uint8, 200, intercept 100                      44       300
#           uint16, ADC 1500, slope 0.000001          0.00152   0.00150
#           uint16, 30000, slope 0.00000002                 0    0.0006
# Matters:  whole slopes are common in nuclear medicine and phase pictures, small ones in parametric maps: the hottest lesion becomes the
#           coldest, and an ADC is off by as much as its slope happens to lie between two steps, in all cases of one scanner alike.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    dicom-csv==0.5.1 pydicom==3.0.2 pandas==3.1.1 tqdm==4.70.1 numpy==2.4.6
cd "$folder"
venv/bin/python -W ignore - <<'PYTHON'
import numpy as np
from dicom_csv import get_image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels import apply_rescale
from pydicom.uid import ExplicitVRLittleEndian


def picture(value, kind, slope, intercept):
    """Make a picture of one value."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    pixels = np.full((2, 2), value, kind)
    bits = 8 * pixels.itemsize
    ds.Rows, ds.Columns, ds.SamplesPerPixel, ds.PhotometricInterpretation = 2, 2, 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = bits, bits, bits - 1, int(kind == "int16")
    ds.PixelData = pixels.tobytes()
    ds.RescaleSlope, ds.RescaleIntercept = slope, intercept
    return ds


CASES = {
    ("counts", 20000, "int16", "2", "0"): (-25536, 40000),
    ("8 bits", 200, "uint8", "1", "100"): (44, 300),
    ("ADC", 1500, "uint16", "0.000001", "0"): (0.00152, 0.0015),
    ("small", 30000, "uint16", "0.00000002", "0"): (0, 0.0006),
}
for (name, *case), expected in CASES.items():
    ds = picture(*case)
    found = float(get_image(ds)[0, 0]), float(apply_rescale(ds.pixel_array, ds)[0, 0])
    print(f"{name}: dicom-csv {found[0]:g}, pydicom {found[1]:g}")
    np.testing.assert_allclose(found, expected, rtol=1e-4)
PYTHON
