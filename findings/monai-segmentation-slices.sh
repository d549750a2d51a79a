#!/usr/bin/env bash
# MONAI puts lesions of a DICOM segmentation into one another's slices, as it does not look where a frame lies.
#
# Libraries: MONAI 1.6.1 (torch 2.13.0) with pydicom 3.0.2; highdicom 0.28.2
# Expected:  a segmentation has a frame for each slice in which a segment is, with its position; empty ones may be left out, and
#            highdicom leaves them out unless told otherwise. Each frame comes into the slice of its position.
# Instead:   PydicomReader divides the number of frames by that of segments and calls the result slices. The frames of each segment
#            fill them from the first on, wherever they lie. The affine reaches from the first frame of the first segment to the last of the
#            last. (Where segments have different numbers of frames, reading ends in an error.)
# Seen:      six slices, 5 mm apart; one lesion in slices 0 and 1, one in slices 4 and 5
#              read by highdicom  heights of the lesions [[0, 5], [20, 25]] mm
#              read by MONAI      heights of the lesions [[5, 20], [5, 20]] mm, 2 slices
# Matters:   two lesions at different places overlap in the ground truth that a network is trained on and measured by, at heights
#            where there is none, and the mask does not fit the picture. Nothing says so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    monai==1.6.1 torch==2.13.0 pydicom==3.0.2 highdicom==0.28.2 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import warnings

import highdicom
import numpy as np
import pydicom
from monai.transforms import LoadImage
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sr.codedict import codes
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


def save_segments(path, mask, labels, slices):
    """Write a mask (slices, rows, columns, segments) as highdicom does it if nothing else is said."""
    described = [
        highdicom.seg.SegmentDescription(
            segment_number=number,
            segment_label=label,
            segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
            segmented_property_type=codes.SCT.Lesion,
            algorithm_type="MANUAL",
        )
        for number, label in enumerate(labels, 1)
    ]
    highdicom.seg.Segmentation(
        source_images=slices,
        pixel_array=mask,
        segmentation_type="BINARY",
        segment_descriptions=described,
        series_instance_uid=generate_uid(),
        series_number=2,
        sop_instance_uid=generate_uid(),
        instance_number=1,
        manufacturer="any",
        manufacturer_model_name="any",
        software_versions="1",
        device_serial_number="1",
    ).save_as(path)


series, slices = generate_uid(), []
for k in range(6):
    save_slice(f"{k}.dcm", k + 1, [0, 0, 5 * k], series)
    slices.append(pydicom.dcmread(f"{k}.dcm"))
mask = np.zeros((6, 4, 6, 2), np.uint8)
mask[0:2, 1, 1, 0] = 1
mask[4:6, 2, 3, 1] = 1
save_segments("a.dcm", mask, ["first", "second"], slices)

read = highdicom.seg.segread("a.dcm").get_volume()
expected, found = [], []
image = LoadImage(image_only=True)("a.dcm")
for segment in range(2):
    voxels = np.argwhere(read.array[..., segment])
    heights = (read.affine @ np.c_[voxels, np.ones(len(voxels))].T)[2]
    expected.append(sorted(int(height) for height in heights))
    voxels = np.argwhere(image.numpy()[..., segment])
    heights = (image.affine.numpy() @ np.c_[voxels, np.ones(len(voxels))].T)[2]
    found.append(sorted(int(height) for height in heights))
print(f"read by highdicom  heights of the lesions {expected} mm")
print(f"read by MONAI      heights of the lesions {found} mm, {image.shape[2]} slices")
assert expected == [[0, 5], [20, 25]]
assert found == [[5, 20], [5, 20]] and image.shape[2] == 2
PYTHON
