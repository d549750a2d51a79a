"""The application: which addresses there are, and what stands behind each.

`make_app` makes it of runs that are in memory. The page of ``medgen view`` is an application of its own behind the same guard.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import Request

from medgen import __version__
from medgen.service import page
from medgen.service.desk import Desk
from medgen.service.guard import LOOPBACK, USE, Guard, OnRequest
from medgen.service.limits import Limits, Refusal
from medgen.service.routes import router
from medgen.verbs.in_memory.loaded import LoadedRun

PUBLIC = ("/health", "/docs", "/docs.css", "/openapi.json")  # need no token: they name no run
ABOUT = (
    f"Scores and maps of frames by runs of medgen: {USE}. A score is raw, higher is more anomalous; the p-value says how rare it "
    "is among the normal validation frames; the decision is made at the threshold of the run. Nothing is written or kept."
)


def make_app(
    runs: Mapping[str, LoadedRun],
    *,
    token: str = "",
    hosts: Collection[str] = LOOPBACK,
    limits: Limits | None = None,
    on_request: OnRequest | None = None,
) -> FastAPI:
    """Return an application that answers for runs in memory.

    ``app.state.desks`` has a `Desk` for each, by its name; ``app.state.stopping`` is an event to set when it is about to stop.

    Parameters
    ----------
    runs : by the names that they have in addresses
    token : that each request has to show; "" for none
    hosts : names by which the service goes; none for whichever, which takes a token to be safe
    limits : how much is taken on
    on_request : is told of each request once it is answered
    """
    limits = limits or Limits()
    desks = {name: Desk(run, limits) for name, run in runs.items()}

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        for desk in desks.values():
            desk.close()

    app = FastAPI(title="medgen", version=__version__, description=ABOUT, docs_url=None, redoc_url=None, lifespan=lifespan)
    app.router.redirect_slashes = False  # it would send whoever came by TLS and a proxy on to plain HTTP, with the token
    app.state.desks, app.state.limits, app.state.stopping = desks, limits, asyncio.Event()
    app.include_router(router)
    app.include_router(page.router)
    app.add_exception_handler(Refusal, _refused)
    answer_in_a_line(app)
    app.add_middleware(Guard, token=token, hosts=hosts, public=PUBLIC, on_request=on_request, stopping=app.state.stopping)
    return app


def answer_in_a_line(app: FastAPI) -> None:
    """Let an application say in one line, as `Guard` does, that there is no such address, method or parameter."""
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _invalid)


def _answer(status: int, reason: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"error": reason}, status, headers)


async def _refused(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Refusal)
    headers = {name.replace("_", "-"): value for name, value in error.headers.items()}
    return _answer(error.status, str(error), {**headers, "Connection": "close"})  # what was not read of a body is never read


async def _http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    listed = any(getattr(route, "path", "") == "/docs" for route in request.app.routes)
    words: dict[int, str] = {
        404: "there is nothing at this address" + ("; /docs lists what there is" if listed else ""),
        405: "this address takes another method" + ("; /docs says which" if listed else ""),
    }
    return _answer(error.status_code, words.get(error.status_code, str(error.detail)), error.headers)


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    """Say which parameter is wrong, and nothing that was sent."""
    assert isinstance(error, RequestValidationError)
    first: Any = error.errors()[0]
    return _answer(422, f"{' '.join(map(str, first['loc']))}: {first['msg']}")
