"""Partitions spread by Ray Data: a pool of actors, each of which keeps a worker warm. Ray is imported here and nowhere else.

Ray Data hands each actor one partition and one to wait (back-pressure), replaces actors that die, and gives what they were at to
others. As the work of a partition writes whole files under names of its own, work that is done again doubles nothing.
"""

from __future__ import annotations

import logging
import os
import pickle
import socket
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from medgen.engine.device import Device
from medgen.errors import ConfigError, MedgenError
from medgen.verbs.spread.last_words import last_words
from medgen.verbs.spread.partitions import Partition, Work

STORE = 1 << 27  # bytes of shared memory of a Ray that is started here: no frame goes through it
PATIENCE = 5.0  # seconds for a cluster to answer
TOKEN = "one that asks for a token finds it in ~/.ray/auth_token or RAY_AUTH_TOKEN"
GONE = (
    "medgen: this process was ended without a word, as Ray ends it when a part of Ray on this machine is killed (out of "
    "memory?); the same call goes on where it stopped"
)
WAITING = 2  # partitions of an actor: the one it is at, and the next


class OnRay:
    """Spreads work over a Ray cluster, or over the cores of this machine.

    Parameters
    ----------
    address : of a cluster: "auto" for the one that this machine is part of, or ``HOST:PORT``; "" starts a Ray here, which ends
        with the work

    Raises
    ------
    ConfigError : if Ray is not installed.
    """

    def __init__(self, address: str = "") -> None:
        if not find_spec("ray"):
            raise ConfigError("archives are spread by Ray, which is not installed: pip install 'medgen[ray]'")
        self._address = address

    def __call__(
        self, open_worker: Callable[[], Work], partitions: Sequence[Partition], *, workers: int | None, device: Device
    ) -> Iterator[int]:
        """Spread partitions; see `partitions.Spread`."""
        with last_words(GONE), _connected(self._address, workers) as ray:
            gpus = ray.cluster_resources().get("GPU", 0)
            if device == "cuda" and not gpus:
                raise ConfigError("--device cuda: the Ray cluster has no GPU; leave --device away, or start its nodes with GPUs")
            on_gpu = bool(gpus) and device != "cpu"
            most = workers or int(gpus if on_gpu else ray.cluster_resources().get("CPU", 1))
            rows = [{"partition": zlib.compress(pickle.dumps(partition))} for partition in partitions]
            done = ray.data.from_items(rows, override_num_blocks=len(rows)).map_batches(
                _Worker,
                fn_constructor_args=(open_worker,),
                batch_size=1,
                num_cpus=1,
                num_gpus=1 if on_gpu else None,
                compute=ray.data.ActorPoolStrategy(
                    min_size=1, max_size=max(1, min(most, len(rows))), max_tasks_in_flight_per_actor=WAITING
                ),
            )
            for row in done.iter_rows():
                if row["error"]:
                    raise MedgenError(row["error"])
                yield int(row["number"])


class _Worker:
    """What an actor runs."""

    def __init__(self, open_worker: Callable[[], Work]) -> None:
        self._open_worker = open_worker
        self._work: Work | None = None  # opened in the first call: what fails then is a line of medgen's, and no actor that died

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[Any]]:
        partition: Partition = pickle.loads(zlib.decompress(batch["partition"][0]))
        error = ""
        try:
            if self._work is None:
                self._work = self._open_worker()
            self._work(partition)
        except MedgenError as failed:
            error = str(failed)
        return {"number": [partition.number], "error": [error]}


def check_answers(address: str) -> None:
    """Refuse an address at which nobody listens: Ray would try for ever."""
    host, colon, port = address.rpartition(":")
    if not address or address == "auto":
        return
    if address.startswith("ray://"):
        raise ConfigError(
            f"--address '{address}': Ray Data, which moves the work, cannot be led by a Ray client; call this on a machine "
            "that sees the cluster, with --address HOST:6379"
        )
    if not colon or not port.isdigit():
        raise ConfigError(f"--address '{address}' is none of a Ray cluster; expected auto or HOST:PORT (6379)")
    try:
        with socket.create_connection((host, int(port)), timeout=PATIENCE):
            pass
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigError(f"no Ray cluster answers at '{address}' ({reason}); `ray start --head` says its address") from None


def show_token() -> None:
    """Have Ray show a cluster the token that this machine keeps: Ray 2.60 does so by itself for "auto" alone."""
    named = any(os.environ.get(name) for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"))
    if named or (Path.home() / ".ray" / "auth_token").is_file():
        os.environ.setdefault("RAY_AUTH_MODE", "token")


@contextmanager
def _connected(address: str, workers: int | None) -> Iterator[Any]:
    """Yield the module `ray`, connected; a Ray of the caller's own process is used and stays."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing of this is anybody else's business
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    check_answers(address)
    if address:
        show_token()
    import ray
    import ray.data

    own = not ray.is_initialized()
    if own:
        cores = workers or os.cpu_count()
        here = {} if address else {"num_cpus": cores, "object_store_memory": STORE, "include_dashboard": False}
        try:
            ray.init(address=address or "local", log_to_driver=False, logging_level=logging.ERROR, **here)
        except (ConnectionError, ValueError, RuntimeError, OSError) as error:
            where = f"no Ray cluster takes this machine in at '{address}' ({TOKEN})" if address else "Ray does not start here"
            raise ConfigError(f"{where}: {' '.join(str(error).split())}") from None
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    try:
        yield ray
    except ray.exceptions.RayError as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        reason = lines[-1] if lines else type(error).__name__
        raise MedgenError(f"Ray stopped: {reason}; the same call goes on where it stopped") from error
    finally:
        if own:
            ray.shutdown()
