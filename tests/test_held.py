"""What nodes keep open is made once, and closed with the last run."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from batchmill.held import close_held, held, holding


class Thing:
    def __init__(self):
        self.closed = 0

    def close(self):
        self.closed += 1


@pytest.fixture(autouse=True)
def _nothing_held():
    close_held()
    yield
    close_held()


def test_there_is_one_of_each():
    made = []

    def make():
        made.append(Thing())
        return made[-1]

    gate = threading.Barrier(8)

    def ask(_):
        gate.wait()
        return held("one", make)

    with ThreadPoolExecutor(8) as pool:
        assert len(set(map(id, pool.map(ask, range(8))))) == 1
    assert held("other", make) is not held("one", make)
    assert len(made) == 2


def test_the_last_run_closes_them():
    with holding():
        thing = held("one", Thing)
        with holding():
            assert held("one", Thing) is thing
        assert thing.closed == 0
    assert thing.closed == 1
    assert held("one", Thing) is not thing
