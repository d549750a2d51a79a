#!/usr/bin/env bash
# pydicom reads a file in memory, and not the same one behind Python's buffer; from a zip, it looks for deferred values elsewhere.
#
# Library:  pydicom 3.0.2
# Expected: dcmread takes "a file-like object" in binary mode. An io.BufferedReader has read, seek and tell, and a peek that BytesIO
#           and the members of a zip lack, which is why one puts them behind it: to look at the first bytes and then hand it over.
# Instead:  each BufferedReader is taken for an open file of the disk. One over BytesIO has no name, which raises an AttributeError
#           once the whole file was read. One over a member of a zip has the name of the member: large values that were
#           deferred are then looked for in the working folder, where another file of that name may lie.
# Seen:     BytesIO: a; BufferedReader over BytesIO: AttributeError '_io.BytesIO' object has no attribute 'name'
#           member of a zip behind a BufferedReader: filename scan.dcm, a
#           deferred value, nothing of that name in the working folder: OSError
#           deferred value, another patient's scan.dcm there: 512 times b
# Matters:  uploads and archives come as streams. The values of one patient are shown with the name of another.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pydicom==3.0.2
cd "$folder"
venv/bin/python - <<'PYTHON'
import io
import zipfile
from pathlib import Path

from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage


def written(patient: str) -> bytes:
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID, ds.SOPInstanceUID = SecondaryCaptureImageStorage, "1.2.3"
    ds.file_meta.MediaStorageSOPClassUID, ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPClassUID, ds.SOPInstanceUID
    ds.PatientName, ds.TextValue = patient, patient * 512
    file = io.BytesIO()
    ds.save_as(file, enforce_file_format=True)
    return file.getvalue()


def outcome(read) -> str:
    try:
        return str(read())
    except (AttributeError, OSError) as error:
        return f"{type(error).__name__} {error}" if isinstance(error, AttributeError) else type(error).__name__


plain = outcome(lambda: dcmread(io.BytesIO(written("a"))).PatientName)
behind = outcome(lambda: dcmread(io.BufferedReader(io.BytesIO(written("a")))).PatientName)
print(f"BytesIO: {plain}; BufferedReader over BytesIO: {behind}")
with zipfile.ZipFile("sent.zip", "w") as archive:
    archive.writestr("scan.dcm", written("a"))
with zipfile.ZipFile("sent.zip") as archive:
    ds = dcmread(io.BufferedReader(archive.open("scan.dcm")), defer_size=256)
print(f"member of a zip behind a BufferedReader: filename {ds.filename}, {ds.PatientName}")
missing = outcome(lambda: ds.TextValue)
print(f"deferred value, nothing of that name in the working folder: {missing}")
Path("scan.dcm").write_bytes(written("b"))
value = ds.TextValue
print(f"deferred value, another patient's scan.dcm there: {len(value)} times {value[0]}")
assert plain == "a" and behind == "AttributeError '_io.BytesIO' object has no attribute 'name'"
assert (ds.filename, ds.PatientName, missing, value) == ("scan.dcm", "a", "OSError", "b" * 512)
PYTHON
