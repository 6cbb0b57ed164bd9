"""The channel of a batch that shares permits with others: who has one, and when it is free again."""

from __future__ import annotations

from typing import Any

from batchmill.batch.shared_channel import SharedChannel
from batchmill.batch.sources import as_source
from batchmill.batch.window import Window
from batchmill.outcome import Block
from batchmill.permits import Permits
from batchmill.policy import FailurePolicy, FailureWatch


def shared(n: int, permits: Permits, *, one_by_one: bool = False) -> tuple[SharedChannel, Window]:
    window = Window(as_source(range(n)), FailureWatch(FailurePolicy(), n), ordered=False)
    return SharedChannel(window, permits, one_by_one=one_by_one), window


def done(start: int, count: int) -> Block:
    return Block(start, [None] * count, [0.0] * count, items=range(start, start + count))


def free(permits: Permits) -> int:
    """How many permits are free, found by taking them all and giving them back."""
    taken: list[Any] = []
    while (permit := permits.acquire(lambda: True)) is not None:
        taken.append(permit)
    for permit in taken:
        permits.release(permit)
    return len(taken)


def test_a_chunk_has_one_permit_until_all_of_it_is_settled() -> None:
    permits = Permits(2)
    channel, _ = shared(10, permits)
    chunk = channel.take(4, 100)
    assert chunk is not None
    assert free(permits) == 1
    channel.deliver(done(0, 3))
    assert free(permits) == 1
    channel.give_back(chunk.part(3))
    assert free(permits) == 2


def test_items_given_back_and_taken_again_have_a_permit_of_their_own() -> None:
    permits = Permits(2)
    channel, _ = shared(4, permits)
    first = channel.take(4, 100)
    assert first is not None
    channel.give_back(first.part(2))
    again = channel.take(4, 100)
    assert again is not None
    assert (again.start, len(again), free(permits)) == (2, 2, 0)
    channel.deliver(done(2, 2))
    assert free(permits) == 1
    channel.deliver(done(0, 2))
    assert free(permits) == 2


def test_items_that_a_worker_runs_side_by_side_travel_alone() -> None:
    channel, _ = shared(4, Permits(3), one_by_one=True)
    chunk = channel.take(4, 100)
    assert chunk is not None
    assert len(chunk) == 1


def test_a_batch_that_is_stopped_while_its_worker_waits_gives_the_items_back() -> None:
    permits = Permits(1)
    held = permits.acquire(lambda: False)
    channel, window = shared(4, permits)
    window.stop()
    assert channel.take(4, 100) is None
    assert held is not None
    assert free(permits) == 0


def test_it_is_no_source_that_gives_at_once() -> None:
    channel, window = shared(4, Permits(1))
    assert window.instant
    assert not channel.instant
