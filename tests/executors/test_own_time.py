"""What items take of their own, replayed: the same items alone on a machine, among other programs, and among
threads that share the GIL with them."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

import pytest

from batchmill.executors.dispatch.chunk_sizes import ChunkSizer
from batchmill.executors.own_time import Effort, Took, effort, own_seconds, seconds_left

GIL = 0.005


def took(walls: Sequence[float], cpu: float, waits: int | None, of_all: float = 0.0) -> Took:
    return Took(
        len(walls), sum(walls), Effort(cpu, waits, of_all), lambda least: sum(one > least for one in walls)
    )


@pytest.mark.parametrize(
    ("items", "wall", "cpu", "waits", "own"),
    [
        (100, 1.0, 0.99, 0, 0.99),  # alone on its core
        (100, 2.5, 1.0, 0, 1.0),  # shared with another
        (100, 30.0, 1.0, 0, 1.0),  # among many, and it waited for nothing
        (100, 30.0, 1.0, 3, 1.0),  # or for next to nothing: a lock, a page of a file
        (
            100,
            30.0,
            1.0,
            None,
            30.0,
        ),  # nobody counts waits, and every item was slow
        (100, 3.0, 1.0, None, 1.0),  # but not where a good share is computing
        (1, 1.0, 0.001, 1, 1.0),  # an item that waits
        (20, 1.0, 0.01, 20, 1.0),  # several
        (1, 0.0, 0.1, 0, 0.0),  # clocks differ in their steps
        (0, 0.0, 0.0, 0, 0.0),  # stopped before the first
    ],
)
def test_what_others_took_does_not_count(
    items: int, wall: float, cpu: float, waits: int | None, own: float
) -> None:
    walls = [wall / items] * items if items else []
    assert own_seconds(took(walls, cpu, waits), GIL) == pytest.approx(own)


QUICK, GONE = 1e-5, 0.012


@pytest.mark.parametrize(
    ("walls", "cpu", "waits", "of_all", "computes"),
    [
        ([GONE], 1e-5, 4, 0.012, True),  # others had the GIL all the time
        ([GONE], 1e-5, 4, 0.004, True),  # and other programs had the core of who had it
        ([GONE], 1e-5, 1, 0.012, True),  # who had a lock had to wait for it as well
        ([5 * GONE], 1e-5, 2, 0.06, False),  # long waits, while others computed
        ([GONE], 1e-5, 4, 0.002, False),  # nobody had the GIL
        ([GONE, QUICK], 2e-5, 5, 0.024, True),
        ([GONE, *[QUICK] * 8], 9e-5, 9, 0.001, True),  # one of nine waited: the others tell what items take
        ([GONE] * 9, 9e-5, 40, 0.12, False),  # all of them: no thread waits for the GIL that often
        ([GONE] * 3, 3e-5, 40, 0.036, True),  # unless there are few
        ([GONE, *[QUICK] * 8], 9e-5, None, 0.001, True),  # where nobody counts waits
        ([GONE], 1e-5, None, 0.012, False),
    ],
)
def test_threads_that_wait_for_the_gil_compute(
    walls: list[float], cpu: float, waits: int | None, of_all: float, computes: bool
) -> None:
    assert own_seconds(took(walls, cpu, waits, of_all), GIL) == pytest.approx(cpu if computes else sum(walls))


def test_without_a_gil_nobody_waits_for_it() -> None:
    waited = took([GONE], 1e-5, 4, 0.012)
    assert own_seconds(waited, 0.0) == GONE
    assert seconds_left(0.001, waited, 0.0) == 0.0


@pytest.mark.parametrize(
    ("cpu", "waits", "of_all", "left"),
    [
        (0.25, 0, 0.25, 0.75),
        (0.25, 1, 0.25, 0.0),
        (0.25, None, 1.0, 0.0),
        (0.95, 0, 1.0, 0.0),
        (0.25, 38, 1.0, 0.75),  # the others had the GIL
        (0.25, 37, 1.0, 0.0),  # it waited longer than that
    ],
)
def test_a_chunk_goes_on_only_where_others_took_its_time(
    cpu: float, waits: int | None, of_all: float, left: float
) -> None:
    walls = [0.91, 0.03, 0.03, 0.03]
    assert seconds_left(1.0, took(walls, cpu, waits, of_all), GIL) == left


def test_chunks_keep_their_size_among_others() -> None:
    """Items of 10 µs, every third chunk put aside for 12 ms: as a loaded machine does."""
    alone, among = (ChunkSizer(2, 0.001, 256) for _ in range(2))
    for turn in range(30):
        for sizer, aside in ((alone, 0.0), (among, 0.012 if turn % 3 == 0 else 0.0)):
            items = sizer.next(None)[0]
            cpu = items * 1e-5
            sizer.observe(items, own_seconds(took([1e-5 + aside, *[1e-5] * (items - 1)], cpu, 0), GIL))
    assert alone.next(None) == among.next(None)
    assert alone.next(None)[0] >= 99


def test_chunks_keep_their_size_among_threads_that_share_the_gil() -> None:
    """Items of 10 µs on ten threads: every fourth chunk loses the GIL at its first item, for as long as the
    other nine have it, and asking for it again nine times costs 10 µs each. A chunk is cut short by that."""
    sizer = ChunkSizer(10, 0.001, 256)
    for turn in range(60):
        items, cpu, waits, others = sizer.next(None)[0], 1e-5, 0, 0.0
        if turn % 4 == 0:
            items, cpu, waits, others = 1, 1e-4, 9, 0.044
        walls = [1e-5 + others, *[1e-5] * (items - 1)]
        sizer.observe(items, own_seconds(took(walls, cpu * items, waits, cpu + others), GIL))
    assert sizer.next(None)[0] >= 80


def test_items_that_wait_stay_alone_in_a_busy_process() -> None:
    """Items that sleep 2 ms and compute 30 µs, on a hundred threads: the process has no core to spare."""
    sizer, sizes = ChunkSizer(100, 0.001, 256), []
    for _ in range(30):
        sizes.append(items := sizer.next(None)[0])
        walls = [0.003] * items
        sizer.observe(items, own_seconds(took(walls, 3e-5 * items, 2 * items, sum(walls)), GIL))
    assert max(sizes) <= 16
    assert sum(sizes) / len(sizes) < 4


def test_a_wait_shows_where_waits_are_counted() -> None:
    before = effort()
    if before.waits is None:
        pytest.skip("this system does not count them")
    time.sleep(0.001)
    threading.Event().wait(0.001)
    after = effort()
    assert after.waits is not None
    assert after.waits - before.waits >= 2
    assert after.cpu >= before.cpu
