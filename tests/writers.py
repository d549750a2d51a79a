"""Small files of every format, made by others' writers, for the tests of the reader."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import PIL.Image
import pydicom
import pytest
from numpy.typing import NDArray
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage

from medgen.data.images import read_images
from medgen.errors import ImageError

DRAW = np.random.default_rng(7)
RGB = DRAW.integers(0, 256, (22, 34, 3), dtype=np.uint8)
DEEP = DRAW.integers(0, 65536, (22, 34, 3), dtype=np.uint16)
GREY = RGB[..., 0]


def smooth(height: int = 48, width: int = 64) -> NDArray[np.uint8]:
    """A colour ramp: lossy codecs keep it."""
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([x * 3, y * 4, 255 - x * 2 - y], axis=-1).astype(np.uint8)


def save(path: Path, pixels: NDArray[Any], **options: Any) -> Path:
    PIL.Image.fromarray(pixels).save(path, **options)
    return path


def rejected(path: Path) -> str:
    """The reason why a file cannot be read: one short line that does not name the path."""
    with pytest.raises(ImageError) as error:
        list(read_images(path))
    reason = str(error.value)
    assert "\n" not in reason and str(path.parent) not in reason and len(reason) < 250
    return reason


def monai_reads(path: Path, reader: str) -> NDArray[Any]:
    from monai.transforms import LoadImage

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return LoadImage(reader=reader, image_only=True)(path).numpy()


def nifti(path: Path, voxels: NDArray[Any], affine: NDArray[Any] | None = None) -> Path:
    nib.save(nib.Nifti1Image(voxels, np.diag([-2.0, -3.0, 5.0, 1.0]) if affine is None else affine), path)
    return path


def dicom(
    pixels: NDArray[Any], space: str, frames: int = 0, syntax: str = ExplicitVRLittleEndian, **tags: Any
) -> pydicom.Dataset:
    ds = pydicom.Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = syntax
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = SecondaryCaptureImageStorage
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID = "1.2.3.4"
    frame = pixels[0] if frames else pixels
    ds.Rows, ds.Columns = frame.shape[:2]
    ds.BitsAllocated = ds.BitsStored = pixels.dtype.itemsize * 8
    ds.HighBit, ds.PixelRepresentation = ds.BitsStored - 1, int(pixels.dtype.kind == "i")
    ds.SamplesPerPixel, ds.PhotometricInterpretation = frame.shape[2] if frame.ndim == 3 else 1, space
    if ds.SamplesPerPixel == 3:
        ds.PlanarConfiguration = 0
    if frames:
        ds.NumberOfFrames = frames
    ds.PixelData = pixels.tobytes()
    for keyword, value in tags.items():
        setattr(ds, keyword, value)
    return ds


def write_dicom(path: Path, pixels: NDArray[Any], space: str, **tags: Any) -> Path:
    dicom(pixels, space, **tags).save_as(path, enforce_file_format=True)
    return path


def sequence(**tags: Any) -> pydicom.Sequence:
    item = pydicom.Dataset()
    for keyword, value in tags.items():
        setattr(item, keyword, value)
    return pydicom.Sequence([item])
