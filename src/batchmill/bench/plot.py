"""Comparisons as a picture, by itself or in a page.

For each workload: a bar per case for the items there are, with the start apart; a curve per executor over the
number of items, with its break-even point; and where several numbers of jobs were tried, what each of them
gets done."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape
from itertools import groupby

from batchmill.bench.compare import WorkloadComparison
from batchmill.bench.curves import item_curves, job_curves
from batchmill.bench.figures import CaseFigures
from batchmill.bench.table import faster_from, title_of, versus
from batchmill.drawing.chart import rule
from batchmill.drawing.palette import classes
from batchmill.drawing.svg import bar, picture, spread, text, ticks
from batchmill.traits import TRAITS
from batchmill.values.words import bytes_, count, duration

WIDTH = 960
LEFT, RIGHT = 150, 330  # of the bars: room for what stands before and behind them
BAR, STEP = 20, 30
START = "s2"  # as in the page of a report
ORDER = tuple(TRAITS)
HOW_TO_READ = (
    "Shorter is better. Grey is the start. The line across a bar's end spans the fastest and slowest round."
)


def page(comparisons: Sequence[WorkloadComparison], machine: str) -> str:
    """An HTML page with the picture, and the conclusion of each workload in words."""
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


def _named(one: WorkloadComparison, comparisons: Sequence[WorkloadComparison]) -> str:
    return f"{one.workload}: " if len(comparisons) > 1 else ""


def _title(comparisons: Sequence[WorkloadComparison]) -> str:
    names = ", ".join(one.workload for one in comparisons)
    return f"How long {names} takes" if len(comparisons) == 1 else "How long each workload takes"


def svg(comparisons: Sequence[WorkloadComparison], machine: str) -> str:
    """The picture alone."""
    body: list[str] = []
    y = 40.0
    body.append(text(24, y, _title(comparisons), size=22, weight="600"))
    y += 24
    several_rounds = any(len(one.rounds) > 1 for comparison in comparisons for one in comparison.figures)
    how = HOW_TO_READ if several_rounds else HOW_TO_READ.partition(" The line")[0]
    for line in (
        how,
        f"Seconds are of the first run of a process, without the interpreter's start. {machine}",
    ):
        body.append(text(24, y, line, kind="faint", size=13))
        y += 18
    y += 12
    body += _legend(y, comparisons)
    y += 22
    for comparison in comparisons:
        drawn, y = _panel(comparison, y)
        body += drawn
    return picture(WIDTH, math.ceil(y + 14), _title(comparisons), body, classes((*ORDER, START)))


def _legend(y: float, comparisons: Sequence[WorkloadComparison]) -> Iterator[str]:
    used = {figures.case.executor for one in comparisons for figures in one.figures}
    x = 24.0
    for kind, words in [*((name, name) for name in ORDER if name in used), (START, "start")]:
        yield bar(x, y - 11, 13, 13, [(kind, 1, "")], rx=3)
        yield text(x + 19, y, words, size=13)
        x += 40 + 8 * len(words)


def _panel(comparison: WorkloadComparison, y: float) -> tuple[list[str], float]:
    """The panel of a workload from ``y`` down, and where it ends."""
    y += 34
    drawn = [text(24, y, title_of(comparison), size=16, weight="600")]
    if comparison.about:
        y += 19
        drawn.append(text(24, y, comparison.about, kind="faint", size=13))
    bars, y = _bars(comparison, y + 14)
    drawn += bars
    several = len(comparison.builds) > 1
    for build in comparison.builds:
        figures = [one for one in comparison.figures if one.case.build == build]
        for draw in (item_curves, job_curves):
            curves, y = draw(figures, f" on {build}" if several else "", WIDTH, y)
            drawn += curves
    return drawn, y


def _bars(comparison: WorkloadComparison, top: float) -> tuple[list[str], float]:
    figures = comparison.figures
    several = len(comparison.builds) > 1
    longest = max(most for one in figures for most in (one.wall, *_walls(one)))
    scale = (WIDTH - LEFT - RIGHT) / longest
    bars: list[str] = []
    y = top
    for build, group in groupby(figures, key=lambda one: one.case.build):
        if several:
            y += 20
            bars.append(text(24, y - 3, build, kind="faint", size=13, weight="600"))
        for one in group:
            bars += _bar(one, y, scale)
            y += STEP
    axis = [part for tick in ticks(longest) for part in _tick(tick, scale, top, y)]
    return axis + bars, y + 22


def _walls(one: CaseFigures) -> list[float]:
    """Seconds for the existing items, by each round alone; empty for a single one."""
    return [line.wall(one.advised) for line in one.rounds] if len(one.rounds) > 1 else []


def _bar(one: CaseFigures, y: float, scale: float) -> Iterator[str]:
    end = LEFT + max(1.5, one.wall * scale)
    walls = _walls(one)
    least, most = LEFT + min(walls, default=0) * scale, LEFT + max(walls, default=0) * scale
    middle = y + BAR / 2 + 4
    start = one.line.start
    yield text(LEFT - 10, middle + 4, one.case.label, size=13, anchor="end")
    parts = [
        (START, start, f"start {duration(start)}"),
        (one.case.executor, max(one.wall - start, 1.5 / scale), _hover(one)),
    ]
    yield bar(LEFT, y + 4, BAR, scale, parts)
    if walls and most - least >= 1:
        yield spread(least, most, middle)
        end = max(end, most)
    yield text(end + 8, middle + 4, _behind(one), size=13)


def _behind(one: CaseFigures) -> str:
    told = ("~" if one.computed else "") + duration(one.wall)
    if one.case.traits.chooses:
        told += f", chose {one.chosen}"
    if (words := versus(one)) and one.case.traits.side_by_side:
        told += f", {words}"
        told += f", from {found} on" if (found := faster_from(one)) not in ("", "never", "not known") else ""
    if one.status != "success":
        told += f", {one.status}"
    return told if one.same else f"{told}, other outputs"


def _hover(one: CaseFigures) -> str:
    return (
        f"{one.case.label} on {one.case.build}: {duration(one.wall)}, start {duration(one.line.start)}, "
        f"{count(one.advised, 'item')}, {duration(one.line.per_item)} each; CPU {duration(one.cpu.median)}, "
        f"memory {bytes_(one.peak_memory)}, an item takes {duration(one.p50)}"
    )


def _tick(tick: float, scale: float, top: float, bottom: float) -> Iterator[str]:
    x = LEFT + tick * scale
    yield rule(x, top, bottom)
    yield text(x, bottom + 15, duration(tick) if tick else "0", kind="faint", size=12, anchor="middle")
