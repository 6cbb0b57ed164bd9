"""Pace lets one through per period."""

import threading

from batchmill.concurrency.clock import FakeClock
from batchmill.events import Pace


def test_one_turn_per_period():
    clock = FakeClock()
    pace = Pace(0.5, clock)
    assert not pace.due()
    clock.advance(0.5)
    assert pace.due()
    assert not pace.due()
    clock.advance(2.0)
    assert pace.due()
    assert not pace.due()


def test_only_one_of_many_threads_gets_the_turn():
    clock = FakeClock()
    pace = Pace(1.0, clock)
    clock.advance(1.0)
    turns = []
    threads = [threading.Thread(target=lambda: turns.append(pace.due())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(turns) == [False] * 7 + [True]
