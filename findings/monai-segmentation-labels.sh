#!/usr/bin/env bash
# MONAI drops all segments of a DICOM segmentation but the last of those that have the same label.
#
# Libraries: MONAI 1.6.1 (torch 2.13.0) with pydicom 3.0.2; highdicom 0.28.2
# Expected:  segments are told apart by their numbers. Two that are both labelled "lesion" are two channels, or one in which both are.
# Instead:   PydicomReader takes the label, or the description where there is one, for the channel, and writes each segment over the one
#            before it. Of two channels the first holds the last segment, and the second holds nothing.
# Seen:      two segments of two voxels each, voxels in each channel
#              labels first, second   MONAI [2, 2]   highdicom [2, 2]
#              labels lesion, lesion  MONAI [2, 0]   highdicom [2, 2]
# Matters:   labels are free text, and lesions of one kind are often labelled alike. All of them but one vanish from the ground truth, and
#            marks that are right count as false alarms.
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

for labels, seen in ((["first", "second"], [2, 2]), (["lesion", "lesion"], [2, 0])):
    save_segments("a.dcm", mask, labels, slices)
    monai = LoadImage(image_only=True)("a.dcm").numpy()
    read = highdicom.seg.segread("a.dcm").get_volume().array
    found, expected = (volume.sum(axis=(0, 1, 2)).astype(int).tolist() for volume in (monai, read))
    print(f"labels {', '.join(labels):14}  MONAI {found}   highdicom {expected}")
    assert found == seen and expected == [2, 2]
    if labels[0] == "lesion":
        assert np.argwhere(monai[..., 0])[:, :2].tolist() == [[3, 2], [3, 2]]  # the voxels of the second
PYTHON
