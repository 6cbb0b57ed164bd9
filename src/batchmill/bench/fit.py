"""A model of the runs of a case: from runs at several numbers of items, a start, a fixed cost and a cost per
item.

Pure functions of measured seconds. The start is the difference of two runs of one process with equally many
items, the first and a later one, so it contains nothing else. The cost of an item is the slope of the runs
after that, and never less than the items themselves allow: in a second, ``w`` workers do ``w`` seconds of
items (Little's law). So a batch of fewer items than workers, whose runs all take as long as one item, does
not make further items look free. If there is no slope, because all runs have equally many items or fewer than
workers, cores must at least have the time for what the items compute."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from batchmill.bench.case import MeasuredRun, RunSeries
from batchmill.executors.cores import usable_cores

UNNOTICED_SECONDS = 0.02  # that nobody would notice, and that starts differ in by chance


@dataclass(frozen=True, slots=True)
class Point:
    """A run of ``items`` items took ``wall`` seconds, each of its items ``item`` seconds on average; up to
    ``workers`` items ran at once. It computed for ``cpu`` seconds, on all cores together."""

    items: int
    wall: float
    item: float
    workers: int
    cpu: float = 0.0

    @classmethod
    def of(cls, run: MeasuredRun) -> Point:
        item = sum(run.walls) / run.items if run.items else 0.0
        return cls(run.items, run.wall, item, run.workers, run.cpu)


@dataclass(frozen=True, slots=True)
class Round:
    """The runs of one process: ``start`` is how much longer its first took than those after it with equally
    many items, by their median; ``warm`` are all but the first."""

    start: float
    warm: tuple[Point, ...]

    @classmethod
    def of(cls, series: RunSeries) -> Round:
        """The round of a process that ran the first two steps with the same number of items."""
        first, *others = series.runs
        limit = series.steps[0].limit
        again = [run.wall for step, run in zip(series.steps[1:], others, strict=True) if step.limit == limit]
        warm = sorted(map(Point.of, others), key=lambda one: one.items)
        return cls(first.wall - statistics.median(again), tuple(warm))


@dataclass(frozen=True, slots=True)
class CostLine:
    """Seconds: a run in a new process takes ``start`` longer than the same run later, each run has a cost
    ``fixed``, and each item adds ``per_item``. No run is shorter than one item, ``item``."""

    start: float
    fixed: float
    per_item: float
    item: float

    def wall(self, items: float, cold: bool = True) -> float:
        """Seconds of a run of so many items, by default the first of its process."""
        work = max(self.per_item * items, self.item) if items else 0.0
        return (self.start if cold else 0.0) + self.fixed + work

    @property
    def bend(self) -> float:
        """The number of items from which on each adds to the time: those below run at once."""
        return self.item / self.per_item if self.per_item > 0 else 1.0


def line_of(rounds: Sequence[Round]) -> CostLine:
    """The line through the warm runs of ``rounds``, at least one."""
    points = [point for one in rounds for point in one.warm]
    most = max(point.items for point in points)
    largest = [point for point in points if point.items == most]
    # of two the lesser, because other load makes a start longer
    start = max(0.0, statistics.median_low([one.start for one in rounds]))
    if not most:
        return CostLine(start, statistics.median(point.wall for point in points), 0.0, 0.0)
    item = min(_items_of_each(points))
    least = statistics.median(point.item / point.workers for point in largest)
    slope = _slope(rounds)
    if slope is None:
        computing = statistics.median(point.cpu / point.items for point in largest)
        slope = min(computing / usable_cores(), item)
    per_item = max(least, slope)
    rest = (point.wall - max(per_item * point.items, item) for point in points if point.items)
    return CostLine(start, max(0.0, statistics.median(rest)), per_item, item)


def _items_of_each(points: Sequence[Point]) -> Iterator[float]:
    """Seconds of an item at each number of items, by the median of their runs. Items that compute in threads
    take the longer the more of them share the GIL, so the least is the nearest to an item alone."""
    for items in {point.items for point in points if point.items}:
        yield statistics.median(point.item for point in points if point.items == items)


def has_slope(rounds: Sequence[Round]) -> bool:
    """Whether what a further item costs was measured, with all workers busy."""
    return _slope(rounds) is not None


def _slope(rounds: Sequence[Round]) -> float | None:
    """Seconds an item, None if they were not measured: the median over all pairs of runs of a process, each
    weighted by its distance, for noise divided by a small distance is large. Only runs in which all workers
    have items count."""
    slopes = sorted(_slopes(rounds))
    half, passed = sum(weight for _, weight in slopes) / 2, 0.0
    for slope, weight in slopes:
        passed += weight
        if passed >= half:
            return slope
    return None


def _slopes(rounds: Sequence[Round]) -> Iterator[tuple[float, int]]:
    for one in rounds:
        full = [point for point in one.warm if point.items >= point.workers]
        for few, many in combinations(full, 2):
            if many.items > few.items:
                yield (many.wall - few.wall) / (many.items - few.items), many.items - few.items


def misfit(line: CostLine, points: Sequence[Point]) -> float:
    """How far the line is from the measured walls, as a share of them: at each number of items by its median,
    the worst of these. Distances of up to :data:`UNNOTICED_SECONDS` do not count."""
    found = 0.0
    for items in {point.items for point in points}:
        wall = statistics.median(point.wall for point in points if point.items == items)
        distance = abs(line.wall(items, cold=False) - wall)
        if distance > UNNOTICED_SECONDS:
            found = max(found, distance / wall)
    return found
