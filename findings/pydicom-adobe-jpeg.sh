#!/usr/bin/env bash
# pydicom gives a JPEG in DICOM other colours by the decoder that is installed, where the JPEG has an Adobe segment.
#
# Libraries: pydicom 3.0.2 with Pillow 13.0.0 or with pylibjpeg 2.1.0 and pylibjpeg-libjpeg 2.5.0; SimpleITK 2.5.7
# Expected:  a baseline JPEG of Y, Cb and Cr in a file of PhotometricInterpretation YBR_FULL comes as RGB from pixel_array.
#            Whether the JPEG says the same once more, in an Adobe segment with transform 1, changes nothing.
# Instead:   with that segment Pillow converts to RGB of its own accord. pydicom's plugin goes by the PhotometricInterpretation,
#            believes to have YBR and converts a second time. Nothing warns. Through pylibjpeg all is well.
# Seen:      a surface of [200, 60, 30]
#              no Adobe segment:   Pillow [199, 60, 29], pylibjpeg [199, 60, 29], SimpleITK [199, 60, 29]
#              Adobe, transform 1: Pillow [60, 255, 79], pylibjpeg [199, 60, 29], SimpleITK [199, 60, 29]
# Matters:   JPEG encoders of the Adobe line write that segment. Red mucosa turns bright green on the machine that has Pillow
#            alone, and is red where pylibjpeg is installed as well: scores depend on a package that nobody chose.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    pydicom==3.0.2 pillow==13.0.0 pylibjpeg==2.1.0 pylibjpeg-libjpeg==2.5.0 SimpleITK==2.5.7 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import io
import warnings

import numpy as np
import PIL.Image
import SimpleITK as sitk
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels import pixel_array
from pydicom.uid import JPEGBaseline8Bit, VLEndoscopicImageStorage, generate_uid

warnings.simplefilter("error")
ADOBE = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x01"  # the last byte is the transform: 1 for Y, Cb, Cr


def bare_jpeg() -> bytes:
    """A JPEG of one colour without the JFIF segment that Pillow writes."""
    target = io.BytesIO()
    PIL.Image.new("RGB", (16, 16), (200, 60, 30)).save(target, "JPEG", quality=100, subsampling=0)
    jpeg = target.getvalue()
    assert jpeg[2:4] == b"\xff\xe0"
    return jpeg[:2] + jpeg[4 + int.from_bytes(jpeg[4:6], "big") :]


def write(jpeg: bytes) -> None:
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    ds.SOPClassUID, ds.SOPInstanceUID = VLEndoscopicImageStorage, generate_uid()
    ds.PatientName, ds.PatientID, ds.Modality = "Phantom", "1", "ES"
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.InstanceNumber = generate_uid(), generate_uid(), 1
    ds.Rows, ds.Columns, ds.SamplesPerPixel, ds.PlanarConfiguration = 16, 16, 3, 0
    ds.PhotometricInterpretation, ds.LossyImageCompression = "YBR_FULL", "01"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 8, 8, 7, 0
    ds.PixelData = encapsulate([jpeg])
    ds["PixelData"].VR = "OB"
    ds.save_as("a.dcm", enforce_file_format=True)


def colours(name: str) -> list[np.ndarray]:
    itk = sitk.GetArrayFromImage(sitk.ReadImage("a.dcm")).reshape(16, 16, 3)
    pixels = [pixel_array("a.dcm", decoding_plugin=plugin)[8, 8] for plugin in ("pillow", "pylibjpeg")] + [itk[8, 8]]
    print(f"{name:19} Pillow {pixels[0].tolist()}, pylibjpeg {pixels[1].tolist()}, SimpleITK {pixels[2].tolist()}")
    return pixels


jpeg = bare_jpeg()
write(jpeg)
for pixel in colours("no Adobe segment:"):
    np.testing.assert_allclose(pixel, [200, 60, 30], atol=3)
write(jpeg[:2] + ADOBE + jpeg[2:])
by_pillow, *others = colours("Adobe, transform 1:")
np.testing.assert_allclose(by_pillow, [60, 255, 79], atol=5)
for pixel in others:
    np.testing.assert_allclose(pixel, [200, 60, 30], atol=3)
PYTHON
