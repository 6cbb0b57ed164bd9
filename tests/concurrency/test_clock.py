"""Clocks: the machine's, and the one that moves by hand."""

from __future__ import annotations

import threading
import time

from batchmill.concurrency.clock import SYSTEM_CLOCK, FakeClock


def test_the_fake_clock_moves_by_sleep_and_advance_only() -> None:
    clock = FakeClock(5.0)
    assert clock.monotonic() == clock.time() == 5.0
    clock.sleep(2.5)
    clock.sleep(-1)
    clock.advance(1.0)
    assert clock.monotonic() == 8.5
    assert clock.sleeps == [2.5, -1]


def test_sleeps_of_many_threads_add_up() -> None:
    clock = FakeClock()
    threads = [threading.Thread(target=lambda: [clock.sleep(1) for _ in range(500)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert clock.monotonic() == len(clock.sleeps) == 2000


def test_the_system_clock_is_the_machine_s() -> None:
    before = time.monotonic()
    assert before <= SYSTEM_CLOCK.monotonic() <= time.monotonic()
    assert abs(SYSTEM_CLOCK.time() - time.time()) < 60
    SYSTEM_CLOCK.sleep(0.002)
    SYSTEM_CLOCK.sleep(0)
    SYSTEM_CLOCK.sleep(-5)
    assert SYSTEM_CLOCK.monotonic() - before >= 0.002
