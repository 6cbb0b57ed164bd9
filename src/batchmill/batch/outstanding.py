"""The items of a batch that are out: taken by a worker, and neither delivered nor returned yet.

Every item is settled once for each time it was taken. A plain counter would not notice a second delivery: it
would be one too low, reach zero while another item still runs, and end the batch without that item's result.
So this records which items are out, as runs of neighbouring indices, about one run per running chunk.
"""

from __future__ import annotations

import heapq
import time
from bisect import bisect_right

from batchmill.errors import InternalError


class Outstanding:
    """Not locked: its owner calls it under a lock. ``count`` is how many items are out, never below 0."""

    __slots__ = ("_ends", "_since", "_starts", "count")

    def __init__(self) -> None:
        self.count = 0
        self._starts: list[int] = []  # of the runs, in order
        self._ends: dict[int, int] = {}  # by their starts
        self._since: dict[
            int, float
        ] = {}  # by their starts: when their first items were begun, at the latest

    def add(self, start: int, length: int) -> None:
        """The items ``start`` to ``start + length - 1`` go out."""
        starts = self._starts
        if not starts or start > starts[-1]:
            starts.append(start)
        else:
            starts.insert(bisect_right(starts, start), start)
        self._ends[start] = start + length
        self._since[start] = time.monotonic()
        self.count += length

    def extend(self, start: int, length: int) -> None:
        """So many more items go out with those that went out from ``start`` on, which are the last ones."""
        self._ends[start] += length
        self.count += length

    def check(self, start: int, length: int, what: str) -> int:
        """The place of the run that these items are in. Raises :class:`~batchmill.errors.InternalError` where
        one of them is not out; ``what`` is done to them, such as ``delivered``."""
        place = bisect_right(self._starts, start) - 1
        if place < 0 or self._ends[self._starts[place]] < start + length:
            named = f"item {start} is" if length == 1 else f"items {start} to {start + length - 1} are"
            raise InternalError(
                f"{named} {what} a second time, or without having been taken: a fault in batchmill; please "
                "report it"
            )
        return place

    def remove(self, start: int, length: int, what: str) -> None:
        """These items are settled. Raises as :meth:`check`, and changes nothing then."""
        place = self.check(start, length, what)
        run = self._starts[place]
        run_end, end = self._ends[run], start + length
        if start == run:
            del self._starts[place], self._ends[run]
            self._since.pop(run, None)
        else:
            self._ends[run] = start
            place += 1
        if end < run_end:
            self._starts.insert(place, end)
            self._ends[end] = run_end
            self._since[end] = time.monotonic()
        self.count -= length

    def waits(self, start: int) -> None:
        """The items that went out from ``start`` on have yet to wait for something."""
        self._since.pop(start, None)

    def begins(self, start: int) -> None:
        """The items that went out from ``start`` on are let begin."""
        if start in self._ends:
            self._since[start] = time.monotonic()

    def under_way(self, most: int) -> tuple[int, list[tuple[int, float]]]:
        """How many items are out that wait for nothing, and at most so many that are so for the longest, the
        first of those that went out together, each with its seconds. Of a run that is settled in part the
        next item began then."""
        now = time.monotonic()
        count = sum(self._ends[start] - start for start in self._since)
        found = heapq.nsmallest(most, self._since.items(), key=lambda one: one[1])
        return count, [(index, now - since) for index, since in found]
