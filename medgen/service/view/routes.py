"""The addresses of the page and of what it asks for; all but its own files want the token."""

from __future__ import annotations

import re
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel, Field

from medgen import report
from medgen.errors import DataError, MedgenError, in_one_line
from medgen.runs.to_image import png
from medgen.service.limits import Refusal
from medgen.service.view.frames import shrunk
from medgen.service.view.looks import GivenUpError, Look
from medgen.service.view.marks import LONGEST
from medgen.service.view.viewer import Viewer, palette

OWN = Path(__file__).parent / "page"
SHARED = Path(report.__file__).parent
SCRIPTS = {"study.js": SHARED / "study/study.js"} | {path.name: path for path in OWN.glob("*.js")}
PUBLIC = ("/view/", "/view/view.css", *(f"/view/{name}" for name in SCRIPTS))  # what a browser loads before it shows its token
STYLES = (SHARED / "page.css", SHARED / "study/study.css", OWN / "view.css")
WHOLE, THUMBNAIL = 1024, 72  # pixels along the longer side
NOTHING = "there is nothing at this address"
PAGE = 5000  # frames of the list, or scores, that one answer holds


class Marking(BaseModel):
    """What a reader says of a frame."""

    frame: int = Field(ge=0)
    reader: str = Field(min_length=1, max_length=LONGEST)
    marked: bool = True
    note: str = Field("", max_length=LONGEST)


def page_routes() -> APIRouter:
    """Return the page itself, which holds nothing of any frame (`PUBLIC`)."""
    router = APIRouter()

    @router.get("/")
    def page() -> Response:
        return Response((OWN / "view.html").read_bytes(), media_type="text/html")

    @router.get("/view.css")
    def style() -> Response:
        return Response(styles(), media_type="text/css")

    @router.get("/{name}.js")
    def script(name: str) -> Response:
        if f"{name}.js" not in SCRIPTS:
            raise Refusal(404, NOTHING)
        return Response(SCRIPTS[f"{name}.js"].read_bytes(), media_type="text/javascript")

    return router


@cache
def styles() -> str:
    """Return the style of reports, switched by hand as by the system, and what the page adds to it."""
    shared, *others = (path.read_text(encoding="utf-8") for path in STYLES)
    dark = re.search(r"@media screen and \(prefers-color-scheme: dark\) \{\s*:root \{(.*?)\}\s*\}", shared, re.DOTALL)
    light = re.search(r":root \{(.*?)\}", shared, re.DOTALL)
    assert dark and light
    by_hand = f':root[data-theme="light"] {{{light[1]}color-scheme: light; }}\n'
    by_hand += f':root[data-theme="dark"] {{{dark[1]}color-scheme: dark; }}\n'
    return "\n".join([shared, by_hand, *others])


def data_routes(viewer: Viewer) -> APIRouter:
    """Return what the page asks for: the list, scores, pictures and maps, marks, and where frames are dropped."""
    router = APIRouter()
    _add_list(router, viewer)
    _add_pictures(router, viewer)
    _add_changes(router, viewer)
    return router


def _add_list(router: APIRouter, viewer: Viewer) -> None:
    @router.get("/about")
    def about() -> dict[str, Any]:
        return viewer.about()

    @router.get("/state")
    def state() -> dict[str, Any]:
        return viewer.state()

    @router.get("/palette")
    def colours() -> Response:
        return Response(palette(), media_type="application/octet-stream")

    @router.get("/frames")
    def frames(start: int = 0, count: int = PAGE) -> list[list[str]]:
        part = viewer.frames.part(max(0, start), min(max(0, count), PAGE))
        return [[frame.shown, frame.label, frame.finding] for frame in part]

    @router.get("/scores")
    def scores(since: int = 0, count: int = PAGE) -> list[list[Any]]:
        found = viewer.scorer.since(max(0, since), min(max(0, count), PAGE))
        return [[number, *([facts.get("score"), facts.get("abnormal")] for facts in by_run)] for number, by_run in found]

    @router.get("/marks")
    def marks() -> list[dict[str, Any]]:
        by_path: dict[str, list[int]] = {}
        for number, frame in enumerate(viewer.frames.part(0, len(viewer.frames))):
            by_path.setdefault(frame.path, []).append(number)
        found = [(number, mark) for mark in viewer.marks.all() for number in by_path.get(mark.path, [])]
        return [_said(number, mark) for number, mark in found]


def _said(number: int, mark: Any) -> dict[str, Any]:
    """Return a mark with the number of its frame and without its path, which a blind reader is not to see."""
    return {"frame": number, "reader": mark.reader, "marked_at": mark.marked_at, "note": mark.note}


