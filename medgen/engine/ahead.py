"""Reading of the next batch while the present one is worked on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def ahead(batches: Iterable[T]) -> Iterator[T]:
    """Yield what an iterable does; while an element is worked on, another thread makes the next one, and no more than that.

    An error of the iterable comes where its element would have come. Who leaves early waits for the element that is being made.
    """
    source, end = iter(batches), object()
    with ThreadPoolExecutor(1, "ahead") as reader:
        coming = reader.submit(next, source, end)
        while (element := coming.result()) is not end:
            coming = reader.submit(next, source, end)
            yield element  # type: ignore[misc]
