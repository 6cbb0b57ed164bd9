"""Who ends an exchange whose time is up: one thread for all exchanges of the process.

A timeout of the socket itself would cost two system calls and a look at the socket before each wait, and
every one of them lets another thread of the process go first. It would not see a server that sends a byte
now and then either.
"""

from __future__ import annotations

import threading
import time
from typing import Protocol

from batchmill.concurrency.resources import process_resource


class Ending(Protocol):
    """Something that must have ended at the second ``deadline`` of :func:`time.monotonic`."""

    deadline: float

    def expire(self) -> None:
        """Called once if it has not; it must not block."""


class Deadlines:
    """See the module.

    Concurrency: any thread may call any method. ``_lock`` (through ``_earlier``) guards everything else; it
    is not held while something is told to end.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._earlier = threading.Condition(self._lock)  # than the thread waits for, or closed
        self._watched: set[Ending] = set()
        self._next = float("inf")  # the second at which the thread looks again
        self._thread: threading.Thread | None = None
        self._closed = False

    def watch(self, ending: Ending) -> None:
        """From now on see to it that ``ending`` ends in time."""
        with self._lock:
            self._watched.add(ending)
            if ending.deadline >= self._next:
                return
            self._next = ending.deadline
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="batchmill-deadlines", daemon=True)
                self._thread.start()
            self._earlier.notify()

    def forget(self, ending: Ending) -> None:
        """It has ended."""
        with self._lock:
            self._watched.discard(ending)
            if self._closed and not self._watched:
                self._earlier.notify()

    def close(self) -> None:
        """Stop as soon as nothing is watched any more."""
        with self._lock:
            self._closed = True
            self._earlier.notify()

    def _work(self) -> None:
        while True:
            with self._lock:
                now = time.monotonic()
                overdue = [one for one in self._watched if one.deadline <= now]
                self._watched.difference_update(overdue)
            for one in overdue:
                one.expire()
            with self._lock:
                if self._closed and not self._watched:
                    self._thread = None
                    self._next = float("inf")  # what is watched after all gets a thread of its own
                    return
                self._next = min((one.deadline for one in self._watched), default=float("inf"))
                left = self._next - time.monotonic()
                if left > 0:
                    self._earlier.wait(min(left, threading.TIMEOUT_MAX))


def deadlines() -> Deadlines:
    """That of this process, until the last run in it ends."""
    return process_resource("http deadlines", Deadlines)
