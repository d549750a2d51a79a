"""What `tests/soak/fuzz.py` fuzzes: each reader of files that others may have written, and small valid files to begin with."""

from __future__ import annotations

import gzip
import io
import struct
import tempfile
import zlib
from collections.abc import Callable, Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import imagecodecs
import nibabel as nib
import numpy as np
import PIL.Image
import pydicom
import tifffile
from pydicom import uid
from pydicom.encaps import encapsulate
from sources import frame
from writers import dicom, save

from medgen.data.images import read_images
from medgen.data.layouts import manifest
from medgen.data.prepared import PrepareSettings, open_prepared
from medgen.data.preparing.prepare import prepare

COLOUR = np.stack([frame(24, seed=1), frame(24, seed=2)])  # (2, 24, 24, 3) uint8
GREY = COLOUR[..., 0]
DEEP = GREY.astype(np.uint16) * 16  # 12 bits
PNG = b"\x89PNG\r\n\x1a\n"


class Fuzzed(NamedTuple):
    """A reader of one kind of file.

    Attributes
    ----------
    name : of the file that is read, in a folder of its own
    seeds : makes valid small files in a folder that is empty
    read : reads the file, all of it, and returns how many frames or rows it holds; raises MedgenError with a reason
    written : what is written for some bytes: those of a checked format get the right checksum, or none would be read further
    """

    name: str
    seeds: Callable[[Path], None]
    read: Callable[[Path], int]
    written: Callable[[bytes], bytes] = bytes


def read_frames(path: Path) -> int:
    """Read every frame of a file as a picture, and look at what comes."""
    count = 0
    for image in read_images(path):
        assert image.pixels.ndim == 3 and image.pixels.shape[2] in (1, 3) and image.pixels.size, "no picture"
        count += 1
    return count


def with_checksums(content: bytes) -> bytes:
    """Return a PNG whose chunks have the checksums of what they hold; what is no PNG stays as it is."""
    if not content.startswith(PNG):
        return content
    parts, place = [PNG], len(PNG)
    while place + 12 <= len(content):
        end = place + 8 + int.from_bytes(content[place : place + 4], "big")
        if end + 4 > len(content):
            break
        parts += [content[place:end], struct.pack(">I", zlib.crc32(content[place + 4 : end]))]
        place = end + 4
    return b"".join([*parts, content[place:]])


def pictures(*kinds: tuple[str, dict[str, Any]]) -> Callable[[Path], None]:
    """Return what writes a colour and a grey frame in each of some formats of Pillow, and an animation where there are any."""

    def write(folder: Path) -> None:
        for number, (kind, options) in enumerate(kinds):
            for colours, pixels in (("colour", COLOUR), ("grey", GREY)):
                first, second = map(PIL.Image.fromarray, pixels)
                first.save(folder / f"{number}-{colours}", format=kind, **options)
                if kind in ("PNG", "GIF", "WEBP"):
                    moving = {"save_all": True, "append_images": [second]}
                    first.save(folder / f"{number}-{colours}-moving", format=kind, **moving, **options)
        if kinds[0][0] == "PNG":
            for name, mode in (("palette", "P"), ("bits", "1"), ("alpha", "RGBA")):
                PIL.Image.fromarray(COLOUR[0]).convert(mode).save(folder / name, format="PNG")
            (folder / "deep").write_bytes(imagecodecs.png_encode(DEEP[0]))
        if kinds[0][0] == "JPEG":
            (folder / "lossless").write_bytes(imagecodecs.jpeg_encode(DEEP[0], lossless=True, bitspersample=12))

    return write


def tiffs(folder: Path) -> None:
    for name, options in {
        "plain": {}, "deflate": {"compression": "zlib"}, "lzw": {"compression": "lzw"}, "jpeg": {"compression": "jpeg"},
        "tiles": {"tile": (16, 16)}, "planes": {"planarconfig": "separate"}, "big": {"bigtiff": True},
        "packbits": {"compression": "packbits"}, "predictor": {"compression": "zlib", "predictor": True},
    }.items():  # fmt: skip
        pixels = COLOUR.transpose(0, 3, 1, 2) if name == "planes" else COLOUR
        tifffile.imwrite(folder / name, pixels, photometric="rgb", **options)
    tifffile.imwrite(folder / "floats", GREY.astype(np.float32) / 255)
    tifffile.imwrite(folder / "deep", DEEP, photometric="miniswhite")


