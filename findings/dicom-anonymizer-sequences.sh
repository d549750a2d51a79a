#!/usr/bin/env bash
# dicom-anonymizer leaves dates and UIDs in the sequences of an enhanced DICOM file, and empties or changes classes in references.
#
# Libraries: dicom-anonymizer 2.1.0, pydicom 3.0.2
# Expected:  the Basic Profile of PS3.15, Annex E, which holds for attributes in sequences too: no date is left, each UID of an
#            instance is replaced by one new UID wherever it stands, and UIDs of classes, which the standard gives, stay.
# Instead:   sequences that the table of the profile does not list are not looked into, so that the functional groups of an
#            enhanced file keep the time of each frame and the UID of its source. In a Referenced Image Sequence both UIDs are
#            emptied, that of the class too, and in a Referenced Performed Procedure Step Sequence the class gets a random UID.
# Seen:      time of the frame           20240229101500 (as it was)
#            UID of its source           1.2.826.0.1.3680043.10.1 (as it was)
#            class of a referenced image '' (it was that of enhanced CT)
#            its instance                ''
#            class of the procedure step 2.25... (random)
# Matters:   the file counts as de-identified and still says when the patient was there; its UIDs lead back to the archive. Empty
#            UIDs, and classes that do not exist, break readers that follow references.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check dicom-anonymizer==2.1.0 pydicom==3.0.2
cd "$folder"
venv/bin/python - <<'PYTHON'
from dicomanonymizer.simpledicomanonymizer import anonymize_dicom_file, initialize_actions_2024b
from pydicom import Sequence, dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import EnhancedCTImageStorage, ExplicitVRLittleEndian

SOURCE = "1.2.826.0.1.3680043.10.1"
PROCEDURE_STEP = "1.2.840.10008.3.1.2.3.3"  # Modality Performed Procedure Step SOP Class


def item(**values) -> Sequence:
    ds = Dataset()
    for keyword, value in values.items():
        setattr(ds, keyword, value)
    return Sequence([ds])


def reference(to: str, instance: str) -> Sequence:
    return item(ReferencedSOPClassUID=to, ReferencedSOPInstanceUID=instance)


ds = Dataset()
ds.file_meta = FileMetaDataset()
ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = EnhancedCTImageStorage
ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = "1.2.826.0.1.3680043.10.2"
ds.StudyInstanceUID, ds.SeriesInstanceUID = "1.2.826.0.1.3680043.10.3", "1.2.826.0.1.3680043.10.4"
ds.PatientName, ds.PatientID, ds.Modality, ds.NumberOfFrames = "Phantom", "1", "CT", 1
ds.ReferencedImageSequence = reference(EnhancedCTImageStorage, SOURCE)
ds.ReferencedPerformedProcedureStepSequence = reference(PROCEDURE_STEP, "1.2.826.0.1.3680043.10.5")
derived = item(SourceImageSequence=reference(EnhancedCTImageStorage, SOURCE))
ds.PerFrameFunctionalGroupsSequence = item(
    FrameContentSequence=item(FrameAcquisitionDateTime="20240229101500"), DerivationImageSequence=derived
)
ds.save_as("source.dcm", enforce_file_format=True)
anonymize_dicom_file("source.dcm", "copy.dcm", base_rules_gen=initialize_actions_2024b)

copy = dcmread("copy.dcm")
frame = copy.PerFrameFunctionalGroupsSequence[0]
when = frame.FrameContentSequence[0].FrameAcquisitionDateTime
source = frame.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID
image, step = copy.ReferencedImageSequence[0], copy.ReferencedPerformedProcedureStepSequence[0]
print("time of the frame          ", when)
print("UID of its source          ", str(source))
print("class of a referenced image", repr(str(image.ReferencedSOPClassUID)))
print("its instance               ", repr(str(image.ReferencedSOPInstanceUID)))
print("class of the procedure step", str(step.ReferencedSOPClassUID))
assert str(copy.PatientName) != "Phantom" and copy.SOPInstanceUID != ds.SOPInstanceUID
assert when == "20240229101500" and source == SOURCE
assert not image.ReferencedSOPClassUID and not image.ReferencedSOPInstanceUID
assert step.ReferencedSOPClassUID.startswith("2.25.")
PYTHON
