"""From how many items on one line is faster than another, and which is the fastest for how many.

Lines are straight between their bends, so all of it is computed, none is searched for."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from batchmill.bench.fit import UNNOTICED_SECONDS, CostLine

TIE = 1.05  # times no further apart than this are as good as one another
MOST_ITEMS = 1_000_000  # beyond this nothing is said
NARROW = 1.5  # stretches that end at so many times the items they begin with are not worth a change


def break_even(line: CostLine, reference: CostLine) -> int | None:
    """The least number of items from which on ``line`` is faster than ``reference``, each with its start;
    None where there is none up to :data:`MOST_ITEMS`. Faster means by more than :data:`TIE` and
    :data:`UNNOTICED_SECONDS`."""
    if not _gain(line, reference, MOST_ITEMS) > 0:
        return None
    return math.floor(max(_zeros(line, reference), default=0.0)) + 1


def _gain(line: CostLine, reference: CostLine, items: float) -> float:
    """Seconds that ``line`` is faster by, beyond what makes no difference."""
    return reference.wall(items) - TIE * line.wall(items) - UNNOTICED_SECONDS


def _zeros(line: CostLine, reference: CostLine) -> Iterator[float]:
    """Where the gain crosses nothing, between 1 and :data:`MOST_ITEMS`."""
    inner = [bend for bend in (line.bend, reference.bend) if 1 < bend < MOST_ITEMS]
    places = sorted({1.0, *inner, float(MOST_ITEMS)})
    for left, right in pairwise(places):
        low, high = _gain(line, reference, left), _gain(line, reference, right)
        if (low <= 0) != (high <= 0):
            yield left + (right - left) * low / (low - high)


@dataclass(frozen=True, slots=True)
class Stretch:
    """From ``items`` items on, until the next stretch, the line number ``best`` is the one to take."""

    items: int
    best: int


def stretches(lines: Sequence[CostLine], items: int) -> list[Stretch]:
    """The best of ``lines``, sorted from the simplest, for each number of items from 1 to :data:`MOST_ITEMS`:
    the simplest of those that are as good as the fastest. Narrow stretches belong to the one before, except
    for the one that ``items`` are in: lines differ little there, so noise decides."""
    found = [Stretch(1, best_at(lines, 1))]
    for change in sorted(_changes(lines)):
        best = best_at(lines, change)
        if best != found[-1].best:
            found.append(Stretch(change, best))
    ends = [one.items for one in found[1:]] + [math.inf]
    wide = [
        one
        for one, end in zip(found, ends, strict=True)
        if one.items == 1 or end > NARROW * one.items or one.items <= items < end
    ]
    return [wide[0], *(one for before, one in pairwise(wide) if one.best != before.best)]


def best_at(lines: Sequence[CostLine], items: int) -> int:
    """The number of the line to take for so many items."""
    walls = [line.wall(items) for line in lines]
    most = TIE * min(walls) + UNNOTICED_SECONDS
    return next(number for number, wall in enumerate(walls) if wall <= most)


def _changes(lines: Sequence[CostLine]) -> set[int]:
    """Numbers of items at which the best may change: wherever one line overtakes another, or ties with it."""
    pairs = ((one, other) for one in lines for other in lines if one is not other)
    zeros = (math.floor(zero) for one, other in pairs for zero in _zeros(one, other))
    return {items for zero in zeros for items in (zero, zero + 1)}


def about(items: int) -> int:
    """A number of items with two digits: no break-even is known better than that."""
    power: int = 10 ** max(0, len(str(items)) - 2)
    return round(items / power) * power
