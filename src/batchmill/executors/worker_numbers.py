"""The numbers of a batch's workers."""

from __future__ import annotations

import heapq
import threading
from collections.abc import Iterable


class WorkerNumbers:
    """Gives each worker that runs items the lowest free number from 0, like a table of file descriptors: so a
    batch has as many numbers as it ever had workers at once, with any sequence of executors. Those that are
    ``free`` are given before others.

    Concurrency: any thread; ``_lock`` guards all fields.
    """

    def __init__(self, free: Iterable[int] = ()) -> None:
        self._lock = threading.Lock()
        self._free = sorted(free)  # a heap
        self._known = 0

    def __reduce__(self) -> tuple[object, ...]:
        return WorkerNumbers, ()  # workers of another process are others

    def acquire(self) -> int:
        """The lowest number that is free. No other worker has it until it is given to :meth:`release`."""
        with self._lock:
            if self._free:
                return heapq.heappop(self._free)
            self._known += 1
            return self._known - 1

    def release(self, number: int) -> None:
        """The worker with this number runs nothing more."""
        with self._lock:
            heapq.heappush(self._free, number)
