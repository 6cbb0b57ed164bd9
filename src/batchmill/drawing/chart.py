"""Charts with two axes: scales, grids, lines and dots, as the text of SVG elements."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

from batchmill.drawing.svg import Value, element, text, ticks

Label = Callable[[float], str]
MOST_DECADES = 8  # that each have a tick
FEW = 500.0  # times the lowest value: a log scale up to here has ticks between the powers of ten


@dataclass(frozen=True, slots=True)
class Scale:
    """Where values between ``low`` and ``high`` are drawn, in pixels from ``start`` to ``end``. With ``log``
    each ten times as much is as far from the last; both must then be above 0."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def at(self, value: float) -> float:
        """The pixel of a value; of one outside the nearest inside."""
        inside = min(max(value, self.low), self.high)
        share = (
            math.log(inside / self.low) / math.log(self.high / self.low)
            if self.log
            else (inside - self.low) / (self.high - self.low)
        )
        return self.start + share * (self.end - self.start)

    def ticks(self) -> list[float]:
        """Round values to name: powers of ten on a log scale; on a short one also twice and five times."""
        if not self.log:
            return [tick for tick in ticks(self.high) if tick >= self.low]
        if self.high / self.low < FEW:
            first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
            steps = [factor * 10.0**power for power in range(first, last + 1) for factor in (1, 2, 5)]
            return [step for step in steps if self.low <= step <= self.high]
        first, last = math.ceil(math.log10(self.low) - 1e-9), math.floor(math.log10(self.high) + 1e-9)
        step = max(1, math.ceil((last - first) / MOST_DECADES))
        return [10.0**power for power in range(first, last + 1, step)]

    def between(self, number: int) -> list[float]:
        """So many values at equal distances as drawn, ``low`` and ``high`` among them."""
        shares = [place / (number - 1) for place in range(number)]
        if self.log:
            return [self.low * (self.high / self.low) ** share for share in shares]
        return [self.low + (self.high - self.low) * share for share in shares]


def grid(across: Scale, up: Scale, across_label: Label, up_label: Label) -> Iterator[str]:
    """A line at each tick of both axes, with its label below or to the left."""
    for tick in across.ticks():
        yield rule(across.at(tick), up.start, up.end)
        yield text(across.at(tick), up.start + 16, across_label(tick), kind="faint", size=12, anchor="middle")
    for tick in up.ticks():
        y = up.at(tick)
        yield element("line", {"class": "line", "x1": across.start, "x2": across.end, "y1": y, "y2": y})
        yield text(across.start - 8, y + 4, up_label(tick), kind="faint", size=12, anchor="end")


def rule(x: float, top: float, bottom: float, kind: str = "line", dashed: bool = False) -> str:
    """A line from top to bottom."""
    ends: dict[str, Value] = {"class": kind, "x1": x, "x2": x, "y1": top, "y2": bottom}
    return element("line", {**ends, "stroke-dasharray": "4 4"} if dashed else ends)


def curve(points: Sequence[tuple[float, float]], kind: str, dashed: bool = False) -> str:
    """A line through pixels; ``kind`` is the class that has its colour."""
    path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    shape: dict[str, Value] = {"class": kind, "fill": "none", "stroke-width": 1 if dashed else 2.5, "d": path}
    return element("path", {**shape, "stroke-dasharray": "4 4"} if dashed else shape)


def dot(x: float, y: float, kind: str, words: str) -> str:
    """A dot that shows ``words`` when pointed at."""
    return element("circle", {"class": kind, "cx": x, "cy": y, "r": 4}, element("title", {}, escape(words)))


def apart(places: Sequence[float], least: float) -> list[float]:
    """Heights for labels near ``places``: each at least ``least`` from the next, in the same order, moved as
    little as possible."""
    order = sorted(range(len(places)), key=lambda number: places[number])
    found = list(places)
    for before, after in pairwise(order):
        found[after] = max(found[after], found[before] + least)
    return found
