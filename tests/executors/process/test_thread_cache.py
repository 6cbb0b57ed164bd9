"""Kept threads: they are used again, and forget what they ran."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable, Iterator

import pytest

from batchmill.executors.process.thread_cache import IDLE, ThreadCache


class Work:
    """Something a call belongs to, with the thread that ran it."""

    def __init__(self) -> None:
        self.done = threading.Event()

    def run(self) -> None:
        self.done.set()


@pytest.fixture
def threads() -> Iterator[ThreadCache]:
    kept = ThreadCache()
    yield kept
    kept.close()


def idle() -> int:
    return sum(thread.name == IDLE for thread in threading.enumerate())


def wait_for(condition: Callable[[], bool]) -> bool:
    tick = threading.Event()
    return any(condition() or tick.wait(0.01) for _ in range(500))


@pytest.mark.parametrize("times", [1, 3])
def test_an_idle_thread_holds_nothing_of_what_it_ran(threads: ThreadCache, times: int) -> None:
    before = idle()
    for _ in range(times):
        work = Work()
        threads.run(work.run)
        assert work.done.wait(5)
        assert wait_for(lambda: idle() == before + 1)
    left = weakref.ref(work)
    del work
    gc.collect()
    assert left() is None
