"""How much a service takes on at once, and how an answer that refuses something is told."""

from __future__ import annotations

from dataclasses import dataclass

STOPS = 503, "the service stops; send this again once it is up"


@dataclass(frozen=True, slots=True)
class Limits:
    """What bounds the memory and the time that requests may take.

    Attributes
    ----------
    body : bytes of a request
    unpacked : bytes of all files of a zip together, counted while they are unpacked
    frames : of a request, whatever holds them
    waiting : requests of a run that are read, wait or are scored at once; one more is told to come again
    seconds : that a request may take to arrive, and again to be answered
    """

    body: int = 64_000_000
    unpacked: int = 256_000_000
    frames: int = 200
    waiting: int = 8
    seconds: float = 60.0


class Refusal(Exception):  # noqa: N818  as no error of medgen's: it is an answer
    """An answer that refuses something, as a status of HTTP (RFC 9110) and one line."""

    def __init__(self, status: int, reason: str, **headers: str) -> None:
        super().__init__(reason)
        self.status, self.headers = status, headers
