"""A DICOM node: what it is sent by C-STORE it scores, and it sends the map as a secondary capture to another node.

The sender is told how that went by the status of its C-STORE (DICOM PS3.7 C.2.3): 0000 once the other node has the map.
Nothing is written: what arrives stays in memory, and is let go with the answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from socket import SHUT_RDWR
from threading import Condition
from time import monotonic
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

from pydicom import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, SecondaryCaptureImageStorage
from pynetdicom import AE, AllStoragePresentationContexts, evt
from pynetdicom._globals import ALL_TRANSFER_SYNTAXES
from pynetdicom.association import Association
from pynetdicom.pdu import A_ASSOCIATE_RJ
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]
from pynetdicom.status import STATUS_SUCCESS, STATUS_WARNING, code_to_category

from medgen.data.readers._dicom_deflate import inflates_beyond
from medgen.data.writers.export import read_header
from medgen.errors import ConfigError, MedgenError
from medgen.runs.localising.regions import crop_maps
from medgen.service.answers import Seen, look, secondary_capture
from medgen.service.desk import Desk
from medgen.service.dicom_arrival import Arrival
from medgen.service.dicom_settings import DicomSettings
from medgen.service.guard import Noted, OnRequest
from medgen.service.limits import Limits, Refusal
from medgen.verbs.in_memory.loaded import LoadedRun, on_frame
from medgen.verbs.in_memory.uploads import Upload

TITLE = re.compile(r"(?! *$)[ -\[\]-~]{1,16}")  # an application entity title: printable, no backslash, not all spaces (PS3.5 6.2)
PEER = re.compile(r"(?P<title>[^@]+)@(?P<host>.+):(?P<port>\d+)")
DONE, BUSY, OTHER, UNREAD, UNSENT = 0x0000, 0xA700, 0xA900, 0xC000, 0xC001
TAKEN = (STATUS_SUCCESS, STATUS_WARNING)  # an archive that changes what it is sent, a patient's number say, warns (PS3.4 B.2.3)
ASSOCIATIONS = 4  # at once
OF_PRESENTATION = 3  # the source of a refusal that has nothing to do with who asks: too many are served (PS3.8 9.3.4)
PATIENCE = 10.0  # seconds for what is in hand when the node stops
OUR_OWN = "medgen"  # the manufacturer of maps: one that comes back is refused, or two nodes would send maps of maps for ever


def peer_of(settings: DicomSettings) -> re.Match[str]:
    """Return title, host and port of the node that gets the maps.

    Raises
    ------
    ConfigError : if a title or the address is none.
    """
    peer = PEER.fullmatch(settings.send_to)
    titled = peer and all(map(TITLE.fullmatch, (peer["title"], settings.title, *settings.callers)))
    if not peer or not titled or not 0 < int(peer["port"]) < 1 << 16:
        raise ConfigError(
            f"the DICOM node '{settings.title}' is to send to '{settings.send_to}'; expected TITLE@HOST:PORT, titles of at most "
            "16 letters, and a port from 1 to 65535"
        )
    return peer


@contextmanager
def dicom_node(
    desk: Desk, settings: DicomSettings, host: str, limits: Limits, on_request: OnRequest | None = None
) -> Iterator[str]:
    """Listen while the block lasts; yields TITLE@HOST:PORT, where it does.

    Raises
    ------
    ConfigError : if a title or an address is none, the address cannot be had, or the backend draws no maps.
    """
    peer = peer_of(settings)
    if not desk.draws_maps:
        raise ConfigError(f"'{desk.run.run.settings.backend}' scores whole frames and draws no maps, which a DICOM node sends")
    node = _Node(desk, peer, settings, limits, on_request)
    entity = AE(ae_title=settings.title)
    entity.maximum_associations, entity.require_called_aet = ASSOCIATIONS, True
    entity.network_timeout = entity.dimse_timeout = entity.acse_timeout = limits.seconds
    if settings.callers:
        entity.require_calling_aet = [*settings.callers]
    for context in AllStoragePresentationContexts:
        entity.add_supported_context(str(context.abstract_syntax), ALL_TRANSFER_SYNTAXES)
    entity.add_supported_context(Verification)
    handlers: Any = [
        (evt.EVT_CONN_OPEN, node.opened),
        (evt.EVT_CONN_CLOSE, node.closed),
        (evt.EVT_PDU_SENT, node.sent),
        (evt.EVT_ACCEPTED, node.understood),
        (evt.EVT_C_ECHO, node.echo),
        (evt.EVT_C_STORE, node.store),
    ]
    try:
        server: Any = entity.start_server((host, settings.port), block=False, evt_handlers=handlers)
    except OSError as error:
        raise ConfigError(
            f"the DICOM node cannot listen at {host}, port {settings.port}: {error}; choose another --dicom-port (0: any)"
        ) from None
    try:
        yield f"{settings.title}@{f'[{host}]' if ':' in host else host}:{server.socket.getsockname()[1]}"
    finally:
        server.shutdown()
        node.finish()
        for association in server.active_associations:  # each would keep the process until its time is over
            association.abort()


class _Node:
    """What answers a C-STORE."""

    def __init__(
        self, desk: Desk, peer: re.Match[str], settings: DicomSettings, limits: Limits, on_request: OnRequest | None
    ) -> None:
        self._desk, self._peer, self._settings, self._limits, self._on_request = desk, peer, settings, limits, on_request
        self._arrivals: WeakKeyDictionary[Any, Arrival] = WeakKeyDictionary()  # of each association
        self._in_hand, self._done = 0, Condition()
        self._sending: WeakSet[Any] = WeakSet()  # associations with the node that gets the maps

    def opened(self, event: Any) -> None:
        """Bound what an association may send."""
        self._arrivals[event.assoc] = Arrival(
            event.assoc, self._limits, lambda status, reason: self._note("DICOM", f"closed, {reason}", status)
        )

    def closed(self, event: Any) -> None:
        """Give the place of a connection that asked for nothing to the next one.

        pynetdicom waits on for what it might ask, and would keep its place until its time is over.
        """
        if event.assoc.requestor.primitive is None:
            event.assoc.dul.to_user_queue.put(None)  # as when its time is over

    def sent(self, event: Any) -> None:
        """Note an association that is refused; pynetdicom refuses it, by its titles or as too many are served."""
        if isinstance(event.pdu, A_ASSOCIATE_RJ):
            self._note("DICOM", f"refused, {event.pdu.reason_str}", 503 if event.pdu.source == OF_PRESENTATION else 403)

    def understood(self, event: Any) -> None:
        """Let the next message have its own bytes and time."""
        self._arrivals[event.assoc].begin()

    def echo(self, event: Any) -> int:
        """Say that the node is there."""
        self.understood(event)
        return DONE

    def finish(self) -> None:
        """Wait for what is in hand, `PATIENCE` at most, and for no node that leaves a map unanswered.

        The thread of an association with that one would keep the process until the time of an answer is over.
        """
        with self._done:
            self._done.wait_for(lambda: not self._in_hand, PATIENCE)
        for association in list(self._sending):
            with suppress(AttributeError, OSError):  # of one that has ended by itself
                association.dul.socket.socket.shutdown(SHUT_RDWR)

    def store(self, event: Any) -> Dataset:
        """Score what came and send its maps."""
        self.understood(event)
        with self._done:
            self._in_hand += 1
        try:
            return self._answer(event)
        finally:
            with self._done:
                self._in_hand -= 1
                self._done.notify_all()

    def _answer(self, event: Any) -> Dataset:
        begun, answer = monotonic(), Dataset()
        answer.Status, reason = self._stored(event)
        if reason:
            answer.ErrorComment = reason[:64]  # as long as one may be
        self._note("C-STORE", f"{answer.Status:04X}", 200 if not answer.Status else 422, monotonic() - begun)
        return answer

    def _note(self, what: str, how: str, status: int, seconds: float = 0.0) -> None:
        if self._on_request:
            self._on_request(Noted(what, how, status, 1000 * seconds))

    def _stored(self, event: Any) -> tuple[int, str]:
        try:
            content = event.encoded_dataset()
            if inflates_beyond(BytesIO(content), self._limits.unpacked):
                raise MedgenError(f"inflates to more than {self._limits.unpacked:,} bytes")
            header = read_header(BytesIO(content))
            if str(header.get("Manufacturer", "")) == OUR_OWN and "DERIVED" in (header.get("ImageType") or ""):
                return OTHER, "is a map of medgen, of which none is made"
            seen = self._desk.serve_here(lambda run: _seen(run, content, self._limits.frames))
            self._send(_captures(self._desk.run, seen))
        except Refusal as refusal:
            return BUSY, str(refusal)
        except ConnectionError as error:
            return UNSENT, str(error)
        except MedgenError as error:
            return UNREAD, str(error).removeprefix("the frame cannot be read: ")  # a comment has room for few letters
        except Exception as error:  # a node goes on whatever it is sent, and says nothing of it
            return UNREAD, f"cannot be scored ({type(error).__name__})"
        return DONE, ""

    def _send(self, captures: Iterable[Dataset]) -> None:
        """Send maps to the other node.

        Raises
        ------
        ConnectionError : if it cannot be reached, or does not take one.
        """
        entity = AE(ae_title=self._settings.title)
        entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = self._limits.seconds
        entity.connection_timeout = min(self._limits.seconds, 10)
        entity.add_requested_context(SecondaryCaptureImageStorage, [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
        peer = self._peer
        reached: Any = [(evt.EVT_CONN_OPEN, lambda event: self._sending.add(event.assoc))]
        host = peer["host"].removeprefix("[").removesuffix("]")  # around an IPv6 address
        try:
            association = entity.associate(host, int(peer["port"]), ae_title=peer["title"], evt_handlers=reached)
        except (OSError, UnicodeError):  # of a name that no machine has
            raise ConnectionError("the node that gets the maps has an unknown host name") from None
        if not association.is_established:
            raise ConnectionError("the node that gets the maps cannot be reached")
        try:
            for capture in captures:
                _hand_over(association, capture)
        finally:
            association.release()


def _hand_over(association: Association, capture: Dataset) -> None:
    """Send a map to the other node.

    Raises
    ------
    ConnectionError : if it does not take it.
    """
    try:
        status = association.send_c_store(capture).get("Status")
    except ValueError:
        raise ConnectionError("the node that gets the maps takes no secondary captures") from None
    except RuntimeError:  # of an association that is no more
        raise ConnectionError("the node that gets the maps ended the association") from None
    if status is None or code_to_category(status) not in TAKEN:
        answered = "no answer" if status is None else f"status {status:04X}"
        raise ConnectionError(f"the node that gets the maps did not take one ({answered})")


def _seen(run: LoadedRun, content: bytes, most: int) -> Seen:
    """Score the frames of a DICOM file."""
    seen = look(run, [Upload("frame", content)], most)
    if seen.scored.maps is None or not seen.scored.table["score"].notna().any():
        raise MedgenError("shows too little to be scored")
    return seen


def _captures(run: LoadedRun, seen: Seen) -> Iterator[Dataset]:
    """Yield the map of each frame that has a score, drawn when it is sent: all those of a large file would fill the memory."""
    scored = seen.scored.table["score"].notna().to_numpy()
    for k, crop in enumerate(crop_maps(seen.scored)):
        if scored[k]:
            yield secondary_capture(run, seen, k, on_frame(seen.scored, k, crop))
