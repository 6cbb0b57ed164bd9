"""Durations added up in constant memory: exact counts, sums and extremes, percentiles by buckets.

Buckets grow by a constant ratio, 32 to an octave, so a percentile is within 1.1 % of its true value, however
long the tail. Up to a thousand values are stored as they are, and their percentiles are exact."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence

from batchmill.report.durations import Durations, Histogram

STEPS = 32  # buckets an octave
MOST_EXACT = 1000
MOST_BUCKETS = 64  # of a histogram that is drawn
LEAST = 1e-9  # seconds; what is shorter, or negative because a clock was set, counts as this


class Tally:
    """Durations in seconds. Used by one thread."""

    __slots__ = ("_buckets", "_exact", "count", "least", "most", "total")

    def __init__(self) -> None:
        self.count = 0
        self.total = 0.0
        self.least, self.most = math.inf, 0.0
        self._buckets: Counter[int] = Counter()
        self._exact: list[float] | None = []

    def add(self, value: float) -> None:
        """Count ``value``."""
        self.add_all((value,))

    def add_all(self, values: Sequence[float]) -> None:
        """Count ``values``, of which there is at least one."""
        if min(values) < LEAST:
            values = [max(LEAST, value) for value in values]
        self.count += len(values)
        self.total += sum(values)
        self.least, self.most = min(self.least, min(values)), max(self.most, max(values))
        floor, log2 = math.floor, math.log2
        self._buckets.update([floor(log2(value) * STEPS) for value in values])
        if self._exact is not None:
            if self.count <= MOST_EXACT:
                self._exact.extend(values)
            else:
                self._exact = None

    def __add__(self, other: Tally) -> Tally:
        """Both together."""
        both = Tally()
        both.count, both.total = self.count + other.count, self.total + other.total
        both.least, both.most = min(self.least, other.least), max(self.most, other.most)
        both._buckets = self._buckets + other._buckets
        kept = self._exact is not None and other._exact is not None and both.count <= MOST_EXACT
        both._exact = [*(self._exact or ()), *(other._exact or ())] if kept else None
        return both

    def percentile(self, share: float) -> float:
        """The value that ``share`` (0 to 1) of the values do not exceed; the nearest rank while the values
        are stored. 0 without values."""
        if not self.count:
            return 0.0
        rank = min(self.count, max(1, math.ceil(share * self.count)))
        if self._exact is not None:
            self._exact.sort()  # already so but for what came since the last time
            return self._exact[rank - 1]
        for bucket, below in self._ascending():
            if below >= rank:
                return min(self.most, max(self.least, 2 ** ((bucket + 0.5) / STEPS)))
        return self.most

    def _ascending(self) -> Iterator[tuple[int, int]]:
        below = 0
        for bucket in sorted(self._buckets):
            below += self._buckets[bucket]
            yield bucket, below

    def durations(self) -> Durations | None:
        """Sums and percentiles; None without values."""
        if not self.count:
            return None
        p50, p90, p95, p99 = (self.percentile(share) for share in (0.5, 0.9, 0.95, 0.99))
        return Durations(self.count, self.total, self.least, p50, p90, p95, p99, self.most)

    @property
    def buckets(self) -> Counter[int]:
        """Counts by bucket: ``n`` is that from ``2 ** (n / STEPS)`` seconds on."""
        return self._buckets


def histogram(ok: Tally, failed: Tally) -> Histogram | None:
    """Both as one histogram of at most 64 buckets; None without values."""
    numbers = [*ok.buckets, *failed.buckets]
    if not numbers:
        return None
    width = 1
    while max(numbers) // width - min(numbers) // width >= MOST_BUCKETS:
        width *= 2
    width = max(width, 4)  # 8 to an octave: finer ones look like noise
    first, last = min(numbers) // width, max(numbers) // width
    counts = []
    for tally in (ok, failed):
        summed = [0] * (last - first + 1)
        for bucket, count in tally.buckets.items():
            summed[bucket // width - first] += count
        counts.append(summed)
    return Histogram(2 ** (first * width / STEPS), 2 ** (width / STEPS), *counts)
