"""The addresses of the service."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel

from medgen import __version__
from medgen.service.desk import Desk
from medgen.service.guard import USE
from medgen.service.limits import Refusal

router = APIRouter()


class Failure(BaseModel):
    """Why a request was refused, in one line."""

    error: str


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


@router.get("/runs/{run}", summary="One run", responses={404: {"model": Failure}})
async def one_run(request: Request, run: str) -> RunFacts:
    """Say what a run is."""
    return RunFacts(**facts(run, desk_of(request, run)))


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
