#!/usr/bin/env bash
# DicomRTTool looks for the slice of a contour by its height in the body: all contours of a sagittal series go into its first slice.
#
# Library:  DicomRTTool 6.2.0, with SimpleITK 2.5.7 and pydicom 3.0.2
# Expected: a contour lies in the plane of the slice that it was drawn on (and that it names), whichever way the series was taken.
# Instead:  since it allows for unequal distances of slices, DicomRTTool takes the slice whose third coordinate is nearest to that of the
#           contour's points. It is the same for all slices of a sagittal or coronal series, and runs through one slice of a tilted one.
# Seen:     a ball of 524 mm3 in voxels of 1 mm, on 9 slices of an MR series; voxels of the mask that lie in it or next to it
#             axial                  660 of 660, on slices 8 to 16
#             sagittal               0 of 98, on slice 0
#             tilted by 20 degrees   134 of 660, on slices 15 to 23
# Matters:  MR series are mostly sagittal, coronal or tilted. No warning is given, and the volumes that `roi_volumes` has are of such masks.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check DicomRTTool==6.2.0 \
    pydicom==3.0.2 SimpleITK==2.5.7 opencv-python-headless==5.0.0.93 pandas==3.1.1 scikit-image==0.26.0 scipy==1.17.1 numpy==2.4.6
cd "$folder"
venv/bin/python - 2>/dev/null <<'PYTHON'
import os

import numpy as np
from DicomRTTool.ReaderWriter import DicomReaderWriter
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, RTStructureSetStorage, generate_uid

SLICES, SIDE, RADIUS, CENTRE = 24, 40, 5.0, np.array([19.3, 20.4, 12])  # column, row and slice


def new(kind, modality, uids, series, instance):
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID, ds.SOPInstanceUID, ds.Modality = kind, instance, modality
    ds.PatientName, ds.PatientID = "Phantom^", "1"
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.FrameOfReferenceUID = uids["study"], series, uids["frame"]
    return ds


def write(folder, axes):
    """Write a series and a ball drawn on its slices; the columns of `axes` are the directions of columns, rows and slices in the body."""
    uids = {name: generate_uid() for name in ("study", "frame", "series")}
    instances = [generate_uid() for _ in range(SLICES)]
    for k in range(SLICES):
        ds = new(MRImageStorage, "MR", uids, uids["series"], instances[k])
        ds.InstanceNumber, ds.SliceThickness, ds.PixelSpacing = k + 1, 1, [1, 1]
        ds.ImageOrientationPatient = [f"{value:.6f}" for value in axes.T[:2].ravel()]
        ds.ImagePositionPatient = [f"{value:.6f}" for value in axes @ [0, 0, k]]
        ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.Rows, ds.Columns = 1, "MONOCHROME2", SIDE, SIDE
        ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 0
        ds.PixelData = bytes(2 * SIDE * SIDE)
        ds.save_as(f"{folder}/{k}.dcm", enforce_file_format=True)
    ds = new(RTStructureSetStorage, "RTSTRUCT", uids, generate_uid(), generate_uid())
    roi, drawn, seen, frame, study, series = (Dataset() for _ in range(6))
    roi.ROINumber, roi.ROIName, roi.ReferencedFrameOfReferenceUID = 1, "lesion", uids["frame"]
    drawn.ReferencedROINumber, drawn.ContourSequence, series.ContourImageSequence = 1, [], []
    angles = np.linspace(0, 2 * np.pi, 73)[:-1]
    for k in range(SLICES):
        square = RADIUS**2 - (k - CENTRE[2]) ** 2
        if square <= 0.2:
            continue
        circle = CENTRE[:2] + np.sqrt(square) * np.stack([np.cos(angles), np.sin(angles)], 1)
        item, image = Dataset(), Dataset()
        image.ReferencedSOPClassUID, image.ReferencedSOPInstanceUID = MRImageStorage, instances[k]
        item.ContourGeometricType, item.NumberOfContourPoints, item.ContourImageSequence = "CLOSED_PLANAR", len(circle), [image]
        item.ContourData = [f"{value:.4f}" for x, y in circle for value in axes @ [x, y, k]]
        drawn.ContourSequence.append(item)
        series.ContourImageSequence.append(image)
    seen.ObservationNumber, seen.ReferencedROINumber, seen.RTROIInterpretedType, seen.ROIInterpreter = 1, 1, "", ""
    study.ReferencedSOPClassUID, study.ReferencedSOPInstanceUID = "1.2.840.10008.3.1.2.3.1", uids["study"]
    series.SeriesInstanceUID, study.RTReferencedSeriesSequence = uids["series"], [series]
    frame.FrameOfReferenceUID, frame.RTReferencedStudySequence = uids["frame"], [study]
    ds.StructureSetLabel, ds.StructureSetROISequence, ds.ROIContourSequence = "drawn", [roi], [drawn]
    ds.RTROIObservationsSequence, ds.ReferencedFrameOfReferenceSequence = [seen], [frame]
    ds.save_as(f"{folder}/contours.dcm", enforce_file_format=True)


sine, cosine = np.sin(np.radians(20)), np.cos(np.radians(20))
turns = {
    "axial": np.eye(3),
    "sagittal": np.array([[0, 0, 1], [1, 0, 0], [0, -1, 0]]),
    "tilted": np.array([[1, 0, 0], [0, cosine, -sine], [0, sine, cosine]]),
}
right = {}
for name, axes in turns.items():
    os.makedirs(name)
    write(name, axes)
    reader = DicomReaderWriter(arg_max=True, verbose=False, Contour_Names=["lesion"])
    reader.walk_through_folders(name)
    reader.get_images_and_mask()
    voxels = np.argwhere(reader.mask)[:, ::-1]  # column, row and slice
    places = [reader.dicom_handle.TransformIndexToPhysicalPoint([int(value) for value in voxel]) for voxel in voxels]
    apart = np.linalg.norm(np.array(places) - axes @ CENTRE, axis=1)
    right[name] = int((apart < RADIUS + 1).sum()), len(voxels)
    print(f"{name}: {right[name][0]} of {right[name][1]} voxels in the ball or next to it, on slices {voxels[:, 2].min()} to "
          f"{voxels[:, 2].max()}, volume {reader.roi_volumes['lesion']:.3f} cm3")
assert right["axial"][0] == right["axial"][1] > 500
assert right["sagittal"][0] == 0 and right["tilted"][0] < 0.9 * right["tilted"][1]
PYTHON
