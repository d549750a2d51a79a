"""The page as an application, and the server that shows it to this machine alone until it is stopped."""

from __future__ import annotations

import secrets
import signal
import socket
import threading
import time
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI

from medgen.errors import ConfigError
from medgen.service.app import answer_in_a_line
from medgen.service.guard import LOOPBACK, Guard
from medgen.service.view.routes import ERRORS, PUBLIC, data_routes, page_routes, refused
from medgen.service.view.viewer import Viewer

HERE = "127.0.0.1"
ENDS = (signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else []))  # the last: a closed terminal


def view_app(viewer: Viewer, token: str, used: Callable[[], None] = lambda: None) -> FastAPI:
    """Return the application, behind the guard of the service: it goes by this machine's own names alone.

    Parameters
    ----------
    viewer : what is shown
    token : what each request for data carries as ``Authorization: Bearer TOKEN``
    used : called at each request
    """
    app = FastAPI(title="medgen view", docs_url=None, redoc_url=None, openapi_url=None)
    app.include_router(data_routes(viewer), prefix="/view/data")
    app.include_router(page_routes(), prefix="/view")
    answer_in_a_line(app)
    for kind in ERRORS:
        app.add_exception_handler(kind, refused)
    app.add_middleware(Guard, token=token, hosts=LOOPBACK, public=PUBLIC, on_request=lambda noted: used())
    app.openapi()  # FastAPI would make its fields at the first request, and swap filters of warnings while other threads compute
    return app


class _Server(uvicorn.Server):
    """Ends well when it is told to end: nobody waits for a frame any longer, and what was dropped can be removed."""

    give_up: Callable[[], None]

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.give_up()
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in ENDS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


class Server:
    """Shows a viewer's page on this machine.

    Attributes
    ----------
    address : with the token, as the browser is to open it
    """

    def __init__(self, viewer: Viewer, port: int = 0, idle: float | None = None) -> None:
        """Take a port; 0 for a free one.

        Parameters
        ----------
        idle : minutes without a request after which it stops; None for never

        Raises
        ------
        ConfigError : if the port is taken.
        """
        self._viewer, self._idle, self._last = viewer, idle, time.monotonic()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind((HERE, port))
            self._socket.listen()  # whoever comes early waits
        except OSError as error:
            self._socket.close()
            raise ConfigError(
                f"port {port} cannot be had ({error.strerror}); choose another --port, or none for a free one"
            ) from None
        token = secrets.token_urlsafe(32)
        self.address = f"http://{HERE}:{self._socket.getsockname()[1]}/view/#token={token}"
        app = view_app(viewer, token, self._used)
        self._server = _Server(uvicorn.Config(app, log_level="critical", access_log=False, timeout_graceful_shutdown=2))
        self._server.give_up = viewer.scorer.give_up

    def run(self, browser: bool = True) -> None:
        """Show the page until Ctrl-C, or until nobody has looked for so long; `browser` opens it."""
        self._viewer.start()
        self._used()
        if self._idle is not None:
            threading.Thread(target=self._watch, args=(60 * self._idle,), daemon=True).start()
        if browser:
            threading.Thread(target=webbrowser.open, args=(self.address,), daemon=True).start()
        try:
            self._server.run([self._socket])
        finally:
            self.close()

    def close(self) -> None:
        """Give the port back, and remove what was dropped on the page."""
        self._viewer.stop()
        self._socket.close()

    def stop(self) -> None:
        """Let `run` return."""
        self._server.should_exit = True

    def _used(self) -> None:
        self._last = time.monotonic()

    def _watch(self, seconds: float) -> None:
        while (left := self._last + seconds - time.monotonic()) > 0:
            time.sleep(min(left, 1.0))
        self.stop()
