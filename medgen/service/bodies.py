"""What a request brings, read into memory piece by piece and never onto a disk, and refused as soon as it is too much."""

from __future__ import annotations

import asyncio
import zipfile
import zlib
from io import BytesIO

from starlette.requests import ClientDisconnect, Request

from medgen.data.images import HEAD
from medgen.data.readers import dicom
from medgen.data.readers._dicom_deflate import inflates_beyond
from medgen.service.limits import Limits, Refusal
from medgen.verbs.in_memory.uploads import Upload

ZIP = b"PK\x03\x04", b"PK\x05\x06"  # how an archive begins, and one without files
PIECE = 1 << 16
LEFT_OUT = ("__MACOSX/", ".")  # how what programs add to archives by themselves begins


async def read_body(request: Request, limits: Limits) -> bytes:
    """Return the body of a request.

    Raises
    ------
    Refusal : 413 if it is larger than it may be, 408 if it does not arrive in time, 415 for a form, 422 if it is empty.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in ("multipart/form-data", "application/x-www-form-urlencoded"):
        raise Refusal(415, "a form came; send the bytes of the file alone, as `curl --data-binary @FILE -H Content-Type:` does")
    too_much = Refusal(413, f"the body is larger than {limits.body:,} bytes; send less at once, or raise --max-body")
    stated = request.headers.get("content-length", "")
    if stated.isdigit() and int(stated) > limits.body:
        raise too_much
    body = bytearray()
    try:
        async with asyncio.timeout(limits.seconds):
            async for piece in request.stream():
                if len(body) + len(piece) > limits.body:
                    raise too_much
                body += piece
    except TimeoutError:
        raise Refusal(408, f"the body did not arrive within {limits.seconds:g} seconds") from None
    except ClientDisconnect:
        raise Refusal(400, "the body ended early") from None
    if not body:
        raise Refusal(422, "the body is empty; expected a picture, a TIFF, a DICOM file or a zip of these")
    return bytes(body)


def files_of(body: bytes, limits: Limits) -> list[Upload]:
    """Return the files of a zip, or the one file that a body is, called "frame".

    Raises
    ------
    Refusal : 413 if a zip, or a deflated DICOM file, holds more files or bytes than it may, 422 if it cannot be unpacked.
    """
    if not body.startswith(ZIP):
        _check_inflated(body, limits.unpacked)
        return [Upload("frame", body)]
    try:
        with zipfile.ZipFile(BytesIO(body)) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir() and not _is_left_out(entry.filename)]
            if len(entries) > limits.frames:
                raise Refusal(413, f"the zip holds {len(entries)} files; at most {limits.frames} are taken at once")
            files, room = [], limits.unpacked
            for entry in entries:
                content = _unpacked(archive, entry, room)
                _check_inflated(content, room)
                room -= len(content)
                files.append(Upload(entry.filename, content))
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError, ValueError) as error:
        raise Refusal(
            422, f"the zip cannot be unpacked: truncated, damaged, encrypted or of a rare kind ({type(error).__name__})"
        ) from None
    if not files:
        raise Refusal(422, "the zip holds no files")
    return files


def _unpacked(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, room: int) -> bytes:
    """Return a file of a zip, of no more bytes than there is room for, whatever its header says."""
    content = bytearray()
    with archive.open(entry) as file:
        while piece := file.read(PIECE):
            content += piece
            if len(content) > room:
                raise Refusal(413, "the zip is too large once it is unpacked; send fewer files at once")
    return bytes(content)


def _check_inflated(content: bytes, room: int) -> None:
    """Refuse a deflated DICOM file that inflates to more than there is room for."""
    if not dicom.recognises(content[:HEAD], ""):
        return
    try:
        larger = inflates_beyond(BytesIO(content), room)
    except Exception:  # of a damaged file, which the reader names as one
        return
    if larger:
        raise Refusal(413, "a DICOM file is too large once it is inflated; send it uncompressed or compressed frame by frame")


def _is_left_out(name: str) -> bool:
    return name.startswith(LEFT_OUT[0]) or name.rpartition("/")[2].startswith(LEFT_OUT[1])