def dicoms(folder: Path) -> None:
    """Write one of each way in which pixels lie in DICOM: plain, RLE, JPEG, lossless JPEG, JPEG-LS, JPEG 2000; frames, floats."""
    grey: dict[str, Any] = {"BitsStored": 12, "HighBit": 11}
    window = {"WindowCenter": 1000, "WindowWidth": 500, "RescaleSlope": "2", "RescaleIntercept": "-9"}
    lossless = [imagecodecs.jpeg_encode(DEEP[0], lossless=True, bitspersample=12), imagecodecs.jpegls_encode(DEEP[0])]
    wavelets = imagecodecs.jpeg2k_encode(DEEP[0], bitspersample=12, codecformat="J2K", reversible=True, level=0)
    photograph = io.BytesIO()
    PIL.Image.fromarray(COLOUR[0]).save(photograph, format="JPEG")
    palette = {f"{name}PaletteColorLookupTableDescriptor": [256, 0, 8] for name in ("Red", "Green", "Blue")}
    tables = {f"{name}PaletteColorLookupTableData": bytes(range(256)) for name in ("Red", "Green", "Blue")}
    written: dict[str, pydicom.Dataset] = {
        "colour": dicom(COLOUR[0], "RGB"),
        "frames": dicom(GREY, "MONOCHROME2", frames=2),
        "window": dicom(DEEP[0], "MONOCHROME1", **window, **grey),
        "palette": dicom(GREY[0], "PALETTE COLOR", **palette, **tables),
        "jpeg": dicom(COLOUR[0], "YBR_FULL_422", syntax=uid.JPEGBaseline8Bit, PixelData=encapsulate([photograph.getvalue()])),
        "j2k": dicom(DEEP[0], "MONOCHROME2", syntax=uid.JPEG2000Lossless, PixelData=encapsulate([bytes(wavelets)]), **grey),
    }
    for syntax, data in zip((uid.JPEGLosslessSV1, uid.JPEGLSLossless), lossless, strict=True):
        written[syntax] = dicom(DEEP[0], "MONOCHROME2", syntax=syntax, PixelData=encapsulate([bytes(data)]), **grey)
    written["rle"] = dicom(COLOUR[0], "RGB")
    written["rle"].compress(uid.RLELossless)
    for name, dataset in written.items():
        dataset.save_as(folder / name, enforce_file_format=True)


def arrays(folder: Path) -> None:
    np.save(folder / "colour", COLOUR)
    np.save(folder / "floats", GREY.astype(np.float64) / 255)
    np.save(folder / "turned", np.asfortranarray(GREY))
    np.savez(folder / "several", images=COLOUR, labels=np.arange(2))
    np.savez_compressed(folder / "packed", image=GREY)


def niftis(folder: Path) -> None:
    upright = np.diag([-1.0, -1.0, 1.0, 1.0])
    for name, kind in (("bytes", np.uint8), ("shorts", np.int16), ("floats", np.float32)):
        (folder / name).write_bytes(nib.Nifti1Image(GREY.T.astype(kind), upright).to_bytes())
    (folder / "second").write_bytes(nib.Nifti2Image(GREY.T, upright).to_bytes())


def of_itk(suffix: str) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        itk = import_module("SimpleITK")
        for name, pixels, packed in (("plain", COLOUR, False), ("packed", COLOUR, True), ("floats", GREY / 255, False)):
            image = itk.GetImageFromArray(pixels, isVector=pixels.ndim == 4)
            itk.WriteImage(image, str(folder / f"{name}{suffix}"), useCompression=packed)

    return write


def freesurfer(folder: Path) -> None:
    for name, kind in (("bytes", np.uint8), ("floats", np.float32)):
        image = nib.MGHImage(np.ascontiguousarray(GREY.T.astype(kind)), np.diag([-1.0, -1.0, 1.0, 1.0]))
        (folder / name).write_bytes(image.to_bytes())


def videos(folder: Path) -> None:
    import_module("sample_video").write_frames(folder / "a.mp4", COLOUR)
    import_module("sample_video").write_video(folder / "a.avi", COLOUR, "mjpeg", "yuvj420p")


def manifests(folder: Path) -> None:
    (folder / "plain").write_text("file,finding,label,split,group\na.png,polyp,abnormal,test,p1\nb.png,,normal,train,p2\n")
    (folder / "marked").write_text("file;mask;boxes\na.png;m.png;1 2 3 4\nv.nii#3;m.png#0;none\n")
    (folder / "quoted").write_text('file\tage\n"a\nb.png"\t7\n"c""d.png"\t8\n', encoding="utf-8-sig")


def read_manifest(path: Path) -> int:
    (path.parent / "m.png").touch()
    return len(manifest.read(path).entries)


