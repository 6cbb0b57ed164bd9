"""Limit the rate of progress events, so that a batch of a million quick items stays quick."""

from __future__ import annotations

import threading

from batchmill.concurrency.clock import SYSTEM_CLOCK, Clock

PROGRESS_EVERY = 0.1  # seconds: a bar drawn ten times a second looks live, and that is all it is for


class ProgressThrottle:
    """Lets one caller through every ``seconds``, the first one after that time.

    Concurrency: any thread may call :meth:`due`. ``_lock`` guards ``_next``; it is first read without the
    lock, and a stale value only delays a caller by one round.
    """

    def __init__(self, seconds: float = PROGRESS_EVERY, clock: Clock = SYSTEM_CLOCK) -> None:
        self._lock = threading.Lock()
        self._clock = clock
        self._seconds = seconds
        self._next = clock.monotonic() + seconds

    def due(self) -> bool:
        """Whether it is this caller's turn to speak."""
        now = self._clock.monotonic()
        if now < self._next:
            return False
        with self._lock:
            if now < self._next:
                return False
            self._next = now + self._seconds
            return True
