#!/usr/bin/env bash
# pydicom-seg takes the thickness of slices for their distance: of a segmentation on overlapping slices every other one is overwritten.
#
# Library:  pydicom-seg 0.4.1, with pydicom 2.4.5
# Expected: each frame of a DICOM segmentation has its place, and is read to it. Slices of 5 mm every 2.5 mm are common in CT, and the distance
#           between slices is not there in a CT image for a segmentation to take over.
# Instead:  without SpacingBetweenSlices the thickness is used for it; two frames fall into one slice, and the later one is what is left.
# Seen:     12 frames 2.5 mm apart, 5 mm thick; a segment with 16 pixels on slices 0, 2, 4 ..., another on 1, 3, 5 ..., 96 voxels each
#             read: 7 slices of 5 mm, 96 voxels of the first segment and 16 of the second
#             with a SpacingBetweenSlices of 2.5 mm in the file: 12 slices, 96 and 96
# Matters:  lesions on one slice are gone, others are twice as high, and nothing is said; the frames are all in the file.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pydicom-seg==0.4.1 pydicom==2.4.5 SimpleITK==2.5.7 numpy==1.26.4
cd "$folder"
venv/bin/python - <<'PYTHON'
import numpy as np
import pydicom_seg
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

FRAMES, SIDE = 12, 16


def segmentation(distance=None):
    """Frames 2.5 mm apart and 5 mm thick; segment 1 has a lesion on slices 0, 2, 4 ..., segment 2 on 1, 3, 5 ..."""
    ds = Dataset()
    ds.is_little_endian, ds.is_implicit_VR = True, False
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID, ds.SOPInstanceUID, ds.Modality = "1.2.840.10008.5.1.4.1.1.66.4", generate_uid(), "SEG"
    ds.SegmentationType, ds.SegmentsOverlap, ds.Rows, ds.Columns = "BINARY", "NO", SIDE, SIDE
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 1, 1, 0, 0
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.NumberOfFrames = 1, "MONOCHROME2", 2 * FRAMES
    shared, measures, plane = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing, measures.SliceThickness, plane.ImageOrientationPatient = [1, 1], 5, [1, 0, 0, 0, 1, 0]
    if distance:
        measures.SpacingBetweenSlices = distance
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [measures], [plane]
    ds.SharedFunctionalGroupsSequence, ds.PerFrameFunctionalGroupsSequence, ds.SegmentSequence = [shared], [], []
    pixels = np.zeros((2, FRAMES, SIDE, SIDE), np.uint8)
    for segment in (1, 2):
        described = Dataset()
        described.SegmentNumber, described.SegmentLabel = segment, f"lesion {segment}"
        ds.SegmentSequence.append(described)
        pixels[segment - 1, segment - 1 :: 2, 4:8, 4:8] = 1
        for k in range(FRAMES):
            frame, which, where = Dataset(), Dataset(), Dataset()
            which.ReferencedSegmentNumber, where.ImagePositionPatient = segment, [0, 0, 2.5 * k]
            frame.SegmentIdentificationSequence, frame.PlanePositionSequence = [which], [where]
            ds.PerFrameFunctionalGroupsSequence.append(frame)
    ds.PixelData = np.packbits(pixels.ravel(), bitorder="little").tobytes()
    return ds


counts = {}
for name, distance in (("thickness alone", None), ("with the distance", 2.5)):
    result = pydicom_seg.SegmentReader().read(segmentation(distance))
    counts[name] = [int(result.segment_data(segment).sum()) for segment in (1, 2)]
    print(f"{name}: {result.size[2]} slices of {result.spacing[2]} mm, {counts[name][0]} and {counts[name][1]} voxels of 96 and 96")
assert counts["with the distance"] == [96, 96]
assert counts["thickness alone"] == [96, 16]
PYTHON
