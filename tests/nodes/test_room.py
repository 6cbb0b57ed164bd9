"""One count of calls for threads and coroutines, in the order in which they came."""

from __future__ import annotations

import asyncio
import threading

import pytest

from batchmill.attempt import Attempt
from batchmill.concurrency.cancel import CancelToken
from batchmill.errors import Stopped
from batchmill.nodes.room import Room


@pytest.fixture
def small(monkeypatch):
    """A room for one call."""
    monkeypatch.setattr("batchmill.nodes.room.free_descriptors", lambda: 1)
    return Room()


def test_threads_and_coroutines_take_from_the_same(small):
    came, within = [], threading.Event()

    def call(name):
        small.enter(Attempt())
        came.append(name)
        small.leave()

    async def awaited():
        within.set()
        await small.entered()
        came.append("awaited")
        small.leave()

    small.enter(Attempt())
    threads = [threading.Thread(target=call, args=(name,)) for name in "ab"]
    threads.append(threading.Thread(target=asyncio.run, args=(awaited(),)))
    for count, thread in enumerate(threads, 1):
        thread.start()
        while len(small._waiting) < count:
            within.wait(0.01)
    assert came == []
    small.leave()
    for thread in threads:
        thread.join(30)
    assert came == ["a", "b", "awaited"]
    small.enter(Attempt())  # the place is there again


def test_places_of_those_that_do_not_wait_any_more(small):
    cancel = CancelToken()
    small.enter(Attempt())

    def stopped():
        with pytest.raises(Stopped):
            small.enter(Attempt(cancel=cancel))

    waiting = threading.Thread(target=stopped)
    waiting.start()
    cancel.cancel()
    waiting.join(30)

    async def overdue():
        task = asyncio.ensure_future(small.entered())
        await asyncio.sleep(0)
        small.leave()  # to a task that is cancelled before it hears of it
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(small.entered(), 30)

    asyncio.run(overdue())
    assert not small._waiting
