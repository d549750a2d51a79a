"""A path to its frames: the only way in which an image file is opened, whatever its format.

`opened` hands over what a file holds; `read_images` makes pictures of it, and `medgen.data.preparing.truth` masks.

Each file in `medgen.data.readers` whose name does not begin with an underscore reads one format, or a family of them, and keeps
the contract of `medgen.data.reader.Reader`. A new file there is a new format: nothing else has to be told.
`tests/test_readers.py` walks them all.

What a file is, its first bytes say: a PNG named .jpg is read as the PNG that it is. What is no image inside is refused.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Generator, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from functools import cache, lru_cache
from importlib import import_module
from io import BufferedReader, BytesIO
from itertools import count
from pathlib import Path
from types import MappingProxyType
from typing import cast

from medgen.data import readers
from medgen.data.intensity import AUTO, Intensity, picture
from medgen.data.pixel_format import FileFrames, StoredFrame
from medgen.data.quiet import quiet
from medgen.data.reader import HasAxes, HasMasks, HasParts, Reader
from medgen.data.sampling import Sampling
from medgen.errors import BackendError, ImageError
from medgen.plugins import found, skip
from medgen.types import Image

IN_MEMORY = ("dicom", "pictures", "tiff")  # readers that need no name of a file, and decode no more at once than one frame
HEAD = 352  # bytes that a reader is shown: the longest of the headers that are looked at, NIfTI-1


def own_readers() -> tuple[str, ...]:
    """Return the names of medgen's own readers, sorted."""
    return tuple(sorted(info.name for info in pkgutil.iter_modules(readers.__path__) if not info.name.startswith("_")))


@cache
def all_readers() -> Mapping[str, Reader]:
    """Return the modules that read image files by their names, in the order in which they are asked.

    That is the order of the names, those of other packages (`medgen.plugins`) behind all of medgen's own. One that cannot be
    imported is warned of.
    """
    known = {name: cast(Reader, import_module(f"{readers.__name__}.{name}")) for name in own_readers()}
    for name, plugin in found("readers", own_readers()).items():
        try:
            known[name] = cast(Reader, plugin.load("SUFFIXES", "recognises", "open_frames"))
        except BackendError as error:
            skip(plugin, str(error))
    return MappingProxyType(known)


@cache
def suffixes() -> tuple[str, ...]:
    """Return all suffixes of image files, sorted."""
    return tuple(sorted({suffix for reader in all_readers().values() for suffix in reader.SUFFIXES if suffix}))


@cache
def _double_suffixes() -> tuple[str, ...]:
    return tuple(known for known in suffixes() if known.count(".") > 1)


def suffix_of(path: Path) -> str:
    """Return the suffix in lower case; one that is known as a whole, such as ``.nii.gz``, is taken as one."""
    return _suffix(path.name)


@lru_cache(maxsize=1 << 12)  # a name is asked for many times while its file is read
def _suffix(name: str) -> str:
    lower = name.lower()
    dot = lower.rfind(".")
    single = lower[dot:] if 0 < dot < len(lower) - 1 else ""  # as `Path.suffix`, in a fraction of the time
    if not lower.endswith(_double_suffixes()):
        return single
    return next((known for known in _double_suffixes() if lower.endswith(known)), single)


def stem_of(path: Path) -> str:
    """Return the name without its suffix, ``.nii.gz`` taken as one."""
    return path.name[: len(path.name) - len(suffix_of(path))]


def parts_of(path: Path) -> list[Path]:
    """Return the files in which the pixels of a file lie, if they do not lie in it: the .img of a .hdr, the .raw of a .mhd."""
    owner = _header_readers().get(suffix_of(path))
    try:
        return [part for part in owner.parts(path) if part.is_file()] if owner else []
    except (OSError, ValueError):  # whoever opens the file says what is wrong with it
        return []


@cache
def _header_readers() -> Mapping[str, HasParts]:
    """Return by their suffixes the readers of headers whose pixels lie in other files."""
    owners = {suffix: reader for reader in reversed([*all_readers().values()]) for suffix in reader.SUFFIXES}
    return MappingProxyType({suffix: reader for suffix, reader in owners.items() if isinstance(reader, HasParts)})


def is_image(path: Path) -> bool:
    """Tell whether a file is meant as an image: by its suffix or, where its format needs none, by its first bytes."""
    suffix = suffix_of(path)
    if suffix in suffixes():
        return True
    if (suffix and not suffix[1:].isdigit()) or path.name == "DICOMDIR":  # 1.2.840.113619.2.5 has no suffix
        return False
    if not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            head = file.read(HEAD)
    except OSError:
        return False
    return any(reader.recognises(head, "") for reader in all_readers().values() if "" in reader.SUFFIXES)


def read_image(path: Path, frame: int = 0, intensity: Intensity = AUTO, axes: str = "") -> Image:
    """Read one frame as a picture.

    Parameters
    ----------
    path : the file
    frame : which of its frames, from 0
    intensity : which values are black and white
    axes : what the axes of an array mean

    Raises
    ------
    ImageError : with the reason, which does not name the path, if the file cannot be read or has no such frame.
    """
    if frame < 0:
        raise ImageError(f"frame {frame} was asked for; frames count from 0")
    with closing(read_images(path, intensity, Sampling(numbers=(frame,)), axes)) as images:
        image = next((image for image in images if image.number == frame), None)
    if image is None:
        raise ImageError(f"has no frame {frame}, which was asked for; frames count from 0")
    return image


