"""One process at a time in an output folder.

Two things say that a folder is in use. The kernel's own lock (flock) on the lock file ends with the process that holds it,
however that ends, so that it is never stale; but a network file system may keep it to one machine, or know no such locks. What is
written in the file is for those, and for the message that names the owner: process, machine, when the process started. The file
is there only while somebody writes in the folder; after a kill it stays until the next start.
"""

from __future__ import annotations

import errno
import json
import os
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from medgen.errors import FolderError
from medgen.outputs.leftovers import is_alive, remove_leftovers

if sys.platform != "win32":  # which has no such locks: there what is written in the file has to do
    from fcntl import LOCK_EX, LOCK_NB, flock

LOCK = ".medgen.lock"
NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)  # what a file system without locks answers
_held: dict[Path, tuple[int, int]] = {}  # folder -> the thread of this process that holds it, and how many times over


@dataclass(frozen=True)
class Owner:
    """Who writes in a folder.

    Attributes
    ----------
    verb : what is done there
    process, began : its number, and when it started, in the kernel's own clock: a number is used again, both are not
    host, kernel : the name of the machine, and what its kernel drew when it was booted, which all containers on it share
    since : when the lock was taken
    """

    verb: str
    process: int
    began: str
    host: str
    kernel: str
    since: str

    @classmethod
    def now(cls, verb: str) -> Owner:
        """Return this process."""
        since = datetime.now().astimezone().isoformat(" ", "seconds")
        return cls(verb, os.getpid(), _began(os.getpid()), socket.gethostname(), _kernel(), since)

    @classmethod
    def read(cls, path: Path) -> Owner | None:
        """Return who is written in a lock file; None where nobody is, or it cannot be read."""
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def __str__(self) -> str:
        return f"`medgen {self.verb}`, process {self.process} on {self.host}, since {self.since}"

    def is_near(self) -> bool:
        """Tell whether it runs, or ran, on this machine."""
        return self.kernel == _kernel() if self.kernel else self.host == socket.gethostname()

    def is_gone(self) -> bool:
        """Tell whether a process of this machine has ended; its number may belong to another one by now."""
        if not is_alive(self.process):
            return True
        return bool(self.began) and self.began != _began(self.process)


@contextmanager
def locked(folder: Path, verb: str) -> Iterator[None]:
    """Hold a folder for this thread, made where it is not there; within it, the same thread may do so again.

    What killed writes left in the folder is removed. A folder that was made here and stays empty goes again.

    Parameters
    ----------
    verb : what is done, for the message to others

    Raises
    ------
    FolderError : if another process or thread holds it, or it cannot be written.
    """
    place, thread = folder.resolve(), threading.get_ident()
    owner, times = _held.get(place, (thread, 0))
    if owner != thread:
        raise FolderError(f"'{folder}' is in use by another thread of this process; wait for it, or choose another --out")
    made = [] if times else [path for path in (folder, *folder.parents) if not path.exists()]
    handle = -1 if times else _take(folder, verb)
    _held[place] = thread, times + 1
    try:
        if not times:
            remove_leftovers(folder, _in_use)
        yield
    finally:
        _held[place] = thread, times
        if not times:
            del _held[place]
            _let_go(handle, folder / LOCK)
        with suppress(OSError):  # not empty
            for path in made:
                path.rmdir()


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Wait until no other process is within such a block for this folder; nothing is written there.

    For what takes milliseconds, as a row that is added to a table of several writers. Where no locks of
    folders are known, nobody waits.
    """
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:  # not there yet, or Windows, which opens no folders
        yield
        return
    try:
        if sys.platform != "win32":
            with suppress(OSError):
                flock(handle, LOCK_EX)
        yield
    finally:
        os.close(handle)


def _let_go(handle: int, path: Path) -> None:
    """Delete the lock file and close it: in this order, so that nobody waits for a file without a name."""
    if sys.platform == "win32":  # which deletes no open file
        os.close(handle)
        path.unlink(missing_ok=True)
    else:
        path.unlink(missing_ok=True)
        os.close(handle)


def remove_dead_lock(folder: Path) -> None:
    """Remove the lock that a dead process left in a folder that is only read; one of another process stays."""
    with suppress(OSError):  # of an archive that cannot be written
        _in_use(folder)


def _in_use(folder: Path) -> bool:
    """Tell whether somebody may write in a folder below; the lock of a process that is gone is removed."""
    path = folder / LOCK
    owner = Owner.read(path)
    if owner and owner.is_near() and owner.is_gone():
        path.unlink(missing_ok=True)
    return path.exists()


def _take(folder: Path, verb: str) -> int:
    """Return an open lock file that names this process as its owner."""
    path = folder / LOCK
    try:
        folder.mkdir(parents=True, exist_ok=True)
        while True:
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
            try:
                _check(handle, path, folder)
                if _has_name(handle, path):
                    os.ftruncate(handle, 0)
                    os.lseek(handle, 0, os.SEEK_SET)
                    os.write(handle, json.dumps(asdict(Owner.now(verb))).encode())
                    return handle
            except BaseException:
                os.close(handle)
                raise
            os.close(handle)  # of a file that its owner has deleted meanwhile: the next one has the name
    except OSError as error:
        raise FolderError(f"cannot write into '{folder}': {error.strerror or error}") from None


def _has_name(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


def _check(handle: int, path: Path, folder: Path) -> None:
    """Take the kernel's lock, and refuse a folder that somebody else holds."""
    elsewhere = "wait for it, or choose another --out"
    kernel_knows = False
    if sys.platform != "win32":
        try:
            flock(handle, LOCK_EX | LOCK_NB)
            kernel_knows = True
        except BlockingIOError:
            who = Owner.read(path) or "another process"
            raise FolderError(f"'{folder}' is in use by {who}; {elsewhere}") from None
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
    owner = Owner.read(path)
    if owner is None:
        return
    if owner.is_near():
        if not kernel_knows and not owner.is_gone():
            raise FolderError(f"'{folder}' is in use by {owner}; {elsewhere}")
    elif owner.host != socket.gethostname():  # of the same name: this machine, before it was booted again
        raise FolderError(
            f"'{folder}' is in use by {owner}, a machine that cannot be asked from here; if that process has ended, delete "
            f"'{path}' and go on"
        )


def _began(process: int) -> str:
    """Return when a process started, in ticks since the machine was booted; "" where the system does not say."""
    try:
        return Path(f"/proc/{process}/stat").read_text(errors="replace").rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def _kernel() -> str:
    """Return what the kernel drew when it was booted; "" where the system does not say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""
