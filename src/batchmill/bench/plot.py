"""A comparison as a picture, by itself or in a page. Bars of seconds, with their spread.

One panel per workload with a scale of its own, in it one bar per case; a colour per executor.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape
from itertools import groupby

from batchmill.bench.compare import Comparison
from batchmill.bench.figures import Figures
from batchmill.bench.words import bytes_, seconds
from batchmill.drawing.palette import classes
from batchmill.drawing.svg import Value, bar, element, picture, spread, text, ticks
from batchmill.traits import TRAITS

WIDTH = 960
LEFT, RIGHT = 150, 275  # of the bars: room for what stands before and behind them
BAR, STEP = 20, 30
HOW_TO_READ = "Shorter is better. The line across a bar's end spans its fastest and slowest run."
ORDER = tuple(TRAITS)


def page(comparisons: Sequence[Comparison], machine: str) -> str:
    """An HTML page with the picture, and what each workload teaches, in words."""
    advice = "".join(
        f"<li>{escape(_named(one, comparisons) + one.advice.sentence)}</li>" for one in comparisons
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">'
        f"<title>{escape(_title(comparisons))}</title>"
        "<style>body { font: 16px/1.5 system-ui, sans-serif; max-width: 960px; margin: 2rem auto;"
        " padding: 0 1rem } svg { width: 100%; height: auto }</style></head>\n"
        f"<body>{svg(comparisons, machine)}<ul>{advice}</ul></body></html>\n"
    )


def _named(one: Comparison, comparisons: Sequence[Comparison]) -> str:
    return f"{one.workload}: " if len(comparisons) > 1 else ""


def _title(comparisons: Sequence[Comparison]) -> str:
    names = ", ".join(one.workload for one in comparisons)
    return f"How long {names} takes" if len(comparisons) == 1 else "How long each workload takes"


def svg(comparisons: Sequence[Comparison], machine: str) -> str:
    """The picture alone."""
    body: list[str] = []
    y = 40.0
    body.append(text(24, y, _title(comparisons), size=22, weight="600"))
    y += 24
    for line in (f"{HOW_TO_READ} {machine}", "“× as fast” is compared with sequential."):
        body.append(text(24, y, line, kind="faint", size=13))
        y += 18
    y += 12
    body += _legend(y, comparisons)
    y += 22
    for comparison in comparisons:
        drawn, y = _panel(comparison, y)
        body += drawn
    return picture(WIDTH, math.ceil(y + 14), _title(comparisons), body, classes(ORDER))


def _legend(y: float, comparisons: Sequence[Comparison]) -> Iterator[str]:
    used = {figures.case.executor for one in comparisons for figures in one.figures}
    x = 24.0
    for executor in (name for name in ORDER if name in used):
        yield bar(x, y - 11, 13, 13, [(executor, 1, "")], rx=3)
        yield text(x + 19, y, executor, size=13)
        x += 40 + 8 * len(executor)


def _panel(comparison: Comparison, y: float) -> tuple[list[str], float]:
    """The panel of a workload from ``y`` down, and where it ends."""
    figures = comparison.figures
    count = f"{figures[0].items:,} {'item' if figures[0].items == 1 else 'items'}"
    about = f": {comparison.about}" if comparison.about else ""
    y += 30
    drawn = [text(24, y, f"{comparison.workload}, {count}{about}", size=16, weight="600")]
    top = y + 14
    longest = max(one.wall.most for one in figures)
    scale = (WIDTH - LEFT - RIGHT) / longest
    bars: list[str] = []
    y = top
    several = len({one.case.build for one in figures}) > 1
    for build, group in groupby(figures, key=lambda one: one.case.build):
        if several:
            y += 20
            bars.append(text(24, y - 3, build, kind="faint", size=13, weight="600"))
        for one in group:
            bars += _bar(one, y, scale)
            y += STEP
    drawn += _axis(longest, scale, top, y)
    return drawn + bars, y + 22


def _bar(one: Figures, y: float, scale: float) -> Iterator[str]:
    length = max(1.5, one.wall.median * scale)
    least, most = LEFT + one.wall.least * scale, LEFT + one.wall.most * scale
    middle = y + BAR / 2 + 4
    yield text(LEFT - 10, middle + 4, one.case.label, size=13, anchor="end")
    yield bar(LEFT, y + 4, BAR, 1, [(one.case.executor, length, _hover(one))], rx=3)
    if most - least >= 1:
        yield spread(least, most, middle)
    yield text(max(LEFT + length, most) + 8, middle + 4, _behind(one), size=13)


def _behind(one: Figures) -> str:
    told = seconds(one.wall.median)
    if one.case.traits.chooses:
        told += f", chose {one.chosen}"
    if one.speedup is not None and one.case.traits.side_by_side:
        told += f", {one.speedup.median:.2g} × as fast"
    if one.status != "success":
        told += f", {one.status}"
    return told if one.same else f"{told}, other outputs"


def _hover(one: Figures) -> str:
    return (
        f"{one.case.label} on {one.case.build}: {seconds(one.wall.median)} "
        f"({seconds(one.wall.least)} to {seconds(one.wall.most)}), CPU {seconds(one.cpu.median)}, "
        f"memory {bytes_(one.peak_memory)}, an item {seconds(one.p50)}"
    )


def _axis(longest: float, scale: float, top: float, bottom: float) -> Iterator[str]:
    for tick in ticks(longest):
        x = LEFT + tick * scale
        ends: dict[str, Value] = {"x1": x, "x2": x, "y1": top, "y2": bottom}
        yield element("line", {"class": "line", **ends})
        yield text(x, bottom + 15, seconds(tick) if tick else "0", kind="faint", size=12, anchor="middle")
