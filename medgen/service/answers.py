"""What a run says of files: scores as values, maps as files in memory."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from typing import Any, Literal, NamedTuple
from zipfile import ZIP_STORED, ZipFile

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from medgen.data.writers.export import dicom_of, png_of, read_header, scale_between
from medgen.errors import BackendError, DataError
from medgen.files import disk_name, json_values
from medgen.report.markup import distinct
from medgen.runs.localising.regions import crop_maps
from medgen.runs.score_table import ScoreTable
from medgen.runs.scores import map_level
from medgen.runs.to_image import png
from medgen.service.guard import USE
from medgen.service.limits import Refusal
from medgen.verbs.in_memory.loaded import LoadedRun, on_frame
from medgen.verbs.in_memory.uploads import Opened, Upload, open_uploads, picture_of
from medgen.verbs.maps import overlaid

Form = Literal["png", "overlay", "dicom"]
KINDS = {"png": "image/png", "overlay": "image/png", "dicom": "application/dicom", "zip": "application/zip"}
SUFFIXES = {"png": ".png", "overlay": ".png", "dicom": ".dcm"}


class FrameScore(BaseModel):
    """What a run makes of a frame; numbers are null where it has no score, and `status` says why."""

    name: str
    score: float | None
    p_value: float | None
    quantile: float | None
    abnormal: bool | None
    status: str
    valid_share: float
    components: dict[str, float | None]


class Unread(BaseModel):
    """A file that could not be read."""

    name: str
    error: str


class Answer(BaseModel):
    """What a run makes of the frames of a request."""

    run: str
    threshold: float | None
    false_alarm_rate: float | None
    frames: list[FrameScore]
    unread: list[Unread]
    use: str = USE


class DrawnMap(NamedTuple):
    """A map as a file, or a zip of several."""

    content: bytes
    kind: str


class Seen(NamedTuple):
    """Files, and the scores of their frames."""

    uploads: Sequence[Upload]
    opened: Opened
    scored: ScoreTable


def look(run: LoadedRun, uploads: Sequence[Upload], most: int) -> Seen:
    """Score files.

    Raises
    ------
    DataError : if there is no frame in them.
    """
    opened = open_uploads(run.run, uploads, most)
    if opened.data is None:
        name, reason = opened.refused[0]
        raise DataError(f"the {name if len(uploads) == 1 else 'first file'} cannot be read: {reason}")
    return Seen(uploads, opened, run.see(opened.data).scored)


def scores_of(name: str, run: LoadedRun, seen: Seen) -> Answer:
    """Return the scores of files as values; `name` is that of the run."""
    table = seen.scored.table
    known, parts = run.calibration, [column for column in map(str, table) if column.startswith("component_")]
    rows = json_values(table.assign(p_value=seen.scored.p_values()).to_dict("records"))
    frames = [
        FrameScore(
            name=row["path"],
            score=row["score"],
            p_value=row["p_value"],
            quantile=row.get("quantile"),
            abnormal=row.get("abnormal"),
            status=row["status"],
            valid_share=row["valid_share"],
            components={part.removeprefix("component_"): row[part] for part in parts},
        )
        for row in rows
    ]
    unread = [Unread(name=of, error=reason) for of, reason in seen.opened.refused]
    rate = known.get("false_alarm_rate")
    return Answer(run=name, threshold=known.get("value"), false_alarm_rate=rate, frames=frames, unread=unread)


def maps_of(run: LoadedRun, seen: Seen, form: Form, room: int) -> DrawnMap:
    """Return the maps of files on the frames as they came: one file, or a zip where there are several frames.

    All of a request share one scale, from their lowest to their highest score, as those of `medgen maps` do.

    Parameters
    ----------
    room : bytes that several maps may have together

    Raises
    ------
    Refusal : 413 if they have more.
    BackendError : if the backend draws no maps.
    DataError : if no frame has a score, or a DICOM map is wanted of what is no DICOM file.
    """
    scored = seen.scored
    if scored.maps is None and scored.table["score"].notna().any():
        raise BackendError(f"'{scored.run.settings.backend}' scores whole frames and draws no maps")
    if scored.maps is None or not np.isfinite(scored.maps).any():
        raise DataError("no frame shows enough to be scored, so there is no map")
    names = distinct([disk_name(name) for name in scored.table["path"]])  # an archive may hold two of one name
    files: list[tuple[str, bytes]] = []
    for k, crop in enumerate(crop_maps(scored)):
        content = _drawn(run, seen, k, on_frame(scored, k, crop), form)
        room -= len(content)
        if files and room < 0:
            raise Refusal(413, "the maps of these frames are too large together; send fewer frames at once, or take png")
        files.append((names[k] + SUFFIXES[form], content))
    if len(files) == 1:
        return DrawnMap(files[0][1], KINDS[form])
    buffer = BytesIO()
    with ZipFile(buffer, "w", ZIP_STORED) as archive:  # pictures are compressed already
        for name, content in files:
            archive.writestr(name, content)
    return DrawnMap(buffer.getvalue(), KINDS["zip"])


def _drawn(run: LoadedRun, seen: Seen, k: int, score_map: NDArray[np.float32], form: Form) -> bytes:
    place, number = seen.opened.origins[k]
    if form == "overlay":
        level = map_level(run.run)  # in the middle of the colours
        return png(overlaid(picture_of(run.run, seen.uploads[place], number), score_map, 2 * level, level))
    if form == "dicom":
        buffer = BytesIO()
        secondary_capture(run, seen, k, score_map).save_as(buffer, enforce_file_format=True)
        return buffer.getvalue()
    return png_of(score_map, _scale(seen))


def secondary_capture(run: LoadedRun, seen: Seen, k: int, score_map: NDArray[np.float32]) -> Any:
    """Return the map of frame k as a DICOM data set of its own, whose comment says score and decision.

    Raises
    ------
    DataError : if the frame came in no DICOM file.
    """
    place, number = seen.opened.origins[k]
    header = read_header(BytesIO(seen.uploads[place].content))
    if "SOPClassUID" not in header:
        raise DataError("a map as DICOM is made of frames of DICOM files alone; ask for png or overlay")
    row = {**seen.scored.table.iloc[k].to_dict(), "p_value": seen.scored.p_values()[k]}
    said, high = comment(json_values(row)), 2 * map_level(run.run)
    return dicom_of(score_map, _scale(seen), header, number, run.run.weights_digest(), high, said)


def comment(row: dict[str, Any]) -> str:
    """Return score, p-value and decision in a line."""
    if row["score"] is None:
        return f"medgen: no score: {row['status']}. For {USE}."
    rare = f", p {row['p_value']:.4g}" if row["p_value"] is not None else ""
    decision = {True: ", above the threshold", False: ", not above the threshold"}.get(row.get("abnormal"), "")  # type: ignore[arg-type]
    return f"medgen: score {row['score']:.6g}{rare}{decision}. For {USE}."


def _scale(seen: Seen) -> Any:
    maps = seen.scored.maps
    assert maps is not None
    return scale_between(float(np.nanmin(maps)), float(np.nanmax(maps)))
