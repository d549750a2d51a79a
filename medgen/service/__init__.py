"""Runs behind an address: frames come in over HTTP or DICOM, scores and maps go out, and nothing is written."""
