#!/usr/bin/env bash
# SimpleITK decodes the same JPEG bytes to other colours from a .jpg than from a DICOM file.
#
# Library:  SimpleITK 2.5.7, against Pillow 13.0.0 and opencv-python-headless 5.0.0.93 (DICOM written with pydicom 3.0.2)
# Expected: all of them decode baseline JPEG with a relative of libjpeg, so pixels agree to a level or two. A JPEG stream gives
#           the same picture whether it lies in a .jpg or, unchanged, in a DICOM file.
# Instead:  where chroma is subsampled (4:2:0, Pillow's default, or 4:2:2), SimpleITK's .jpg reader is tens of levels away from
#           Pillow and OpenCV, which agree. Its DICOM reader agrees with them too. Without subsampling all are equal.
# Seen:     largest difference from Pillow
#             4:2:0: OpenCV 0, SimpleITK .jpg 34
#             4:2:2: OpenCV 0, SimpleITK .jpg 31, SimpleITK .dcm 0
#             4:4:4: OpenCV 0, SimpleITK .jpg 0, SimpleITK .dcm 0
# Matters:  endoscopy frames come as JPEG and as DICOM that holds JPEG. A detector whose normal frames were read one way and
#           whose test frames the other meets coloured seams along every edge: differences of the size of the residuals that it
#           looks for.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    SimpleITK==2.5.7 pillow==13.0.0 opencv-python-headless==5.0.0.93 pydicom==3.0.2 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import SimpleITK as sitk
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import JPEGBaseline8Bit, VLEndoscopicImageStorage, generate_uid

y, x = np.mgrid[:64, :64]
frame = np.full((64, 64, 3), (190, 110, 90), np.uint8)  # mucosa
frame[(x - 30) ** 2 + (y - 34) ** 2 < 200] = (120, 20, 40)  # a lesion
frame[np.abs(x - y) < 4] = (30, 60, 150)  # a fold filled with blue dye
frame[(x - 45) ** 2 + (y - 15) ** 2 < 30] = (250, 245, 240)  # a highlight


def wrap(jpeg: bytes, subsampled: bool) -> None:
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = VLEndoscopicImageStorage
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    ds.PatientName, ds.PatientID, ds.Modality = "Phantom", "1", "ES"
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.InstanceNumber = generate_uid(), generate_uid(), 1
    ds.Rows, ds.Columns, ds.SamplesPerPixel, ds.PlanarConfiguration = 64, 64, 3, 0
    ds.PhotometricInterpretation = "YBR_FULL_422" if subsampled else "YBR_FULL"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 8, 8, 7, 0
    ds.LossyImageCompression = "01"
    ds.PixelData = encapsulate([jpeg])
    ds["PixelData"].VR = "OB"
    ds.save_as("a.dcm", enforce_file_format=True)


def itk(path: str) -> np.ndarray:
    return sitk.GetArrayFromImage(sitk.ReadImage(path)).reshape(64, 64, 3)


def compare(name: str, subsampling: int) -> dict[str, int]:
    PIL.Image.fromarray(frame).save("a.jpg", quality=90, subsampling=subsampling)
    pillow = np.asarray(PIL.Image.open("a.jpg")).astype(int)
    others = {"OpenCV": cv2.imread("a.jpg")[..., ::-1], "SimpleITK .jpg": itk("a.jpg")}
    if subsampling < 2:  # DICOM has no name for 4:2:0
        wrap(Path("a.jpg").read_bytes(), subsampling > 0)
        others["SimpleITK .dcm"] = itk("a.dcm")
    away = {reader: int(np.abs(pixels - pillow).max()) for reader, pixels in others.items()}
    print(f"{name}: " + ", ".join(f"{reader} {most}" for reader, most in away.items()))
    return away


print("largest difference from Pillow")
for found in (compare("4:2:0", 2), compare("4:2:2", 1)):
    assert found.pop("SimpleITK .jpg") >= 20
    assert max(found.values()) <= 2
assert max(compare("4:4:4", 0).values()) <= 2
PYTHON
