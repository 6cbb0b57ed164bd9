"""The buffer between two stages: order, bound, end and stop."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from batchmill.batch.stream_buffer import CHUNKS_OF_ROOM, LEAST_ROOM, StreamBuffer

PATIENCE = 10.0


def in_background(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def test_items_come_in_order_and_the_end_is_empty() -> None:
    handoff = StreamBuffer()
    handoff.put([1, 2, 3])
    handoff.end()
    assert [*handoff.take(2), *handoff.take(2)] == [1, 2, 3]
    assert not handoff.take(2)


def test_while_more_may_come_half_is_left_for_others() -> None:
    handoff = StreamBuffer()
    handoff.put(list(range(9)))
    assert handoff.take(100) == [0, 1, 2, 3, 4]
    handoff.end()
    assert handoff.take(100) == [5, 6, 7, 8]


def test_what_remains_is_known_from_a_total_or_at_the_end() -> None:
    known, unknown = StreamBuffer(5), StreamBuffer()
    for handoff in (known, unknown):
        handoff.put([1, 2])
        assert list(handoff.take(1)) == [1]
    assert (known.remaining(), unknown.remaining()) == (4, None)
    known.end()
    unknown.end()
    assert (known.remaining(), unknown.remaining()) == (1, 1)


def test_a_take_waits_for_items_and_for_the_end() -> None:
    handoff = StreamBuffer()
    taken: list[list[int]] = []
    taker = in_background(lambda: taken.extend([list(handoff.take(5)), list(handoff.take(5))]))
    handoff.put([7])
    handoff.end()
    taker.join(PATIENCE)
    assert taken == [[7], []]


def test_a_full_buffer_holds_the_producer_until_half_is_gone() -> None:
    handoff = StreamBuffer()
    waits: list[bool] = []
    handoff.put(list(range(LEAST_ROOM)), waits.append)
    assert waits == []
    blocked = threading.Event()

    def tell(waiting: bool) -> None:
        waits.append(waiting)
        blocked.set()

    producer = in_background(lambda: handoff.put([LEAST_ROOM], tell))
    assert blocked.wait(PATIENCE)
    got: list[int] = []
    while len(got) < LEAST_ROOM // 2 - 1:
        got += handoff.take(1)
    assert waits == [True]
    got += handoff.take(1)
    producer.join(PATIENCE)
    assert waits == [True, False]
    handoff.end()
    while more := handoff.take(1000):
        got += more
    assert got == list(range(LEAST_ROOM + 1))


def test_there_is_room_for_several_of_the_chunks_that_are_asked_for() -> None:
    handoff = StreamBuffer()
    handoff.put([0])
    handoff.take(1000)
    waits: list[bool] = []
    for _ in range(CHUNKS_OF_ROOM):
        handoff.put([0] * 1000, waits.append)
    assert waits == []


@pytest.mark.parametrize("full", [False, True])
def test_stopping_wakes_both_sides(full: bool) -> None:
    handoff = StreamBuffer()
    if full:
        handoff.put([0] * LEAST_ROOM)
        waiting = in_background(lambda: handoff.put([1]))
    else:
        waiting = in_background(lambda: handoff.take(1))
    handoff.stop()
    waiting.join(PATIENCE)
    assert not waiting.is_alive()
    assert handoff.take(1) == ()
    handoff.put([2] * (3 * LEAST_ROOM))  # nobody takes: nothing to wait for


def test_the_rest_is_what_nobody_took_by_the_end() -> None:
    handoff = StreamBuffer()
    handoff.put([1, 2, 3])
    handoff.take(1)
    handoff.stop()
    rest: list[int] = []
    waiting = in_background(lambda: rest.extend(handoff.rest()))
    handoff.put([4])
    handoff.end()
    waiting.join(PATIENCE)
    assert rest == [3, 4] or rest == [2, 3, 4]
