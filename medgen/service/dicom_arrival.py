"""What a DICOM association sends, bounded in bytes and in time.

pynetdicom waits for the rest of a message without end, so that a device which loses its network in the middle of one would keep
its place among the associations until the node is started again, and it makes room for as many bytes as a message announces.
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Any

from medgen.service.limits import Limits

CHUNK = 1 << 16


class Arrival:
    """Reads in place of the socket of an association; what it raises closes the connection.

    Parameters
    ----------
    association : of pynetdicom, which has just been opened
    limits : the bytes, and the seconds from the first one on, in which a message has to arrive
    on_refusal : is told why a connection is closed, as a status of HTTP and in words
    """

    def __init__(self, association: Any, limits: Limits, on_refusal: Callable[[int, str], None]) -> None:
        self._socket, self._limits, self._on_refusal = association.dul.socket.socket, limits, on_refusal
        self._count, self._since = 0, 0.0
        association.dul.socket.recv = self.receive

    def begin(self) -> None:
        """Count from here, as what came has been understood."""
        self._count, self._since = 0, 0.0

    def receive(self, count: int) -> bytearray:
        """Return so many bytes, and fewer only where the other side has closed the connection.

        Raises
        ------
        OSError : if a message is larger, or takes longer to arrive, than it may.
        """
        self._count += count
        if self._count > self._limits.body:
            raise self._refused(413, "larger than it may be")
        self._since = self._since or monotonic()
        arrived = bytearray()
        while len(arrived) < count:
            left = self._since + self._limits.seconds - monotonic()
            if left <= 0:
                raise self._refused(408, "takes longer to arrive than it may")
            self._socket.settimeout(left)
            try:
                part = self._socket.recv(min(CHUNK, count - len(arrived)))
            except TimeoutError:
                continue
            if not part:
                break
            arrived += part
        self._socket.settimeout(self._limits.seconds)  # of what is sent from here on
        return arrived

    def _refused(self, status: int, reason: str) -> OSError:
        self._on_refusal(status, reason)
        return OSError(reason)