def _add_pictures(router: APIRouter, viewer: Viewer) -> None:
    def look(number: int, run: int) -> Look:
        _known(viewer, number)
        looks = viewer.scorer.look(number)
        if not 0 <= run < len(looks):
            raise Refusal(404, NOTHING)
        return looks[run]

    @router.get("/frames/{number}")
    def facts(number: int) -> dict[str, Any]:
        frame = _known(viewer, number)
        looks = viewer.scorer.look(number)
        return {"name": frame.shown, "label": frame.label, "finding": frame.finding, "runs": [one.facts for one in looks]}

    @router.get("/frames/{number}/thumbnail")
    def thumbnail(number: int) -> Response:
        frame = _known(viewer, number)
        return _webp(shrunk(frame.source.picture(frame, THUMBNAIL), THUMBNAIL), 80)

    @router.get("/frames/{number}/whole")
    def whole(number: int) -> Response:
        frame = _known(viewer, number)
        return _webp(shrunk(frame.source.picture(frame, WHOLE), WHOLE), 92)

    @router.get("/frames/{number}/runs/{run}/crop")
    def crop(number: int, run: int) -> Response:
        return _png(look(number, run).crop)

    @router.get("/frames/{number}/runs/{run}/reconstruction")
    def reconstruction(number: int, run: int) -> Response:
        return _png(look(number, run).reconstruction)

    @router.get("/frames/{number}/runs/{run}/map")
    def scores_of_pixels(number: int, run: int) -> Response:
        """Return float32 in rows, least byte first, NaN where no tissue is shown; without a map 0 where there is tissue."""
        found = look(number, run)
        empty = np.where(found.valid, np.float32(0), np.float32(np.nan))
        scores = empty if found.scores is None else found.scores
        return Response(np.ascontiguousarray(scores, dtype="<f4").tobytes(), media_type="application/octet-stream")

    @router.get("/frames/{number}/runs/{run}/nearest")
    def nearest(number: int, run: int) -> dict[str, Any]:
        look(number, run)
        return viewer.nearest[run].of(viewer.frames[number])

    @router.get("/runs/{run}/training/{row}")
    def training(run: int, row: int) -> Response:
        if not 0 <= run < len(viewer.nearest):
            raise Refusal(404, NOTHING)
        return _png(viewer.nearest[run].picture(row))


def _add_changes(router: APIRouter, viewer: Viewer) -> None:
    @router.post("/marks")
    def mark(marking: Marking) -> dict[str, Any] | None:
        reader = marking.reader.strip()
        if not reader:
            raise DataError("a mark needs the reader's name")
        made = viewer.marks.set(_known(viewer, marking.frame).path, reader, marking.marked, marking.note)
        return None if made is None else _said(marking.frame, made)

    @router.post("/drop")
    async def drop(request: Request, name: str) -> dict[str, int]:
        """Take the bytes of one file; they go to the private folder piece by piece, never whole into memory."""
        from starlette.concurrency import run_in_threadpool

        entry = viewer.place_for(name)
        try:
            with entry.path.open("xb") as file:
                async for piece in request.stream():
                    if not viewer.takes(len(piece)):
                        raise Refusal(413, "the dropped frames are larger than what a page takes; name their folder instead")
                    file.write(piece)
            return {"added": await run_in_threadpool(viewer.take, entry)}
        except BaseException:  # what is not shown is not kept, nor the beginning of what never arrived
            entry.path.unlink(missing_ok=True)
            raise


def _known(viewer: Viewer, number: int) -> Any:
    if not 0 <= number < len(viewer.frames):
        raise Refusal(404, f"there is no frame {number}; there are {len(viewer.frames)}, counted from 0")
    return viewer.frames[number]


def _webp(pixels: NDArray[np.uint8], quality: int) -> Response:
    stream = BytesIO()
    Image.fromarray(pixels).save(stream, "webp", quality=quality, method=1)
    return Response(stream.getvalue(), media_type="image/webp")


def _png(pixels: NDArray[np.uint8] | None) -> Response:
    if pixels is None:
        raise Refusal(404, NOTHING)
    return Response(png(pixels[..., 0] if pixels.shape[2] == 1 else pixels), media_type="image/png")


async def refused(request: Request, error: Exception) -> Response:
    """Answer an error that a user can act on in one line."""
    if isinstance(error, GivenUpError):
        return JSONResponse({"error": "given up, as others were asked for"}, 409)
    status = error.status if isinstance(error, Refusal) else 422
    return JSONResponse({"error": str(error) if isinstance(error, Refusal) else in_one_line(error)}, status)


ERRORS = (Refusal, MedgenError, GivenUpError)  # that `refused` answers
