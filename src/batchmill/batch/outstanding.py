"""Which items of a batch are out: taken by a worker, and neither delivered nor given back yet.

Every item is settled once for each time it was taken. A count would not notice a second delivery: it would
be one too low, reach zero while another item still runs, and end the batch without that one's result. So it
is known of each item whether it is out, as runs of neighbouring indices, of which there are about as many as
there are chunks at work.
"""

from __future__ import annotations

from bisect import bisect_right

from batchmill.errors import InternalError


class Outstanding:
    """Not locked: its owner calls it under a lock. ``count`` is how many items are out, never below 0."""

    __slots__ = ("_ends", "_starts", "count")

    def __init__(self) -> None:
        self.count = 0
        self._starts: list[int] = []  # of the runs, in order
        self._ends: dict[int, int] = {}  # by their starts

    def add(self, start: int, length: int) -> None:
        """The items ``start`` to ``start + length - 1`` go out."""
        starts = self._starts
        if not starts or start > starts[-1]:
            starts.append(start)
        else:
            starts.insert(bisect_right(starts, start), start)
        self._ends[start] = start + length
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
        else:
            self._ends[run] = start
            place += 1
        if end < run_end:
            self._starts.insert(place, end)
            self._ends[end] = run_end
        self.count -= length
