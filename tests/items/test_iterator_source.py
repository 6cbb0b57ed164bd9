"""Items of an iterator: what was read is there at once, whatever the iterator does next."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from batchmill.items.byte_streams import InputStopped
from batchmill.items.iterator_source import CHUNKS_AHEAD, IteratorSource

PATIENCE = 10.0
Soon = Callable[[Callable[[], object]], bool]


class Counted:
    """Counts what was read of it, and in which threads."""

    def __init__(self, items: Iterator[Any]) -> None:
        self.items = items
        self.read = 0
        self.threads: set[int] = set()

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        self.threads.add(threading.get_ident())
        item = next(self.items)
        self.read += 1
        return item


def of_queue() -> tuple[queue.Queue[Any], IteratorSource]:
    requests: queue.Queue[Any] = queue.Queue()
    return requests, IteratorSource(iter(requests.get, None))


def taken_from(source: IteratorSource, most: int) -> list[Any]:
    """As a worker takes: it waits until there is something, then takes it."""
    came = threading.Event()
    if not source.ready(came.set, most, here=False):
        assert came.wait(PATIENCE)
    return list(source.take(most))


def test_an_item_is_taken_while_the_iterator_waits_for_the_next() -> None:
    requests, source = of_queue()
    for number in range(3):
        requests.put(number)
        assert taken_from(source, 1000) == [number]
    requests.put(None)
    assert taken_from(source, 1000) == []


def test_who_cannot_have_an_item_yet_is_told_once_when_there_is_one() -> None:
    requests, source = of_queue()
    told = threading.Semaphore(0)
    assert not source.ready(told.release, 10, here=False)
    assert not source.instant
    requests.put(1)
    assert told.acquire(timeout=PATIENCE)
    assert source.instant
    assert source.ready(told.release, 10, here=False)
    assert taken_from(source, 10) == [1]
    assert not source.ready(told.release, 10, here=False)
    requests.put(None)
    assert told.acquire(timeout=PATIENCE)  # the end is told of, too
    assert not told.acquire(blocking=False)
    assert taken_from(source, 10) == []


def test_it_reads_a_few_chunks_ahead_and_no_further(soon: Soon) -> None:
    items = Counted(iter(range(10_000)))
    source = IteratorSource(items)
    assert len(taken_from(source, 10)) <= 10
    assert soon(lambda: items.read >= CHUNKS_AHEAD * 10)
    taken = taken_from(source, 10)
    assert items.read <= (CHUNKS_AHEAD + 1) * 10
    assert len(taken) == 10
    source.stop()
    assert soon(lambda: len(source.rest()) == items.read - taken[-1] - 1)


def test_where_one_item_is_wanted_at_a_time_none_is_read_ahead() -> None:
    items = Counted(iter(range(100)))
    source = IteratorSource(items)
    came = threading.Semaphore(0)
    for number in range(5):
        if not source.ready(came.release, 1, here=False):
            assert came.acquire(timeout=PATIENCE)
        assert taken_from(source, 1) == [number]
        assert items.read == number + 1
    source.stop()


def test_it_is_read_in_the_thread_that_takes_where_that_is_asked_for() -> None:
    items = Counted(iter(range(3)))
    source = IteratorSource(items)
    got: list[int] = []
    while True:
        assert source.ready(lambda: None, 5, here=True)
        taken = source.take(5)
        if not taken:
            break
        got.extend(taken)
    assert got == [0, 1, 2]
    assert items.threads == {threading.get_ident()}


def test_an_error_is_raised_after_all_items_before_it() -> None:
    def failing() -> Iterator[int]:
        yield from range(7)
        raise OSError("gone")

    source = IteratorSource(failing())
    got: list[int] = []
    while len(got) < 7:
        got.extend(taken_from(source, 3))
    assert got == list(range(7))
    with pytest.raises(OSError, match="gone"):
        taken_from(source, 3)


def test_a_wait_that_can_be_ended_is_when_it_is_stopped(soon: Soon) -> None:
    woken = threading.Event()

    def live() -> Iterator[int]:
        yield 1
        woken.wait()
        raise InputStopped

    source = IteratorSource(live(), wake=woken.set)
    assert taken_from(source, 10) == [1]
    taken: list[Any] = []
    taker = threading.Thread(target=lambda: taken.append(taken_from(source, 10)))
    taker.start()
    source.stop()
    taker.join(PATIENCE)
    assert taken == [[]]


def test_without_a_thread_to_be_had_who_takes_reads_one_item_at_a_time(monkeypatch: Any) -> None:
    def refused(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refused)
    source = IteratorSource(iter(range(3)))
    assert [taken_from(source, 10) for _ in range(4)] == [[0], [1], [2], []]


@pytest.mark.slow
def test_what_is_left_can_be_asked_for_while_the_last_item_is_still_being_read() -> None:
    class Growing(deque[int]):
        """Another thread appends in the midst of the first walk."""

        walks = 0

        def __iter__(self) -> Iterator[int]:
            self.walks += 1
            for item in super().__iter__():
                if self.walks == 1:
                    self.append(2)
                yield item

    source = IteratorSource([])
    source._items = Growing([1])
    assert source.rest() == [1, 2]


def test_thousands_of_rounds_of_waiting_miss_no_item() -> None:
    """Who waits and the reading thread look at each other's half without a common lock."""
    requests, source = of_queue()

    def serve() -> None:
        came = threading.Semaphore(0)
        for _ in range(20_000):
            if not source.ready(came.release, 10, here=False):
                came.acquire()
            answers.put(source.take(10)[0])

    answers: queue.Queue[Any] = queue.Queue()
    server = threading.Thread(target=serve, daemon=True)
    server.start()
    for number in range(20_000):
        requests.put(number)
        assert answers.get(timeout=PATIENCE) == number
    server.join(PATIENCE)
    source.stop()
    requests.put(None)
