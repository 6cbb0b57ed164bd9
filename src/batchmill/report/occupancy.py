"""How busy something was over time: the integral of what is under way, in bins, at a constant price an
interval."""

from __future__ import annotations

from array import array
from itertools import accumulate


class Occupancy:
    """Intervals over ``bins`` bins of ``seconds`` each from 0 on. What lies outside of them is left out."""

    __slots__ = ("_bins", "_full", "_part", "_seconds")

    def __init__(self, bins: int, seconds: float) -> None:
        self._bins, self._seconds = bins, seconds
        self._part = array("d", bytes(8 * bins))  # seconds in bins that an interval covers in part
        self._full = array(
            "l", bytes(array("l").itemsize * (bins + 1))
        )  # intervals that cover a bin: differences

    def add(self, start: float, end: float) -> None:
        """Something was under way from ``start`` to ``end``."""
        seconds = self._seconds
        start, end = max(0.0, start), min(end, self._bins * seconds)
        if end <= start:
            return
        first, last = int(start / seconds), int(end / seconds)
        if first >= self._bins:
            return
        if first == last:
            self._part[first] += end - start
            return
        self._part[first] += (first + 1) * seconds - start
        if last < self._bins:
            self._part[last] += end - last * seconds
        self._full[first + 1] += 1
        self._full[last] -= 1

    def means(self) -> list[float]:
        """In each bin, how many were under way on average."""
        full = accumulate(self._full)
        return [max(0.0, part / self._seconds + count) for part, count in zip(self._part, full, strict=False)]
