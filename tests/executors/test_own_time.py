"""What items take of their own, replayed: the same items alone on a machine and among others."""

from __future__ import annotations

import threading
import time

import pytest

from batchmill.executors.dispatch.chunk_sizes import ChunkSizer
from batchmill.executors.own_time import own_seconds, seconds_left, thread_effort


@pytest.mark.parametrize(
    ("items", "wall", "cpu", "waits", "own"),
    [
        (100, 1.0, 0.99, 0, 0.99),  # alone on its core
        (100, 2.5, 1.0, 0, 1.0),  # shared with another
        (100, 30.0, 1.0, 0, 1.0),  # among many, and it waited for nothing
        (100, 30.0, 1.0, 3, 1.0),  # or for next to nothing: a lock, a page of a file
        (100, 30.0, 1.0, None, 30.0),  # nobody counts waits: it may have been waiting
        (100, 3.0, 1.0, None, 1.0),  # but not where a good share is computing
        (1, 1.0, 0.001, 1, 1.0),  # an item that waits
        (20, 1.0, 0.01, 20, 1.0),  # several
        (1, 0.0, 0.1, 0, 0.0),  # clocks differ in their steps
    ],
)
def test_what_others_took_does_not_count(
    items: int, wall: float, cpu: float, waits: int | None, own: float
) -> None:
    assert own_seconds(items, wall, cpu, waits) == own


@pytest.mark.parametrize(
    ("cpu", "waits", "left"), [(0.25, 0, 0.75), (0.25, 1, 0.0), (0.25, None, 0.0), (0.95, 0, 0.0)]
)
def test_a_chunk_goes_on_only_where_others_took_its_time(cpu: float, waits: int | None, left: float) -> None:
    assert seconds_left(1.0, cpu, waits) == left


def test_chunks_keep_their_size_among_others() -> None:
    """Items of 10 µs, every third chunk put aside for 12 ms: as a loaded machine does."""
    alone, among = (ChunkSizer(2, 0.001, 256) for _ in range(2))
    for turn in range(30):
        for sizer, aside in ((alone, 0.0), (among, 0.012 if turn % 3 == 0 else 0.0)):
            items = sizer.next(None)[0]
            cpu = items * 1e-5
            sizer.observe(items, own_seconds(items, cpu + aside, cpu, 0))
    assert alone.next(None) == among.next(None)
    assert alone.next(None)[0] >= 99


def test_a_wait_shows_where_waits_are_counted() -> None:
    before = thread_effort()
    if before.waits is None:
        pytest.skip("this system does not count them")
    time.sleep(0.001)
    threading.Event().wait(0.001)
    after = thread_effort()
    assert after.waits is not None
    assert after.waits - before.waits >= 2
    assert after.cpu >= before.cpu
