"""Serve runs at an address until somebody says stop."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from threading import current_thread, main_thread
from typing import Any, NamedTuple

from medgen.data.quiet import quiet
from medgen.engine.device import Device
from medgen.errors import ConfigError, did_you_mean
from medgen.service.dicom_settings import DicomSettings
from medgen.service.guard import LOOPBACK, Noted, is_loopback
from medgen.service.limits import Limits
from medgen.types import OnProgress, Progress, no_progress
from medgen.verbs.in_memory.loaded import LoadedRun, load

BACKLOG = 64
NEEDS = "needs {}, not installed here: pip install 'medgen[{}]'"
SHORTEST = 16  # characters of a token
# Runs something beside the service for its desks, with its limits, while a block lasts; yields where that listens, or "".
Beside = Callable[[Mapping[str, Any], Limits, Callable[[Noted], None] | None], AbstractContextManager[str]]


class Serving(NamedTuple):
    """A service that is up.

    Attributes
    ----------
    address : where it answers, "http://127.0.0.1:8000"
    runs : the names of the runs in addresses
    dicom : where a DICOM node listens, "MEDGEN@127.0.0.1:11112"; "" without one
    stop : ends it, from any thread, once what was begun is answered
    """

    address: str
    runs: tuple[str, ...]
    dicom: str
    stop: Callable[[], None]


def serve(
    run_folders: Sequence[Path],
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    token: str = "",
    allow_hosts: Sequence[str] = (),
    limits: Limits | None = None,
    dicom: DicomSettings | None = None,
    device: Device = "auto",
    on_start: Callable[[Serving], None] | None = None,
    on_request: Callable[[Noted], None] | None = None,
    on_progress: OnProgress = no_progress,
) -> None:
    """Answer for runs over HTTP until SIGINT or SIGTERM comes; nothing is written.

    Parameters
    ----------
    run_folders : trained runs; in addresses each goes by the name of its folder
    host, port : where to listen; port 0 takes any that is free
    token : that each request has to show; needed unless `host` is this machine alone
    allow_hosts : further names by which the service is reached, such as that of a proxy
    limits : how much is taken on
    dicom : of a DICOM node beside it, at the same host (`dicom_node.DicomSettings`)
    device : "auto" takes a GPU where there is one
    on_start : is told once requests are answered
    on_request : is told of each request, without a word of what was in it

    Raises
    ------
    ConfigError : if FastAPI and uvicorn are not installed, the address cannot be had, two runs have one name, a further name is
        none, or others could reach the service without a token.
    RunError : if a folder is no run, or the run is not trained.

    Examples
    --------
    >>> api.serve([RUN], port=0, on_start=lambda service: service.stop())
    """
    if not token and not is_loopback(host):
        raise ConfigError(f"whoever reaches this machine could ask at '{host}', without a token: give --token-file FILE, "
                          "or stay at 127.0.0.1 (--host)")  # fmt: skip
    if token and len(token) < SHORTEST:
        raise ConfigError(f"the token has {len(token)} characters, which can be guessed; expected {SHORTEST} or more")
    for name in allow_hosts:
        if not name or {*name} & {*"/[]"} or name.count(":") == 1:  # a request names no scheme, and its port is no part of a name
            raise ConfigError(f"'{name}' is no name of a machine; give --allow-host the name alone, without scheme and port")
    try:
        import uvicorn

        from medgen.service.app import make_app
    except ImportError:
        raise ConfigError(f"`medgen serve` {NEEDS.format('FastAPI and uvicorn', 'serve')}") from None
    names = run_names(run_folders)
    beside = _node_beside(dicom, names, host)
    with listening(host, port) as listener:
        runs: dict[str, LoadedRun] = {}
        for name, folder in names.items():
            on_progress(Progress("load", len(runs), len(names)))
            runs[name] = load(folder, device=device)
        on_progress(Progress("load", len(runs), len(names)))
        hosts = (*LOOPBACK, host, *allow_hosts) if is_loopback(host) or allow_hosts else ()
        app = make_app(runs, token=token, hosts=hosts, limits=limits, on_request=on_request)
        server = uvicorn.Server(uvicorn.Config(app, timeout_graceful_shutdown=10, log_config=None, access_log=False,
                                               log_level="critical", server_header=False))  # fmt: skip
        with beside(app.state.desks, app.state.limits, on_request) as dicom_address:
            address = _address(listener)
            started = Serving(address, tuple(runs), dicom_address, lambda: setattr(server, "should_exit", True))
            with _signals_as_end(), quiet:  # a warning of a decoder may hold a value of a file, and the log is to hold none
                _run(server, listener, lambda: on_start(started) if on_start else None, app.state.stopping.set)


def _address(listener: socket.socket) -> str:
    at, port = listener.getsockname()[:2]
    return f"http://[{at}]:{port}" if ":" in at else f"http://{at}:{port}"


def _node_beside(dicom: DicomSettings | None, names: Collection[str], host: str) -> Beside:
    """Return what runs a DICOM node beside the service, where one is wanted; a fault of it is told before runs are loaded."""
    if dicom is None:
        return lambda *_: nullcontext("")
    try:
        from medgen.service.dicom_node import dicom_node, peer_of
    except ImportError:
        raise ConfigError(f"a DICOM node {NEEDS.format('pynetdicom', 'dicom-node')}") from None
    name = dicom.run or next(iter(names))
    if name not in names:
        raise ConfigError(f"there is no run '{name}'; {did_you_mean(name, names)}")
    if not is_loopback(host) and not dicom.callers:
        raise ConfigError(f"whoever reaches this machine could send to a DICOM node at '{host}': say who may, by --dicom-from")
    peer_of(dicom)
    return lambda desks, limits, on_request: dicom_node(desks[name], dicom, host, limits, on_request)


def run_names(folders: Sequence[Path]) -> dict[str, Path]:
    """Return the names by which runs go in addresses.

    Raises
    ------
    ConfigError : if there are none, or two of one name.
    """
    names = {folder.resolve().name: folder for folder in folders}
    if not names or len(names) < len(folders):
        raise ConfigError("expected one run or more, each of another name: the name of its folder stands in its address")
    return names


@contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """Take an address before the runs are loaded, so that one that is taken is told at once.

    Raises
    ------
    ConfigError : if it cannot be had.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
    except (OSError, OverflowError) as error:
        raise ConfigError(f"cannot listen at {host}, port {port}: {error}; choose another --host or --port (0: any)") from None
    with listener:
        yield listener


def _run(server: Any, listener: socket.socket, on_start: Callable[[], None], on_stop: Callable[[], None]) -> None:
    """Run a server, and say when it is up and when it is about to stop."""
    startup, shutdown = server.startup, server.shutdown

    async def told(sockets: Any = None) -> None:
        await startup(sockets=sockets)
        on_start()

    async def ended(sockets: Any = None) -> None:
        on_stop()
        await shutdown(sockets=sockets)

    server.startup, server.shutdown = told, ended
    server.run(sockets=[listener])


@contextmanager
def _signals_as_end() -> Iterator[None]:
    """Let the signals that end the server end nothing else: it hands them on once it has stopped."""
    if current_thread() is not main_thread():
        yield
        return
    before = {sign: signal.signal(sign, lambda *_: None) for sign in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for sign, handler in before.items():
            signal.signal(sign, handler)
