"""The next batch is read while the present one is worked on."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from medgen.engine.ahead import ahead


def test_elements_come_in_their_order() -> None:
    assert [*ahead(range(5))] == [0, 1, 2, 3, 4]


def test_nothing_comes_of_nothing() -> None:
    assert [*ahead([])] == []


def test_one_element_is_made_in_another_thread_while_one_is_worked_on_and_no_more() -> None:
    made = [threading.Event() for _ in range(4)]

    def source() -> Iterator[int]:
        for number, event in enumerate(made):
            event.set()
            yield number

    elements = ahead(source())
    assert next(elements) == 0
    assert made[1].wait(10)
    assert not made[2].wait(0.1)
    elements.close()


def test_an_error_comes_where_its_element_would_have_come() -> None:
    def source() -> Iterator[int]:
        yield 1
        raise ValueError("torn")

    elements = ahead(source())
    assert next(elements) == 1
    with pytest.raises(ValueError, match="torn"):
        next(elements)
