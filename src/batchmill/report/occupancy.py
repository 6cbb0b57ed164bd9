"""Occupancy over time: the integral of the items in flight, in bins, at a constant price per interval."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from itertools import accumulate


class Occupancy:
    """Intervals over ``bins`` bins of ``seconds`` each, from 0. Parts outside the bins are ignored."""

    __slots__ = ("_bins", "_full", "_part", "_seconds")

    def __init__(self, bins: int, seconds: float) -> None:
        self._bins, self._seconds = bins, seconds
        self._part = array("d", bytes(8 * bins))  # seconds in bins that an interval covers in part
        self._full = array(
            "l", bytes(array("l").itemsize * (bins + 1))
        )  # intervals that cover a bin: differences

    def add(self, start: float, end: float) -> None:
        """Something was under way from ``start`` to ``end``."""
        self.add_all((start,), (end,))

    def add_all(self, starts: Iterable[float], ends: Iterable[float]) -> None:
        """Several things were under way, each from its start to its end."""
        bins, seconds, part, full = self._bins, self._seconds, self._part, self._full
        limit = bins * seconds
        for start, end in zip(starts, ends, strict=True):
            if start < 0.0:
                start = 0.0
            if end > limit:
                end = limit
            if end <= start:
                continue
            first, last = int(start / seconds), int(end / seconds)
            if first == last:
                if first < bins:
                    part[first] += end - start
            elif first < bins:
                part[first] += (first + 1) * seconds - start
                if last < bins:
                    part[last] += end - last * seconds
                full[first + 1] += 1
                full[last] -= 1

    def means(self) -> list[float]:
        """In each bin, how many were under way on average."""
        full = accumulate(self._full)
        return [max(0.0, part / self._seconds + count) for part, count in zip(self._part, full, strict=False)]
