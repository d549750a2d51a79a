"""An engine that does one partition after the other, in the process of the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from medgen.errors import MedgenError
from medgen.verbs.spread.partitions import Partition


class OneByOne:
    """Does one partition after the other, until it is told to die; keeps which."""

    def __init__(self, until: int = 10**6) -> None:
        self.until, self.numbers = until, list[int]()

    def __call__(self, open_worker: Callable[[], Any], partitions: Sequence[Partition], **_: Any) -> Iterator[int]:
        work = open_worker()
        for partition in partitions:
            if len(self.numbers) == self.until:
                raise MedgenError("the machine went down")
            work(partition)
            self.numbers.append(partition.number)
            yield partition.number
