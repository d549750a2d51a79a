"""The addresses of the service."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from medgen import __version__
from medgen.service.answers import KINDS, Answer, DrawnMap, Form, look, maps_of, scores_of
from medgen.service.bodies import files_of, read_body
from medgen.service.desk import Desk
from medgen.service.guard import USE
from medgen.service.limits import Refusal
from medgen.verbs.in_memory.loaded import LoadedRun

router = APIRouter()


class Failure(BaseModel):
    """Why a request was refused, in one line."""

    error: str


REFUSED: dict[int | str, dict[str, Any]] = {
    status: {"model": Failure} for status in (401, 403, 404, 408, 413, 415, 422, 503, 504)
}
FRAMES = {
    "requestBody": {
        "required": True,
        "description": "A picture (PNG, JPEG, ...), a TIFF or a DICOM file, told by its first bytes, or a zip of these.",
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


MAPS = {
    "description": "The map",
    "content": {kind: {"schema": {"type": "string", "format": "binary"}} for kind in KINDS.values()},
}


class Health(BaseModel):
    """That the service is there."""

    status: str
    version: str
    runs: int
    waiting: int
    use: str = USE


class RunFacts(BaseModel):
    """What a run is, and what its threshold promises."""

    name: str
    backend: str
    size: int
    channels: int
    draws_maps: bool
    weights: str
    threshold: float | None
    false_alarm_rate: float | None
    normals: int | None
    use: str = USE


def desk_of(request: Request, run: str) -> Desk:
    """Return where requests for a run wait.

    Raises
    ------
    Refusal : 404 if there is none of that name.
    """
    desk: Desk | None = request.app.state.desks.get(run)
    if desk is None:
        raise Refusal(404, "there is no run of this name; /runs lists those there are")
    return desk


@router.get("/health", summary="Whether the service is there")
async def health(request: Request) -> Health:
    """Say that the service is up, and how many requests it has at hand."""
    desks: dict[str, Desk] = request.app.state.desks
    return Health(status="ok", version=__version__, runs=len(desks), waiting=sum(desk.waiting for desk in desks.values()))


@router.get("/runs", summary="The runs")
async def runs(request: Request) -> list[RunFacts]:
    """List the runs that answer."""
    return [RunFacts(**facts(name, desk)) for name, desk in request.app.state.desks.items()]


@router.get("/runs/{run}", summary="One run", responses={404: {"model": Failure}, 422: {"model": Failure}})
async def one_run(request: Request, run: str) -> RunFacts:
    """Say what a run is."""
    return RunFacts(**facts(run, desk_of(request, run)))


@router.post("/runs/{run}/score", summary="Score frames", responses=REFUSED, openapi_extra=FRAMES)
async def score(request: Request, run: str) -> Answer:
    """Return score, p-value and decision of each frame; files of a zip that cannot be read are listed."""
    desk, limits = desk_of(request, run), request.app.state.limits
    async with desk.place():
        body = await read_body(request, limits)
        return await desk.serve(lambda loaded: scores_of(run, loaded, look(loaded, files_of(body, limits), limits.frames)))


@router.post(
    "/runs/{run}/map", summary="Draw maps", responses={200: MAPS, **REFUSED}, openapi_extra=FRAMES, response_class=Response
)
async def draw_map(request: Request, run: str, form: Form = "png") -> Response:
    """Return the map of each frame at the size of the frame, in a zip where there are several.

    `png` is of 16 bits and says in its text how levels become scores, `overlay` is the frame with the map in colours over it, and
    `dicom` is a secondary capture with the patient and the study of the DICOM file that came.
    """
    desk, limits = desk_of(request, run), request.app.state.limits
    async with desk.place():
        body = await read_body(request, limits)

        def drawn_of(loaded: LoadedRun) -> DrawnMap:
            return maps_of(loaded, look(loaded, files_of(body, limits), limits.frames), form, limits.unpacked)

        drawn = await desk.serve(drawn_of)
    return Response(drawn.content, media_type=drawn.kind)


def facts(name: str, desk: Desk) -> dict[str, Any]:
    """Return what is said of a run: nothing of where it lies, or who was in its data."""
    loaded = desk.run
    own, known = loaded.run.origin.prepare, loaded.calibration
    return {
        "name": name,
        "backend": loaded.run.settings.backend,
        "size": own.size,
        "channels": own.channels,
        "draws_maps": desk.draws_maps,
        "weights": loaded.run.weights_digest(),
        "threshold": known.get("value"),
        "false_alarm_rate": known.get("false_alarm_rate"),
        "normals": known.get("normals"),
    }
