"""Time as an argument: the protocol, the system's clock and a fake one for tests."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Protocol

from batchmill.concurrency.cancel import CancelToken


class Clock(Protocol):
    """The time functions that the engine needs. All times are seconds as floats."""

    def monotonic(self) -> float:
        """Seconds that only go forward, the same for every process of this machine."""

    def time(self) -> float:
        """Seconds since the epoch."""

    def sleep(self, seconds: float) -> None:
        """Wait; zero and less return at once."""


class SystemClock:
    """The machine's own clock."""

    def monotonic(self) -> float:
        return time.monotonic()

    def time(self) -> float:
        return time.time()

    def sleep(self, seconds: float) -> None:
        if seconds > 0:
            time.sleep(seconds)


class FakeClock:
    """A clock for tests: only ``sleep`` and ``advance`` move it, and it remembers the sleeps.

    Concurrency: any thread may call any method; ``_lock`` guards ``now`` and ``sleeps``.
    """

    def __init__(self, now: float = 0.0) -> None:
        self._lock = threading.Lock()
        self.now = now
        self.sleeps: list[float] = []

    def monotonic(self) -> float:
        with self._lock:
            return self.now

    def time(self) -> float:
        return self.monotonic()

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.sleeps.append(seconds)
            self.now += max(0.0, seconds)

    def advance(self, seconds: float) -> None:
        """Move the clock forward by ``seconds``."""
        with self._lock:
            self.now += seconds


SYSTEM_CLOCK = SystemClock()
SLICE_SECONDS = 0.2  # between two looks whether a wait is to end


async def slept(clock: Clock, seconds: float, stop: CancelToken | None = None) -> None:
    """Wait on the event loop, until ``stop`` is cancelled at the latest. No thread waits, so a cancelled task
    leaves none behind."""
    if clock is not SYSTEM_CLOCK:
        clock.sleep(seconds)
        return
    end = clock.monotonic() + seconds
    while not (stop is not None and stop.cancelled) and (left := end - clock.monotonic()) > 0:
        await asyncio.sleep(left if stop is None else min(left, SLICE_SECONDS))
