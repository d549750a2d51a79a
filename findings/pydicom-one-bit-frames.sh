#!/usr/bin/env bash
# pydicom cannot read a frame of a 1-bit DICOM file alone where frames begin within a byte; it reads all of them together.
#
# Library:  pydicom 3.0.2
# Expected: the frames of 1-bit pixel data follow each other without padding, so that the second frame of 3 by 5 pixels begins
#           with the last bit of the second byte. pixel_array(file), pixel_array(file, index=k) and iter_pixels(file) give the
#           same frames.
# Instead:  pixel_array of the whole file is right. With an index, and in iter_pixels, only frame 0 comes; the next one raises a
#           ValueError about shapes. Where frames are a whole number of bytes all three agree.
# Seen:     3 frames of 4 by 4: together ok, one by one [ok, ok, ok], iter_pixels ok
#           3 frames of 3 by 5: together ok, one by one [ok, ValueError, ValueError], iter_pixels ValueError
#           cannot reshape array of size 10 into shape (3,5)
#           cannot reshape array of size 9 into shape (3,5)
# Matters:  segmentations are stored so. To go through a long one frame by frame, so as to save memory, works for 512 by 512
#           pixels and fails for a crop of 333 by 333; nothing is wrong with the file.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pydicom==3.0.2 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels import iter_pixels, pack_bits, pixel_array
from pydicom.uid import ExplicitVRLittleEndian, MultiFrameSingleBitSecondaryCaptureImageStorage, generate_uid


def write(masks: np.ndarray) -> None:
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID = MultiFrameSingleBitSecondaryCaptureImageStorage
    ds.SOPInstanceUID, ds.StudyInstanceUID, ds.SeriesInstanceUID = generate_uid(), generate_uid(), generate_uid()
    ds.PatientName, ds.PatientID, ds.Modality, ds.ConversionType = "Phantom", "1", "OT", "SYN"
    ds.NumberOfFrames, ds.Rows, ds.Columns = masks.shape
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 1, 1, 0, 0
    ds.PixelData = pack_bits(masks)
    ds["PixelData"].VR = "OB"
    ds.save_as("a.dcm", enforce_file_format=True)


def outcome(read, right: np.ndarray) -> str:
    try:
        return "ok" if np.array_equal(read(), right) else "wrong"
    except ValueError as error:
        reasons.add(str(error))
        return "ValueError"


reasons: set[str] = set()
found = {}
for shape in ((3, 4, 4), (3, 3, 5)):
    masks = np.random.default_rng(0).integers(0, 2, shape, np.uint8)
    write(masks)
    whole = outcome(lambda: pixel_array("a.dcm"), masks)
    single = [outcome(lambda k=k: pixel_array("a.dcm", index=k), masks[k]) for k in range(3)]
    stream = outcome(lambda: np.stack(list(iter_pixels("a.dcm"))), masks)
    found[shape] = whole, single, stream
    print(f"3 frames of {shape[1]} by {shape[2]}: together {whole}, one by one [{', '.join(single)}], iter_pixels {stream}")
print(*sorted(reasons), sep="\n")
assert found[3, 4, 4] == ("ok", ["ok", "ok", "ok"], "ok")
assert found[3, 3, 5] == ("ok", ["ok", "ValueError", "ValueError"], "ValueError")
PYTHON
