"""What a DICOM node is told; apart from the node, so that pynetdicom is imported where one is wanted alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DicomSettings:
    """Where a node listens, and where it sends maps.

    Attributes
    ----------
    port : where it listens; 0 takes any that is free
    send_to : the node that gets the maps, TITLE@HOST:PORT
    title : its own application entity title
    callers : titles that may send; none for any
    run : the name of the run that scores; "" for the first
    """

    port: int
    send_to: str
    title: str = "MEDGEN"
    callers: Sequence[str] = ()
    run: str = ""
