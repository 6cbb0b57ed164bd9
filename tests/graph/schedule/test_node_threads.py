"""The crew: work that follows from work, on as many threads as it takes, none of them left."""

from __future__ import annotations

import threading
import time

import pytest

from batchmill.graph.schedule import node_threads
from batchmill.graph.schedule.node_threads import NodeThreads


def nothing() -> None:
    """There is nothing to break off."""


def crewed(do, most=100, break_off=nothing) -> NodeThreads:
    return NodeThreads(do, break_off, most)


def branch_threads() -> int:
    return sum(thread.name == node_threads.NAME for thread in threading.enumerate())


def test_all_work_is_done_and_what_follows_from_it():
    lock, done = threading.Lock(), []

    def do(number):
        with lock:
            done.append(number)
        return [2 * number, 2 * number + 1] if number < 200 else []

    crewed(do).run([1])
    assert sorted(done) == list(range(1, 400))
    assert branch_threads() == 0


def test_what_waits_runs_side_by_side():
    """Nobody gets past the barrier unless all eight are at work at once."""
    barrier = threading.Barrier(8)

    def do(number):
        barrier.wait(10)
        return []

    crewed(do).run(range(8))


def test_there_are_never_more_threads_than_allowed():
    lock, now, most = threading.Lock(), [0], [0]

    def do(number):
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        time.sleep(0.005)
        with lock:
            now[0] -= 1
        return []

    crewed(do, most=3).run(range(20))
    assert most[0] <= 3


def test_short_work_needs_few_threads():
    names = set()

    def do(number):
        names.add(threading.get_ident())
        return []

    crewed(do).run(range(1000))
    assert len(names) < 100


def test_a_long_row_behind_a_fan_out_is_done_by_one_thread():
    idents = []

    def do(number):
        idents.append(threading.get_ident())
        return [number + 1] if number < 50 else []

    crewed(do, most=1).run([0])
    assert len(set(idents)) == 1


def test_what_the_work_raises_is_raised_when_nothing_runs_any_more():
    running, broken = threading.Event(), threading.Event()
    ended = []

    def do(number):
        if number == 0:
            running.wait(10)
            raise ValueError("broken")
        running.set()
        broken.wait(10)
        ended.append(number)
        return [number + 1]

    with pytest.raises(ValueError, match="broken"):
        crewed(do, break_off=broken.set).run([0, 1])
    assert ended == [1]
    assert branch_threads() == 0


def test_an_interrupted_wait_breaks_the_work_off(monkeypatch):
    broken = threading.Event()

    def do(number):
        broken.wait(10)
        return []

    one = crewed(do, break_off=broken.set)
    monkeypatch.setattr(one, "_wait", lambda: interrupted(one))
    with pytest.raises(KeyboardInterrupt):
        one.run([0, 1, 2])
    assert branch_threads() == 0


def interrupted(one: NodeThreads) -> None:
    with one._lock:
        one._hire(2)
    raise KeyboardInterrupt


def test_where_the_system_gives_no_thread_that_is_raised(monkeypatch):
    def refused(self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refused)
    with pytest.raises(RuntimeError, match="new thread"):
        crewed(lambda number: []).run([1, 2])


def test_where_the_system_gives_few_threads_they_do_it_all(monkeypatch):
    start, left = threading.Thread.start, [2]

    def few(self):
        if not left[0]:
            raise RuntimeError("can't start new thread")
        left[0] -= 1
        start(self)

    monkeypatch.setattr(threading.Thread, "start", few)
    done = []

    def do(number):
        time.sleep(0.003)
        done.append(number)
        return []

    crewed(do).run(range(20))
    assert sorted(done) == list(range(20))
