#!/usr/bin/env bash
# DicomRTTool's masks are half a pixel larger than the contours on each side: a lesion of radius 5 mm has 27 % more volume.
#
# Library:  DicomRTTool 6.2.0, with SimpleITK 2.5.7, pydicom 3.0.2 and OpenCV 5.0
# Expected: a voxel belongs to a structure where its centre lies within the contour, and the volumes that `roi_volumes` gives are those that
#           were drawn, up to chance.
# Instead:  the points of a contour are rounded to whole pixels first, and OpenCV then fills what lies within and every pixel that the outline
#           touches. Holes lose the same rim, as they are taken away with it.
# Seen:     a ball of 524 mm3 in voxels of 1 mm; its contours hold 518 mm3 and the centres of 520 voxels; DicomRTTool's mask has 660 voxels,
#           `roi_volumes` 0.660 cm3; with a radius of 2.5 mm 65 mm3, and 113 voxels
# Matters:  the smaller a lesion the more is added: what is trained on is fatter than what was drawn, Dice against masks of other programs has
#           a ceiling, and dose and radiomics of the rim are those of the tissue around it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check DicomRTTool==6.2.0 \
    pydicom==3.0.2 SimpleITK==2.5.7 opencv-python-headless==5.0.0.93 matplotlib==3.11.2 numpy==2.4.6
cd "$folder"
venv/bin/python - 2>/dev/null <<'PYTHON'
import os

import numpy as np
from DicomRTTool.ReaderWriter import DicomReaderWriter
from matplotlib.path import Path
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, RTStructureSetStorage, generate_uid

SLICES, SIDE, CENTRE = 24, 40, np.array([19.3, 20.4, 12])
STUDY, FRAME, SERIES = generate_uid(), generate_uid(), generate_uid()
INSTANCES = [generate_uid() for _ in range(SLICES)]


def new(kind, modality, series, instance):
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID, ds.SOPInstanceUID, ds.Modality = kind, instance, modality
    ds.PatientName, ds.PatientID = "Phantom^", "1"
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.FrameOfReferenceUID = STUDY, series, FRAME
    return ds


def save_slices(folder):
    """Write the slices of a CT, voxels of 1 mm, the first at the origin."""
    for k in range(SLICES):
        ds = new(CTImageStorage, "CT", SERIES, INSTANCES[k])
        ds.InstanceNumber, ds.SliceThickness, ds.PixelSpacing = k + 1, 1, [1, 1]
        ds.ImageOrientationPatient, ds.ImagePositionPatient = [1, 0, 0, 0, 1, 0], [0, 0, k]
        ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.Rows, ds.Columns = 1, "MONOCHROME2", SIDE, SIDE
        ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 0
        ds.RescaleIntercept, ds.RescaleSlope, ds.PixelData = 0, 1, bytes(2 * SIDE * SIDE)
        ds.save_as(f"{folder}/{k}.dcm", enforce_file_format=True)


def save_contours(folder, contours):
    """Write one structure with a contour on each slice."""
    ds = new(RTStructureSetStorage, "RTSTRUCT", generate_uid(), generate_uid())
    roi, drawn, seen, frame, study, series = (Dataset() for _ in range(6))
    roi.ROINumber, roi.ROIName, roi.ReferencedFrameOfReferenceUID = 1, "lesion", FRAME
    drawn.ReferencedROINumber, drawn.ContourSequence, series.ContourImageSequence = 1, [], []
    for k, points in contours.items():
        item, image = Dataset(), Dataset()
        image.ReferencedSOPClassUID, image.ReferencedSOPInstanceUID = CTImageStorage, INSTANCES[k]
        item.ContourGeometricType, item.NumberOfContourPoints, item.ContourImageSequence = "CLOSED_PLANAR", len(points), [image]
        item.ContourData = [f"{value:.4f}" for x, y in points for value in (x, y, k)]
        drawn.ContourSequence.append(item)
        series.ContourImageSequence.append(image)
    seen.ObservationNumber, seen.ReferencedROINumber, seen.RTROIInterpretedType, seen.ROIInterpreter = 1, 1, "", ""
    study.ReferencedSOPClassUID, study.ReferencedSOPInstanceUID = "1.2.840.10008.3.1.2.3.1", STUDY
    series.SeriesInstanceUID, study.RTReferencedSeriesSequence = SERIES, [series]
    frame.FrameOfReferenceUID, frame.RTReferencedStudySequence = FRAME, [study]
    ds.StructureSetLabel, ds.StructureSetROISequence, ds.ROIContourSequence = "drawn", [roi], [drawn]
    ds.RTROIObservationsSequence, ds.ReferencedFrameOfReferenceSequence = [seen], [frame]
    ds.save_as(f"{folder}/contours.dcm", enforce_file_format=True)


angles = np.linspace(0, 2 * np.pi, 73)[:-1]
voxels = np.stack(np.meshgrid(np.arange(SIDE), np.arange(SIDE)), -1).reshape(-1, 2)
more = []
for radius in (5.0, 2.5):
    folder = f"ball{radius}"
    os.makedirs(folder)
    square = {k: radius**2 - (k - CENTRE[2]) ** 2 for k in range(SLICES)}
    contours = {
        k: CENTRE[:2] + np.sqrt(value) * np.stack([np.cos(angles), np.sin(angles)], 1) for k, value in square.items() if value > 0.2
    }
    drawn = sum(np.pi * square[k] for k in contours)
    centres = sum(int(Path(points).contains_points(voxels).sum()) for points in contours.values())
    save_slices(folder)
    save_contours(folder, contours)
    reader = DicomReaderWriter(arg_max=True, verbose=False, Contour_Names=["lesion"])
    reader.walk_through_folders(folder)
    reader.get_images_and_mask()
    found = int(reader.mask.sum())
    print(f"radius {radius} mm: ball {4 / 3 * np.pi * radius**3:.0f} mm3, contours {drawn:.0f} mm3, centres within them {centres}")
    print(f"  DicomRTTool's mask {found} voxels, its volume {reader.roi_volumes['lesion']:.3f} cm3")
    assert abs(centres / drawn - 1) < 0.1 and abs(reader.roi_volumes["lesion"] - found / 1000) < 1e-9
    more.append(found / drawn)
assert more[0] > 1.2 and more[1] > 1.4
PYTHON
