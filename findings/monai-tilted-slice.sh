#!/usr/bin/env bash
# MONAI measures the pixels of a single DICOM slice by their shadow on the axial plane: 2 mm become 1.73 in a slice tilted by 30 degrees.
#
# Libraries: MONAI 1.6.1 (torch 2.13.0) with pydicom 3.0.2; SimpleITK 2.5.7
# Expected:  PixelSpacing holds the millimetres from pixel to pixel within the slice, however the slice lies in the body. Spacing
#            resamples a slice of 4 rows at 2 mm to 7 rows at 1 mm.
# Instead:   of a single slice the two-dimensional affine is what is left of the three-dimensional one without the direction from feet
#            to head, so that what the rows climb does not count. Of a coronal or sagittal slice nothing is left of one direction:
#            pixdim says 1 mm, and Spacing ends in an error.
# Seen:      millimetres from row to row, and rows after Spacing to 1 mm
#              0 degrees   MONAI 2.0, 7 rows   SimpleITK 2.0
#              30 degrees  MONAI 1.73, 6 rows  SimpleITK 2.0
#              60 degrees  MONAI 1.0, 4 rows   SimpleITK 2.0
#              90 degrees  MONAI 1.0, error    SimpleITK 2.0
# Matters:   gantry tilt, short-axis views of the heart and angled MR are read slice by slice by every 2D pipeline. Anatomy is squeezed
#            along the rows by as much as the slice is tilted, and lengths and areas in mm are wrong, without a warning.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    monai==1.6.1 torch==2.13.0 pydicom==3.0.2 SimpleITK==2.5.7 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import warnings

import numpy as np
import SimpleITK as sitk
from monai.transforms import LoadImage, Spacing
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

warnings.filterwarnings("ignore", "NvImgCodec")  # an optional decoder that is not installed
STUDY, FRAME = generate_uid(), generate_uid()


def save_slice(path, number, position, series, value=0, orientation=(1, 0, 0, 0, 1, 0)):
    """Write a CT slice of 4 rows and 6 columns, 2 mm from row to row and 1 mm from column to column."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID, ds.SOPInstanceUID = CTImageStorage, generate_uid()
    ds.PatientName, ds.PatientID, ds.PatientBirthDate, ds.PatientSex = "Phantom^", "1", "", ""
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.FrameOfReferenceUID = STUDY, series, FRAME
    ds.StudyID, ds.StudyDate, ds.StudyTime, ds.AccessionNumber, ds.ReferringPhysicianName = "1", "", "", "", ""
    ds.Modality, ds.Manufacturer, ds.PositionReferenceIndicator = "CT", "", ""
    ds.SeriesNumber, ds.InstanceNumber = 1, number
    ds.ImageOrientationPatient, ds.ImagePositionPatient = list(orientation), position
    ds.PixelSpacing, ds.SliceThickness = [2, 1], 5
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.Rows, ds.Columns = 1, "MONOCHROME2", 4, 6
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 0
    ds.PixelData = np.full((4, 6), value, np.uint16).tobytes()
    ds.save_as(path, enforce_file_format=True)


SEEN = {0: (2.0, 7), 30: (1.73, 6), 60: (1.0, 4), 90: (1.0, None)}
for degrees, expected in SEEN.items():
    tilt = np.radians(degrees)
    down = [0, round(float(np.cos(tilt)), 6), round(float(np.sin(tilt)), 6)]
    save_slice("a.dcm", 1, [0, 0, 0], generate_uid(), orientation=(1, 0, 0, *down))
    image = LoadImage(image_only=True, ensure_channel_first=True)("a.dcm")
    millimetres = round(float(image.pixdim[1]), 2)
    try:
        rows = Spacing(pixdim=(1.0, 1.0))(image).shape[2]
    except np.linalg.LinAlgError:
        rows = None
    itk = round(sitk.ReadImage("a.dcm").GetSpacing()[1], 2)
    said = f"{rows} rows" if rows else "error"
    print(f"{degrees:2} degrees  MONAI {millimetres}, {said}   SimpleITK {itk}")
    assert (millimetres, rows) == expected and itk == 2.0
PYTHON
