"""What stands before every request: who may ask, what is noted of it, and how a failure is told.

A page of any site may send requests to this machine, and a name of its own may lead here (DNS rebinding). So the name by which a
service was reached has to be one that it goes by, and a request that a page makes has to come from a page of the service itself.
"""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import json
import time
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from contextlib import suppress
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from medgen.errors import MedgenError, in_one_line
from medgen.service.limits import STOPS, Refusal

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
OnRequest = Callable[["Noted"], None]

USE = "research use only, never for diagnosis"
PASSED_OVER, PATIENCE = 1_000_000, 2.0  # bytes and seconds of a body that is refused
LOOPBACK = ("localhost", "127.0.0.1", "::1")
ALWAYS = (b"medgen-use", USE.encode()), (b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store")
POLICY = b"default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data: blob:; connect-src 'self'; " + (
    b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class Noted(NamedTuple):
    """All that is noted of a request: no name, no value and no address in it.

    Attributes
    ----------
    route : the pattern that the path fits, "/runs/{run}/score", never the path itself; "-" where it fits none
    milliseconds : until the last byte of the answer was handed over
    """

    method: str
    route: str
    status: int
    milliseconds: float


def is_loopback(host: str) -> bool:
    """Tell whether an address is reached from this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


class Guard:
    """An ASGI application around another.

    Parameters
    ----------
    app : what answers the requests that may pass
    token : that a request has to show as ``Authorization: Bearer TOKEN``; "" for none
    hosts : names by which the service goes, without a port; none for whichever
    public : paths that need no token, as nothing about runs or frames is said there
    on_request : is told of each request once it is answered
    stopping : set when the service stops, which waits for no body that is still arriving
    """

    def __init__(
        self,
        app: App,
        *,
        token: str,
        hosts: Collection[str],
        public: Collection[str],
        on_request: OnRequest | None,
        stopping: asyncio.Event | None = None,
    ) -> None:
        self._app, self._token, self._public, self._on_request = app, token.encode(), public, on_request
        self._stopping = stopping or asyncio.Event()
        self._hosts = {host.lower() for host in hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun, status, arrives, method = time.monotonic(), 0, True, scope["method"]
        inner = {**scope, "method": "GET"} if method == "HEAD" else scope  # the same headers, and no body

        async def receiving() -> MutableMapping[str, Any]:
            nonlocal arrives
            if not (message := await (_unless(self._stopping, receive) if arrives else receive())):
                arrives = False
                raise Refusal(*STOPS)
            arrives = message["type"] == "http.request" and message.get("more_body", False)
            return message

        async def noting(message: MutableMapping[str, Any]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if status >= 400 and arrives:
                    await _pass_over(receiving, lambda: arrives)
                message["headers"] = [*_with_always(message.get("headers", []))]
            elif method == "HEAD" and "body" in message:
                message["body"] = b""
            await send(message)

        try:
            self._check(scope)
            await self._app(inner, receiving, noting)
        except asyncio.CancelledError:  # the service stops, and waits no longer for what is still arriving
            arrives = False
            if not status:
                await _refuse(noting, Refusal(*STOPS))
            raise
        except Exception as error:  # of any kind: what a client is told names neither a file nor a value
            if status:
                raise
            await _refuse(noting, _refusal(error))
        finally:
            if self._on_request:
                route = getattr(inner.get("route"), "path", "-")
                self._on_request(Noted(method, route, status, 1000 * (time.monotonic() - begun)))

    def _check(self, scope: Scope) -> None:
        """Refuse who may not ask.

        Raises
        ------
        Refusal : 403 for a name or a page that is not the service's own, 401 without the token.
        """
        headers = dict(reversed(scope["headers"]))
        host = headers.get(b"host", b"").decode("latin-1")
        if self._hosts and _hostname(f"//{host}") not in self._hosts:
            raise Refusal(
                403, "this service is not known by the name in 'Host'; ask it at its address, or start it with --allow-host"
            )
        origin = headers.get(b"origin", b"").decode("latin-1")
        if origin and origin.partition("://")[2].lower() != host.lower():
            raise Refusal(403, "a page of another site asked; this service answers its own pages and programs")
        if self._token and scope["path"] not in self._public:
            scheme, _, shown = headers.get(b"authorization", b"").partition(b" ")
            if scheme.lower() != b"bearer" or not hmac.compare_digest(shown.strip(), self._token):
                raise Refusal(401, "the token is missing or wrong; send 'Authorization: Bearer TOKEN'", WWW_Authenticate="Bearer")


async def _unless(stopping: asyncio.Event, receive: Receive) -> MutableMapping[str, Any]:
    """Return what comes next, {} where the service stops before it is there."""
    coming, ended = asyncio.ensure_future(receive()), asyncio.ensure_future(stopping.wait())
    try:
        await asyncio.wait({coming, ended}, return_when=asyncio.FIRST_COMPLETED)
        return coming.result() if coming.done() else {}
    finally:
        coming.cancel()
        ended.cancel()


async def _pass_over(receive: Receive, arrives: Callable[[], bool]) -> None:
    """Read what is left of a short body: where a connection is closed on it, its client never sees the answer."""
    left = PASSED_OVER
    with suppress(TimeoutError, Refusal):
        async with asyncio.timeout(PATIENCE):
            while arrives() and left > 0:
                left -= len((await receive()).get("body", b""))


def _hostname(address: str) -> str:
    try:
        return (urlsplit(address).hostname or "").lower()
    except ValueError:
        return ""


def _with_always(headers: Collection[tuple[bytes, bytes]]) -> Collection[tuple[bytes, bytes]]:
    """Return the headers of an answer with those that each has; one that the answer has itself stays."""
    own = {name.lower() for name, _ in headers}
    return [*headers, *(pair for pair in (*ALWAYS, (b"content-security-policy", POLICY)) if pair[0] not in own)]


def _refusal(error: Exception) -> Refusal:
    if isinstance(error, Refusal):
        return error
    if isinstance(error, MedgenError):
        return Refusal(422, in_one_line(error))
    return Refusal(500, f"this is a bug in medgen or the machine's fault: {type(error).__name__}")


async def _refuse(send: Send, refusal: Refusal) -> None:
    body = json.dumps({"error": str(refusal)}).encode()
    headers = [(name.replace("_", "-").lower().encode(), value.encode()) for name, value in refusal.headers.items()]
    headers += [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
