"""What nodes keep open is made once, and closed with the last run."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from batchmill.concurrency.resources import close_resources, process_resource, resource_scope


class Thing:
    def __init__(self):
        self.closed = 0

    def close(self):
        self.closed += 1


@pytest.fixture(autouse=True)
def _nothing_held():
    close_resources()
    yield
    close_resources()


def test_there_is_one_of_each():
    made = []

    def make():
        made.append(Thing())
        return made[-1]

    gate = threading.Barrier(8)

    def ask(_):
        gate.wait()
        return process_resource("one", make)

    with ThreadPoolExecutor(8) as pool:
        assert len(set(map(id, pool.map(ask, range(8))))) == 1
    assert process_resource("other", make) is not process_resource("one", make)
    assert len(made) == 2


def test_the_last_run_closes_them():
    with resource_scope():
        thing = process_resource("one", Thing)
        with resource_scope():
            assert process_resource("one", Thing) is thing
        assert thing.closed == 0
    assert thing.closed == 1
    assert process_resource("one", Thing) is not thing


def test_who_wants_another_thing_does_not_wait_for_one_that_is_being_made():
    begun, go = threading.Event(), threading.Event()

    def slowly():
        begun.set()
        assert go.wait(10)
        return Thing()

    with ThreadPoolExecutor(2) as pool:
        slow = pool.submit(process_resource, "slow", slowly)
        assert begun.wait(10)
        other = process_resource("other", Thing)
        assert process_resource("inside", lambda: process_resource("other", Thing)) is other
        go.set()
        assert process_resource("slow", Thing) is slow.result()


def test_a_thing_that_could_not_be_made_is_made_at_the_next_call():
    def fails():
        raise OSError("no route")

    with pytest.raises(OSError, match="no route"):
        process_resource("one", fails)
    assert process_resource("one", Thing) is process_resource("one", Thing)


def test_what_is_being_made_while_all_is_closed_is_closed_too():
    begun, go = threading.Event(), threading.Event()

    def slowly():
        begun.set()
        assert go.wait(10)
        return Thing()

    with ThreadPoolExecutor(2) as pool:
        slow = pool.submit(process_resource, "slow", slowly)
        assert begun.wait(10)
        closing = pool.submit(close_resources)
        go.set()
        closing.result()
        assert slow.result().closed == 1
    assert process_resource("slow", Thing) is not slow.result()
