"""How files are stored that are named one by one: on disks of this machine, or behind an address, from where they are fetched."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple

import pandas as pd

from medgen.data.source_file import SourceFile

AtHand = Callable[[Sequence[SourceFile]], AbstractContextManager[Sequence[SourceFile]]]


class Storage(NamedTuple):
    """Where files lie, and how they are brought here.

    Attributes
    ----------
    address : that stands before the path of each; "" where the paths are those of this machine's disks
    states : of each file, what the storage says of its content; () where the disk is asked
    unread : file, reason and kind of what is no image, as `left_over` says it; None for nothing
    at_hand : yields files as they lie on a disk of this machine for as long as a ``with`` lasts; masks are not among them
    """

    address: str = ""
    states: Sequence[str] = ()
    unread: pd.DataFrame | None = None
    at_hand: AtHand = nullcontext


HERE = Storage()  # of a source that is a folder of this machine
