"""A delay queue: items that are retried, but not before some time has passed."""

from __future__ import annotations

import heapq
import time

from batchmill.executors.contract import Chunk


class DelayQueue:
    """Chunks by the moment they are due, in seconds of ``time.monotonic``.

    Concurrency: none of its own; its owner calls it under one lock.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Chunk]] = []  # the index tells apart what is due at one moment

    def __bool__(self) -> bool:
        return bool(self._heap)

    def put(self, chunk: Chunk, seconds: float) -> None:
        """Have ``chunk`` due in ``seconds``."""
        heapq.heappush(self._heap, (time.monotonic() + seconds, chunk.start, chunk))

    def due(self) -> list[Chunk]:
        """Take out what is due."""
        now, found = time.monotonic(), []
        while self._heap and self._heap[0][0] <= now:
            found.append(heapq.heappop(self._heap)[2])
        return found

    def seconds(self) -> float | None:
        """Seconds until the next entry is due; None if there is none."""
        return max(0.0, self._heap[0][0] - time.monotonic()) if self._heap else None

    def clear(self) -> list[Chunk]:
        """Take out all of it, due or not."""
        found = [chunk for _, _, chunk in self._heap]
        self._heap.clear()
        return found
