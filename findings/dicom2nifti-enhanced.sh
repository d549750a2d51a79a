#!/usr/bin/env bash
# dicom2nifti writes an enhanced CT 1024 HU too high where its rescale is said once for all frames, and upside down where frames go down.
#
# Library:  dicom2nifti 2.6.2, with pydicom 3.0.2 and nibabel 5.4.2
# Expected: what the shared functional groups say holds for each frame, as what a frame says itself. A frame lies where its own position is, in
#           whatever order frames are stored; InStackPositionNumber may count the other way.
# Instead:  the rescale is looked for in the frame alone, and left out if it is not there. Frames are put in the order of InStackPositionNumber, while
#           the affine goes from the first stored frame to the last one.
# Seen:     5 slices from feet to head, of -24, -14, -4, 6 and 16 HU
#             rescale in each frame, stored upwards        -24  -14   -4    6   16
#             rescale shared                              1000 1010 1020 1030 1040
#             rescale in each frame, stored downwards       16    6   -4  -14  -24
# Matters:  scanners write what is the same for all frames once, as the standard has it. Lungs are no longer air to a threshold in HU; a
#           finding of the upper lobe lies in the lower one, and a mask drawn on the NIfTI file does not fit the DICOM file.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pydicom==3.0.2 nibabel==5.4.2 scipy==1.17.1 numpy==2.4.6
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps dicom2nifti==2.6.2  # gdcm is for compressed files
cd "$folder"
venv/bin/python -W ignore - <<'PYTHON'
import os

import dicom2nifti
import nibabel as nib
import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import EnhancedCTImageStorage, ExplicitVRLittleEndian, generate_uid

SLICES, GAP = 5, 5.0  # mm


def item(**tags):
    ds = Dataset()
    for name, value in tags.items():
        setattr(ds, name, value)
    return ds


def save(folder, shared, downwards):
    """Write a CT whose slices have 1000, 1010, ... stored, that is -24, -14, ... HU, from feet to head."""
    rescale = [item(RescaleSlope=1, RescaleIntercept=-1024, RescaleType="HU")]
    ds = item(SOPClassUID=EnhancedCTImageStorage, SOPInstanceUID=generate_uid(), SeriesInstanceUID=generate_uid(), Modality="CT", InstanceNumber=1)
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID, ds.file_meta.MediaStorageSOPClassUID = ExplicitVRLittleEndian, EnhancedCTImageStorage
    measures = [item(PixelSpacing=[1, 1], SliceThickness=GAP)]
    ds.SharedFunctionalGroupsSequence = [item(PixelMeasuresSequence=measures, PlaneOrientationSequence=[item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])])]
    if shared:
        ds.SharedFunctionalGroupsSequence[0].PixelValueTransformationSequence = rescale
    order = range(SLICES)[:: -1 if downwards else 1]
    ds.PerFrameFunctionalGroupsSequence = []
    for k in order:
        content = [item(StackID="1", InStackPositionNumber=k + 1)]
        frame = item(FrameContentSequence=content, PlanePositionSequence=[item(ImagePositionPatient=[0, 0, GAP * k])])
        if not shared:
            frame.PixelValueTransformationSequence = rescale
        ds.PerFrameFunctionalGroupsSequence.append(frame)
    ds.NumberOfFrames, ds.Rows, ds.Columns, ds.SamplesPerPixel, ds.PhotometricInterpretation = SLICES, 8, 8, 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 1
    pixels = np.stack([np.full((8, 8), 1000 + 10 * k, np.int16) for k in order])
    pixels[:, 0] = 0  # a row of air
    ds.PixelData = pixels.tobytes()
    os.makedirs(folder)
    ds.save_as(f"{folder}/ct.dcm", enforce_file_format=True)


upwards = [-24, -14, -4, 6, 16]
for name, shared, downwards, expected in (
    ("each frame, stored upwards", False, False, upwards),
    ("shared, stored upwards", True, False, [value + 1024 for value in upwards]),
    ("each frame, stored downwards", False, True, upwards[::-1]),
):
    save(name, shared, downwards)
    dicom2nifti.dicom_series_to_nifti(name, f"./{name}.nii")
    image = nib.load(f"{name}.nii")
    places = [np.linalg.inv(image.affine) @ (-3, -3, GAP * k, 1) for k in range(SLICES)]  # in mm to the right, front and head
    found = [int(image.get_fdata()[tuple(int(round(x)) for x in place[:3])]) for place in places]
    print(f"{name}: {found}")
    assert found == expected
PYTHON
