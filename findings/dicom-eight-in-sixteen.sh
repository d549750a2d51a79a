#!/usr/bin/env bash
# 8 bits stored in 16 bits allocated: pydicom cannot read it as lossless JPEG, SimpleITK not as JPEG-LS.
#
# Libraries: pydicom 3.0.2, pylibjpeg 2.1.0 with pylibjpeg-libjpeg 2.5.0 and pylibjpeg-openjpeg 2.6.0; SimpleITK 2.5.7
#            (compressed with imagecodecs 2026.3.6)
# Expected:  a DICOM image of 8 bits stored in 16 bits allocated may be compressed without loss by lossless JPEG, JPEG-LS or
#            JPEG 2000, with a precision of 8 bits in the stream. The pixels that went in come back.
# Instead:   of JPEG-LS and JPEG 2000 pydicom widens what the decoder hands over. Of lossless JPEG it takes pairs of 8-bit values
#            for 16-bit ones, has half as many as it needs and raises an error about broadcasting. SimpleITK reads lossless JPEG
#            and stumbles over JPEG-LS.
# Seen:      lossless JPEG: pydicom ValueError (could not broadcast input array from shape (128,) into shape (256,)), SimpleITK ok
#            JPEG-LS:       pydicom ok, SimpleITK RuntimeError (An invalid logic behavior occurredlen <= outbv->GetLength())
#            JPEG 2000:     pydicom ok, SimpleITK ok
# Matters:   scanners and digitisers that always allocate 16 bits exist, and which codec it is the archive decides. The same image
#            is broken for one reader or for the other, with messages that say nothing about bits.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pydicom==3.0.2 pylibjpeg==2.1.0 \
    pylibjpeg-libjpeg==2.5.0 pylibjpeg-openjpeg==2.6.0 imagecodecs==2026.3.6 SimpleITK==2.5.7 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import imagecodecs
import numpy as np
import SimpleITK as sitk
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels import pixel_array
from pydicom.uid import JPEG2000Lossless, JPEGLosslessSV1, JPEGLSLossless, SecondaryCaptureImageStorage, generate_uid

pixels = np.arange(256, dtype=np.uint8).reshape(16, 16)
STREAMS = {
    "lossless JPEG": (JPEGLosslessSV1, imagecodecs.ljpeg_encode(pixels, bitspersample=8)),
    "JPEG-LS": (JPEGLSLossless, imagecodecs.jpegls_encode(pixels)),
    "JPEG 2000": (JPEG2000Lossless, imagecodecs.jpeg2k_encode(pixels, level=0, codecformat="j2k", reversible=True)),
}


def write(syntax: str, stream: bytes) -> None:
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = syntax
    ds.SOPClassUID, ds.SOPInstanceUID = SecondaryCaptureImageStorage, generate_uid()
    ds.PatientName, ds.PatientID, ds.Modality, ds.ConversionType = "Phantom", "1", "OT", "SYN"
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.InstanceNumber = generate_uid(), generate_uid(), 1
    ds.Rows, ds.Columns, ds.SamplesPerPixel, ds.PhotometricInterpretation = 16, 16, 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 8, 7, 0
    ds.PixelData = encapsulate([stream])
    ds["PixelData"].VR = "OB"
    ds.save_as("a.dcm", enforce_file_format=True)


def outcome(read) -> str:
    try:
        return "ok" if np.array_equal(read(), pixels) else "wrong"
    except (ValueError, RuntimeError) as error:
        return f"{type(error).__name__} ({str(error).splitlines()[-1]})"


found = []
for name, (syntax, stream) in STREAMS.items():
    write(syntax, stream)
    one = outcome(lambda: pixel_array("a.dcm", decoding_plugin="pylibjpeg"))
    other = outcome(lambda: sitk.GetArrayFromImage(sitk.ReadImage("a.dcm"))[0])
    print(f"{name + ':':14} pydicom {one}, SimpleITK {other}")
    found += [one.split(" (")[0], other.split(" (")[0]]
assert found == ["ValueError", "ok", "ok", "RuntimeError", "ok", "ok"]
PYTHON
