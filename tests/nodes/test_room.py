"""One count of calls for threads and coroutines, in the order in which they came."""

from __future__ import annotations

import asyncio
import errno
import threading

import pytest

from batchmill.attempt import Attempt
from batchmill.concurrency.cancel import CancelToken
from batchmill.errors import Stopped
from batchmill.nodes.room import Room, is_full


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


def test_a_place_of_a_call_that_was_ended_begins_no_other_one_of_the_same_run(small):
    run, ended = CancelToken(), []

    def waits():
        try:
            small.enter(Attempt(cancel=CancelToken(run)))
        except Stopped:
            ended.append("not begun")

    small.enter(Attempt())
    thread = threading.Thread(target=waits)
    thread.start()
    while not small._waiting:
        threading.Event().wait(0.01)
    run.on_cancel(small.leave)  # the first call ends, before the token of the second is told
    run.cancel()
    thread.join(30)
    assert ended == ["not begun"]
    small.enter(Attempt())


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


class Keeper:
    """Has idle connections, and closes them when it is asked."""

    def __init__(self, room, idle):
        self.room, self.idle = room, idle
        room.keeps(self, idle)

    def make_way(self, count):
        self.idle -= min(self.idle, count)
        self.room.keeps(self, self.idle)


@pytest.fixture
def three(monkeypatch):
    """A room for three."""
    monkeypatch.setattr("batchmill.nodes.room.free_descriptors", lambda: 3)
    return Room()


def test_idle_connections_have_places_until_others_wait(three):
    keeper, attempt = Keeper(three, 2), Attempt()
    three.enter(attempt)
    assert keeper.idle == 2
    three.enter(attempt)
    assert keeper.idle == 1
    three.enter(attempt)
    assert (keeper.idle, three.overdrawn) == (0, False)
    assert not list(attempt.recorder)  # no more calls were wanted than there are places


def test_a_call_takes_over_the_place_of_a_connection_that_it_can_use(three):
    keeper, other = Keeper(three, 2), Keeper(three, 1)
    for _ in range(2):
        three.enter(Attempt(), keeper)
    assert (keeper.idle, other.idle) == (2, 1)  # none had to be closed
    keeper.idle = 0
    three.keeps(keeper, 0)
    three.enter(Attempt(), keeper)
    assert (other.idle, three.overdrawn) == (0, False)


def test_a_call_that_could_not_use_it_after_all_overdraws(three):
    keeper = Keeper(three, 3)
    three.enter(Attempt(), keeper)
    three.keeps(keeper, 3)
    assert three.overdrawn
    keeper.make_way(1)
    assert not three.overdrawn


def test_a_call_that_ends_with_an_idle_connection_makes_way(three):
    keeper, entered = Keeper(three, 0), threading.Event()
    for _ in range(3):
        three.enter(Attempt(), keeper)

    def waits():
        three.enter(Attempt())
        entered.set()

    waiting = threading.Thread(target=waits)
    waiting.start()
    while not three._waiting:
        entered.wait(0.01)
    keeper.idle = 1
    three.keeps(keeper, 1)  # as it does before its call leaves
    three.leave()
    assert entered.wait(30)
    waiting.join(30)
    assert keeper.idle == 0


def test_what_says_that_no_file_can_be_opened():
    full, told = OSError(errno.EMFILE, "full"), OSError("all attempts failed")
    told.__cause__ = full
    assert is_full(full)
    assert is_full(told)
    assert not is_full(OSError(errno.ECONNREFUSED, "refused"))
    assert not is_full(None)