def recipes(folder: Path) -> None:
    for path in sorted((Path(__file__).parents[1] / "configs").glob("*endovae*.toml")):
        (folder / path.name).write_bytes(path.read_bytes())
    (folder / "whole").write_text(
        'backend = "endovae"\nfalse_alarm_rate = 0.1\n[model]\nlatents = 4\n[train]\nepochs = 3\nseed = 1\n'
        'precision = "float32"\n'
        '[data]\nbatch_size = 8\n[data.augment]\nflip = true\n[scoring]\nperceptual = "file:net.onnx"\n[watch]\nevery = 2\n'
    )


def read_recipe(path: Path) -> int:
    from medgen.runs.settings import recipe

    return len(recipe("endovae", path).model_fields_set)


def studies(folder: Path) -> None:
    (folder / "study").write_text(
        'title = "t"\ndataset = "D"\nseeds = 2\nbudget = "10m"\n[common.data]\nbatch_size = 8\n[backends.vae]\n'
        '[backends.b]\nbackend = "endovae"\n[backends.b.settings.model]\nlatents = 4\n'
    )


def read_study_file(path: Path) -> int:
    from medgen.verbs.study.settings import read_study

    return len(read_study(path).recipes())


@cache
def small_set() -> dict[str, bytes]:
    """The files of a prepared set of eight frames."""
    with tempfile.TemporaryDirectory() as folder:
        (source := Path(folder, "F", "normal")).mkdir(parents=True)
        for k in range(8):
            save(source / f"{k}.png", frame(24, seed=k))
        prepare(source.parent, Path(folder, "D"), PrepareSettings(size=16, overlay="none"))
        return {path.name: path.read_bytes() for path in Path(folder, "D").iterdir() if path.is_file()}


def of_small_set(name: str) -> Fuzzed:
    """Return the reader of a data set in which one file is fuzzed."""

    def seed(folder: Path) -> None:
        (folder / name).write_bytes(small_set()[name])

    def read(path: Path) -> int:
        for other, content in small_set().items():
            if other != name and not (path.parent / other).exists():
                (path.parent / other).write_bytes(content)
        data = open_prepared(path.parent)
        data.rows("train"), data.rejected(), data.ignored(), data.leaks(), data.divided_groups()
        return len(data.index)

    return Fuzzed(name, seed, read)


def readers() -> Iterator[tuple[str, Fuzzed]]:
    """Yield all of them by their names."""
    yield "manifest.csv", Fuzzed("manifest.csv", manifests, read_manifest)
    yield "recipe", Fuzzed("recipe.toml", recipes, read_recipe)
    yield "study", Fuzzed("study.toml", studies, read_study_file)
    for name in ("index.csv", "rejected.csv", "prepare.toml", "frames.npy"):
        yield name, of_small_set(name)
    yield "JPEG", Fuzzed("a.jpg", pictures(("JPEG", {}), ("JPEG", {"progressive": True})), read_frames)
    yield "PNG", Fuzzed("a.png", pictures(("PNG", {})), read_frames, with_checksums)
    yield "GIF", Fuzzed("a.gif", pictures(("GIF", {})), read_frames)
    yield "BMP, Netpbm", Fuzzed("a.bmp", pictures(("BMP", {}), ("DIB", {}), ("PPM", {})), read_frames)
    yield "WebP", Fuzzed("a.webp", pictures(("WEBP", {}), ("WEBP", {"lossless": True})), read_frames)
    yield "AVIF", Fuzzed("a.avif", pictures(("AVIF", {})), read_frames)
    yield "JPEG 2000", Fuzzed("a.jp2", pictures(("JPEG2000", {}), ("JPEG2000", {"no_jp2": True})), read_frames)
    yield "TIFF", Fuzzed("a.tif", tiffs, read_frames)
    yield "DICOM", Fuzzed("a.dcm", dicoms, read_frames)
    yield "NumPy", Fuzzed("a.npy", arrays, read_frames)
    yield "NIfTI", Fuzzed("a.nii", niftis, read_frames)
    yield "NIfTI, gzip", Fuzzed("a.nii.gz", niftis, read_frames, lambda content: gzip.compress(content, 1))
    yield "MetaImage", Fuzzed("a.mha", of_itk(".mha"), read_frames)
    yield "NRRD", Fuzzed("a.nrrd", of_itk(".nrrd"), read_frames)
    yield "FreeSurfer", Fuzzed("a.mgh", freesurfer, read_frames)
    yield "video", Fuzzed("a.mp4", videos, read_frames)
