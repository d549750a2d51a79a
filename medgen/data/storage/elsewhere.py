"""Shards that lie elsewhere: fetched block by block as rows are asked for, and kept in a folder of bounded size.

The tables of such a set lie in a folder on a disk, with a file `ADDRESS` that says where the set is (``s3://...``). What is
fetched stays below ``MEDGEN_CACHE`` until its room is needed: the blocks that were fetched or announced first go first. Processes
of one machine share what they fetched.
"""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from medgen.data.storage.remote import explaining_storage, file_system
from medgen.data.storage.shards import FOLDER, Block, fill_from
from medgen.errors import ConfigError, DataError, MedgenError
from medgen.files import cache_folder, digest_of, write_bytes

if TYPE_CHECKING:
    from fsspec.spec import AbstractFileSystem

ADDRESS = "shards.address"
LIMIT, GIGABYTES = "MEDGEN_CACHE_GB", 10.0  # what says how much is kept, and how much that is where nothing does
AT_ONCE = 8  # blocks that are fetched together
KEPT, SCANNED = 0.9, 0.05  # shares of the limit: what is left when room is made, and what is written between two looks
OLD = 3600.0  # seconds after which nobody writes on at a file


def bytes_kept() -> int:
    """Return how many bytes of fetched blocks may be kept.

    Raises
    ------
    ConfigError : if the variable that says so is no number above 0.
    """
    text = os.environ.get(LIMIT) or str(GIGABYTES)
    try:
        limit = float(text)
    except ValueError:
        limit = 0.0
    if not 0 < limit < 1e9:
        raise ConfigError(f"{LIMIT}={text} is no number of gigabytes; expected one above 0, like {GIGABYTES:g}")
    return int(limit * 1e9)


class FilesElsewhere:
    """The shards of a set at an address.

    Parameters
    ----------
    place : the address
    folder : in which what is fetched of this set is kept; what is beside it are other sets
    limit : bytes that are kept of all sets
    """

    def __init__(self, place: str, folder: Path, limit: int) -> None:
        self.place = place.rstrip("/")
        self._folder, self._limit = folder, limit
        self._coming: dict[Block, Future[None]] = {}
        self._wanted: queue.SimpleQueue[Block] = queue.SimpleQueue()
        self._lock, self._helpers = threading.Lock(), 0
        self._written = limit  # since the last look at all that is kept: the first block makes one look
        self._opened: tuple[AbstractFileSystem, str] | None = None

    def __reduce__(self) -> tuple[type[FilesElsewhere], tuple[str, Path, int]]:
        """Let another process open it anew."""
        return FilesElsewhere, (self.place, self._folder, self._limit)

    def sizes(self) -> Mapping[str, int]:
        with explaining_storage(self.place):
            system, root = self._system()
            found = system.ls(f"{root}/{FOLDER}", detail=True)
            sizes = {
                f"{FOLDER}/{one['name'].rpartition('/')[2]}": (one["size"], one["name"]) for one in found if one["type"] == "file"
            }
            return {name: system.size(path) if size is None else size for name, (size, path) in sizes.items()}

    def read(self, file: str) -> bytes:
        with explaining_storage(f"{self.place}/{file}"):
            system, root = self._system()
            return bytes(system.cat_file(f"{root}/{file}"))

    def fill(self, block: Block, offset: int, into: memoryview) -> None:
        coming = self._coming.get(block)
        if coming and not coming.cancel():
            with suppress(MedgenError):  # who needs it asks once more, and is told
                coming.result()
        with suppress(FileNotFoundError):
            if fill_from(self._kept(block), offset, into):
                return
        into[:] = memoryview(self._fetch(block))[offset : offset + len(into)]

    def make_sure(self, count: int) -> None:
        """Refuse to have so many bytes at hand if fewer may be kept: they would be fetched again and again.

        Raises
        ------
        ConfigError : if so.
        """
        if count > self._limit:
            raise ConfigError(
                f"of shards that lie elsewhere {self._limit / 1e9:g} GB are kept, but {count / 1e9:.3g} GB are needed for what "
                f"is shuffled together; set {LIMIT}={count / 1e9 + 0.1:.1f} or a lower data.shuffle_frames"
            )

    def soon(self, blocks: Sequence[Block]) -> None:
        for block in blocks:
            try:
                os.utime(self._kept(block))
            except FileNotFoundError:
                with self._lock:
                    if block not in self._coming:
                        self._coming[block] = Future()
                        self._wanted.put(block)
        with self._lock:
            for _ in range(AT_ONCE - self._helpers if blocks else 0):
                threading.Thread(target=self._help, daemon=True, name="shards").start()
            self._helpers = AT_ONCE if blocks else self._helpers

    def _help(self) -> None:
        """Fetch what is wanted, for as long as the process lives."""
        while True:
            block = self._wanted.get()
            future = self._coming[block]
            if future.set_running_or_notify_cancel():
                try:
                    self._fetch(block)
                    future.set_result(None)
                except Exception as error:
                    future.set_exception(error)
            with self._lock:
                self._coming.pop(block, None)

    def _system(self) -> tuple[AbstractFileSystem, str]:
        if self._opened is None:
            system, root = file_system(self.place)
            self._opened = system, root.rstrip("/")
        return self._opened

    def _kept(self, block: Block) -> Path:
        """Return where a block is kept."""
        return self._folder / Path(block.file).stem / f"{block.start:012}"

    def _fetch(self, block: Block) -> bytes:
        """Return a block, and keep it.

        Raises
        ------
        MedgenError : if the storage does not answer.
        DataError : if it has fewer bytes than the block.
        """
        with explaining_storage(f"{self.place}/{block.file}"):
            system, root = self._system()
            content = bytes(system.cat_file(f"{root}/{block.file}", start=block.start, end=block.stop))
        if len(content) != block.stop - block.start:
            raise DataError(f"'{self.place}': {block.file} is cut short; copy it there anew")
        self._make_room(len(content))
        write_bytes(self._kept(block), content)
        return content

    def _make_room(self, size: int) -> None:
        with self._lock:
            self._written += size
            if self._written < SCANNED * self._limit:
                return
            self._written = size
            kept = sorted(_files(self._folder.parent))
            left = sum(held for _, _, held in kept)
            if left <= (1 - SCANNED) * self._limit - size:
                return
            for _, path, freed in kept:
                if left <= KEPT * self._limit - size:
                    break
                path.unlink(missing_ok=True)
                left -= freed


def _files(folder: Path) -> list[tuple[float, Path, int]]:
    """Return time, path and size of all blocks below a folder; what others are writing is left out, unless they never ended."""
    found = []
    for at, _, names in os.walk(folder):
        for name in names:
            path = Path(at, name)
            with suppress(FileNotFoundError):
                state = path.stat()
                if not name.startswith(".") or time.time() - state.st_mtime > OLD:
                    found.append((state.st_mtime, path, state.st_size))
    return found


def files_elsewhere(folder: Path) -> FilesElsewhere | None:
    """Return the shards that a folder says lie elsewhere; None where it does not.

    Raises
    ------
    ConfigError : if how much is to be kept of them is no number.
    """
    stated = folder / ADDRESS
    if (folder / FOLDER).is_dir() or not stated.is_file():
        return None
    kept = cache_folder("shards") / digest_of(folder / "prepare.toml")
    return FilesElsewhere(stated.read_text(encoding="utf-8").strip(), kept, bytes_kept())
