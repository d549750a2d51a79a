#!/usr/bin/env bash
# dicom2nifti writes the diffusion gradients of Philips scanners as they stand in the DICOM file: directions come out up to a right angle off.
#
# Library:  dicom2nifti 2.6.2, with pydicom 3.0.2 and nibabel 5.4.2
# Expected: a .bvec file holds directions along the axes of the picture beside it, as FSL and MRtrix read it (the first axis turned
#           round where the affine has a positive determinant). DICOM's are those of the patient, to the left, back and head.
# Instead:  those of Philips are written without a change, those of Siemens along the rows and columns of the DICOM slices; the picture is then
#           turned to LAS (which is the default), the directions are not.
# Seen:     gradients to the left and back, and to the back and head, each read back from the .bvec file and the affine
#             Philips  axial 73.7 and 73.7 degrees off, coronal 73.7 and 73.7
#             Siemens  axial 0.0 and 0.0 degrees off, coronal 68.9 and 90.0
# Matters:  a tensor that is mirrored front to back keeps its anisotropy and its colours, but tracts run across each other: the corticospinal tract and
#           the arcuate fascicle end elsewhere, in a plan for surgery too.
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
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

SLICES, SERIES = 5, generate_uid()
GRADIENTS = [(0.0, 0.0, 0.0), (0.6, 0.8, 0.0), (0.0, 0.6, 0.8)]  # in the patient: to the left, back and head
PLANES = {"axial": [1, 0, 0, 0, 1, 0], "coronal": [1, 0, 0, 0, 0, -1]}
LPS = np.diag([-1, -1, 1])  # from NIfTI's right and front to DICOM's left and back


def save(folder, vendor, plane):
    """Write three volumes, one without and two with a gradient."""
    os.makedirs(folder)
    rows, columns = np.reshape(PLANES[plane], (2, 3))
    for k in range(SLICES):
        for v, gradient in enumerate(GRADIENTS):
            ds = Dataset()
            ds.file_meta = FileMetaDataset()
            ds.file_meta.TransferSyntaxUID, ds.file_meta.MediaStorageSOPClassUID = ExplicitVRLittleEndian, MRImageStorage
            ds.SOPClassUID, ds.SOPInstanceUID, ds.SeriesInstanceUID = MRImageStorage, generate_uid(), SERIES
            ds.Modality, ds.Manufacturer, ds.RepetitionTime, ds.EchoTime = "MR", vendor, 5000, 80
            ds.InstanceNumber = k * len(GRADIENTS) + v + 1 if vendor == "Philips" else v * SLICES + k + 1
            ds.ImageOrientationPatient, ds.PixelSpacing, ds.SliceThickness = PLANES[plane], [2, 2], 2
            ds.ImagePositionPatient = [float(x) for x in 2 * k * np.cross(rows, columns)]
            ds.Rows, ds.Columns, ds.SamplesPerPixel, ds.PhotometricInterpretation = 8, 8, 1, "MONOCHROME2"
            ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 0
            ds.PixelData = np.full((8, 8), 100 - 10 * v + k, np.uint16).tobytes()
            if vendor == "Philips":
                ds.add_new(0x20010010, "LO", "Philips Imaging DD 001")
                ds.add_new(0x2001100A, "IS", k + 1)  # number of the slice
                ds.DiffusionBValue, ds.DiffusionGradientOrientation = 1000.0 * (v > 0), list(gradient)
            else:
                ds.add_new(0x00190010, "LO", "SIEMENS MR HEADER")
                ds.add_new(0x0019100C, "IS", 1000 * (v > 0))
                ds.add_new(0x0019100E, "FD", list(gradient))
            ds.save_as(f"{folder}/{k}{v}.dcm", enforce_file_format=True)


found = []
for vendor in ("Philips", "Siemens"):
    for plane in PLANES:
        name = f"{vendor}-{plane}"
        save(name, vendor, plane)
        dicom2nifti.dicom_series_to_nifti(name, f"./{name}.nii")  # without the dot it writes directions into the root folder
        affine = nib.load(f"{name}.nii").affine
        axes = affine[:3, :3] / 2
        written = np.loadtxt(f"{name}.bvec").T
        if np.linalg.det(axes) > 0:
            written = written * (-1, 1, 1)
        read = written @ axes.T @ LPS
        angles = [float(np.degrees(np.arccos(min(1, abs(a @ b))))) for a, b in zip(read[1:], GRADIENTS[1:])]
        print(f"{vendor}, {plane}: axes {''.join(nib.aff2axcodes(affine))}, directions off by {angles[0]:.1f} and {angles[1]:.1f} degrees")
        found += [angles]
np.testing.assert_allclose(found, [(73.7, 73.7), (73.7, 73.7), (0, 0), (68.9, 90)], atol=0.1)
PYTHON
