"""Work in threads: the order of the results, what is taken ahead, and how it stops."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from medgen.data.preparing import parallel
from medgen.data.preparing.parallel import AHEAD, Stopped, go_on, in_order


def test_results_come_in_the_order_of_the_items() -> None:
    second_done = threading.Event()

    def work(item: int) -> int:
        if item == 0:
            second_done.wait(10)  # the first is done last
        if item == 1:
            second_done.set()
        return item * item

    assert list(in_order(work, range(100), 3)) == [item * item for item in range(100)]


def test_few_items_are_taken_before_their_results_are_asked_for() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for item in range(1000):
            taken.append(item)
            yield item

    results = in_order(lambda item: item, items(), 2)
    next(results)
    assert len(taken) <= AHEAD * 2 + 1
    assert list(results) == list(range(1, 1000))


def test_an_error_reaches_whoever_asks_for_the_result() -> None:
    results = in_order(lambda item: 6 // item, [3, 0], 1)
    assert next(results) == 2
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_no_item_is_begun_once_the_iterator_is_closed() -> None:
    begun: list[int] = []
    stopped, closed = threading.Event(), threading.Event()

    def work(item: int) -> int:
        begun.append(item)
        if item == 1:
            closed.wait(10)
            try:
                while True:
                    go_on()
            except Stopped:
                stopped.set()
                raise
        return item

    results = in_order(work, range(1000), 1)
    next(results)
    closed.set()
    results.close()  # type: ignore[attr-defined]
    assert stopped.wait(10) and len(begun) <= 2


def test_a_worker_that_does_not_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "PATIENCE", 0.0)
    release = threading.Event()
    results = in_order(lambda item: item == 0 or release.wait(30), range(3), 1)
    next(results)
    results.close()  # type: ignore[attr-defined]
    assert not release.is_set()  # it was still at work when close came back
    release.set()


def test_whoever_is_no_worker_goes_on() -> None:
    go_on()


def test_whoever_waits_is_told_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "EVERY", 0.001)
    told = threading.Event()
    assert list(in_order(lambda item: told.wait(10), [0], 1, told.set)) == [True]