def read_images(
    path: Path, intensity: Intensity = AUTO, sampling: Sampling | None = None, axes: str = ""
) -> Generator[Image, None, None]:
    """Read every frame of a multi-frame DICOM, page of a TIFF, slice of a NIfTI volume, item of an array or frame of a video.

    Parameters
    ----------
    path : the file
    intensity : which values are black and white
    sampling : which frames of a video are read; None reads all. Of other files all are read.
    axes : what the axes of an array mean (`readers.arrays.open_with_axes`); "" leaves it to its shape

    Yields
    ------
    Image whose `source` is the path, with ``#k`` behind it where the file holds more than one frame.

    Raises
    ------
    ImageError : with the reason, which does not name the path: missing, empty, truncated, no permission, not an image inside,
        more than 100 megapixels (from the header, before decoding), infinite pixels, a segmentation, ... A file that is damaged
        far behind its start may yield good frames first.
    """
    with opened(path, sampling, axes) as file:
        if file.refers_to is not None:
            raise ImageError("is a segmentation, which marks findings in other files and is no picture")
        for frame in file.frames:
            with _failures_explained(path), quiet:
                pixels = picture(frame, intensity)
            number = frame.number or 0
            source = f"{path}#{number}" if file.total > 1 or frame.seconds is not None else str(path)
            yield Image(pixels, frame.spacing, source, number, frame.seconds)


@contextmanager
def opened(path: Path, sampling: Sampling | None = None, axes: str = "", mask: bool = False) -> Iterator[FileFrames]:
    """Open a file by the reader that recognises it; it is closed at the end of the block. Its frames know their numbers.

    Parameters
    ----------
    path : the file
    sampling : which frames of a video are read; None reads all. Of other files all are read.
    axes : what the axes of an array mean (`readers.arrays.open_with_axes`); "" leaves it to its shape
    mask : whether the mask is meant, of a file that may hold a picture, too; `axes` are those of its image

    Raises
    ------
    ImageError : with the reason, which does not name the path, here and while its frames are read.
    """
    with ExitStack() as stack:
        with _failures_explained(path), quiet:
            if not path.is_file() and path.exists() and not path.is_dir():
                raise ImageError("is a pipe, a socket or a device, of which a reader may wait for ever")
            content = _open_frames(stack.enter_context(path.open("rb")), path, axes, mask)
            if sampling and content.sampled:
                content = content.sampled(sampling)
        yield content._replace(frames=_explained(content.frames, path))


@contextmanager
def opened_content(content: bytes) -> Iterator[FileFrames]:
    """Open what a file holds from memory, by its first bytes alone: a picture, a TIFF or a DICOM file.

    Raises
    ------
    ImageError : as `opened`.
    """
    nowhere = Path("in memory")
    with _failures_explained(nowhere), quiet:
        readers = [all_readers()[name] for name in IN_MEMORY]
        reader = next((reader for reader in readers if reader.recognises(content[:HEAD], "")), None)
        if reader is None:
            raise ImageError("is no picture, TIFF or DICOM file inside" if content else "empty file")
        found = reader.open_frames(cast(BufferedReader, BytesIO(content)))  # which has all but a name
    yield found._replace(frames=_explained(found.frames, nowhere))


def _explained(frames: Iterator[StoredFrame], path: Path) -> Iterator[StoredFrame]:
    for number in count():
        with _failures_explained(path), quiet:
            frame = next(frames, None)
        if frame is None:
            return
        yield frame if frame.number is not None else frame._replace(number=number)


def count_frames(path: Path, sampling: Sampling | None = None, axes: str = "") -> int:
    """Return how many frames `read_images` yields of a file, from its header.

    Parameters
    ----------
    path : the file
    sampling : which frames of a video are read; None reads all
    axes : what the axes of an array mean

    Raises
    ------
    ImageError : with the reason, which does not name the path, if the header cannot be read.
    """
    with opened(path, sampling, axes) as file:
        return file.total


def _open_frames(file: BufferedReader, path: Path, axes: str, mask: bool) -> FileFrames:
    """Hand an opened file to the reader that recognises its first bytes."""
    suffix = suffix_of(path)
    if not is_image(path):
        raise ImageError(f"suffix '{suffix}' is not supported; docs/formats.md lists those that are")
    head = file.read(HEAD)
    if not head:
        raise ImageError("empty file")
    reader = next((reader for reader in all_readers().values() if reader.recognises(head, suffix)), None)
    if reader is None:
        raise ImageError(f"is not an image inside, although it is named {suffix}")
    file.seek(0)
    if mask and isinstance(reader, HasMasks):
        return reader.open_mask(file, axes)
    return reader.open_with_axes(file, axes) if axes and isinstance(reader, HasAxes) else reader.open_frames(file)


@contextmanager
def _failures_explained(path: Path) -> Iterator[None]:
    """Turn any exception into an ImageError: decoders fail in any way on damaged files, and one file must never stop a run."""
    try:
        yield
    except ImageError:
        raise
    except Exception as error:
        raise ImageError(_reason(error, path)) from error


def _reason(error: Exception, path: Path) -> str:
    match error:
        case FileNotFoundError():
            return "no such file"
        case PermissionError():
            return "permission denied"
        case IsADirectoryError():
            return "is a folder, not a file"
        case MemoryError():
            return "needs more memory than there is"
    detail = " ".join(str(error).replace(str(path), "").split())[:120]
    return f"truncated, damaged or of a rare kind ({detail or type(error).__name__})"
