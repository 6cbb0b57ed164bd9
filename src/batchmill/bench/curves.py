"""The curves of a comparison: seconds over the number of items, and speed over the number of jobs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from batchmill.bench.crossing import MOST_ITEMS, about
from batchmill.bench.figures import CaseFigures
from batchmill.drawing.chart import Scale, apart, curve, dot, grid, rule
from batchmill.drawing.svg import text
from batchmill.values.words import count, duration

HEIGHT = 240
LEFT, RIGHT = 90, 170  # room for the labels of the axis, and for those of the curves
SAMPLES = 80  # of a curve
LETTERS = 15  # pixels from one line of text to the next

Drawn = tuple[list[str], float]


def item_curves(figures: Sequence[CaseFigures], where: str, width: float, y: float) -> Drawn:
    """Seconds of a first run over the number of items, from ``y`` down, of each executor with the jobs that
    are best for the items there are; and where it ends."""
    shown = _best_of_each(figures)
    if not shown[0].advised:
        return [], y
    y += 24
    drawn = [text(24, y, f"Seconds over the number of items{where}", size=14, weight="600")]
    y += LETTERS + 8
    most = _most_items(shown)
    walls = [one.line.wall(items) for one in shown for items in (1, most)]
    across = Scale(1, most, LEFT, width - RIGHT, log=True)
    low, high = min(walls), max(walls)
    up = Scale(low / 1.2 or 1e-6, high * 1.2 or 1e-5, y + HEIGHT, y, log=True)
    drawn += grid(across, up, lambda items: f"{items:,.0f}", duration)
    drawn += _here(shown[0], across, y)
    for one in shown:
        drawn += _curve(one, across, up)
    ends = [up.at(one.line.wall(most)) for one in shown]
    for one, end in zip(shown, apart(ends, LETTERS), strict=True):
        drawn.append(text(width - RIGHT + 8, end + 4, one.case.label, size=13))
    marks, bottom = _break_evens(shown, across, y)
    return drawn + marks, bottom + 24


def _best_of_each(figures: Sequence[CaseFigures]) -> list[CaseFigures]:
    found: dict[str, CaseFigures] = {}
    for one in figures:
        known = found.get(one.case.executor)
        if known is None or one.wall < known.wall:
            found[one.case.executor] = one
    return list(found.values())


def _most_items(shown: Sequence[CaseFigures]) -> int:
    """As far as there is something to see: past the items there are, and past the break-even points."""
    points = [one.break_even.items for one in shown if one.break_even is not None]
    known = [one.measured[-1].items for one in shown]
    return min(max(10, 3 * max([shown[0].advised, *known, *points])), 3 * MOST_ITEMS)


def _here(one: CaseFigures, across: Scale, top: float) -> Iterator[str]:
    """The items there are."""
    x = across.at(one.advised)
    yield rule(x, top, top + HEIGHT, "spread", dashed=True)
    yield text(x, top - 6, one.advised_words, size=12, anchor="middle")


def _curve(one: CaseFigures, across: Scale, up: Scale) -> Iterator[str]:
    line, kind = one.line, one.case.executor
    yield curve([(across.at(n), up.at(line.wall(n))) for n in across.between(SAMPLES)], f"{kind}-line")
    for measured in one.measured:
        wall = measured.wall.median
        words = f"{one.case.label}, {count(measured.items, 'item')}: measured {duration(wall)} and start"
        place = across.at(measured.items), up.at(wall + line.start)
        yield dot(*place, kind, f"{words} {duration(line.start)}")


def _break_evens(shown: Sequence[CaseFigures], across: Scale, top: float) -> Drawn:
    """Where each executor becomes faster than sequential, below the axis."""
    drawn, bottom = [], top + HEIGHT + LETTERS + 6
    for one in shown:
        if one.break_even is None or not one.case.traits.side_by_side:
            continue
        bottom += LETTERS
        x = across.at(one.break_even.items)
        drawn.append(rule(x, top, bottom - 10, f"{one.case.executor}-line", dashed=True))
        words = f"{one.case.executor} is faster from {count(about(one.break_even.items), 'item')} on"
        right = x > (across.start + across.end) / 2
        drawn.append(
            text(x + (-6 if right else 6), bottom, words, size=12, anchor="end" if right else "start")
        )
    return drawn, bottom


def job_curves(figures: Sequence[CaseFigures], where: str, width: float, y: float) -> Drawn:
    """The speed of items over the number of jobs, with the share of each job, and the height of the picture.
    Empty if fewer than two numbers of jobs can be compared with sequential."""
    by_executor: dict[str, list[tuple[CaseFigures, float]]] = {}
    for one in figures:
        if one.efficiency is not None and one.case.jobs is not None:
            by_executor.setdefault(one.case.executor, []).append((one, one.efficiency * one.workers))
    several = {name: sorted(points, key=lambda p: p[0].workers) for name, points in by_executor.items()}
    several = {name: points for name, points in several.items() if len(points) > 1}
    if not several:
        return [], y
    y += 24
    title = f"Items run so many times as fast as under sequential, without the start{where}"
    drawn = [text(24, y, title, size=14, weight="600")]
    y += LETTERS
    most = max(one.workers for points in several.values() for one, _ in points)
    fastest = max(speed for points in several.values() for _, speed in points)
    across = Scale(0, most, LEFT, width - RIGHT)
    up = Scale(0, max(fastest * 1.1, min(most, fastest * 1.6), 1.0), y + HEIGHT, y)
    drawn += grid(across, up, _jobs, lambda speed: f"{speed:g} ×")
    ideal = min(most, up.high)
    drawn.append(curve([(across.at(0), up.at(0)), (across.at(ideal), up.at(ideal))], "spread", dashed=True))
    drawn.append(text(across.at(ideal) - 8, up.at(ideal) + 14, "ideal", kind="faint", size=12, anchor="end"))
    for number, (name, points) in enumerate(several.items()):
        places = [(across.at(one.workers), up.at(speed)) for one, speed in points]
        drawn.append(curve(places, f"{name}-line"))
        for (x, place), (one, speed) in zip(places, points, strict=True):
            share = f"{100 * speed / one.workers:.0f} %"
            drawn.append(dot(x, place, name, f"{one.case.label}: {speed:.2g} times, each {share}"))
            drawn.append(text(x + 8, place + (16 if number % 2 else -8), share, size=12))
    return drawn, y + HEIGHT + 34


def _jobs(number: float) -> str:
    """A label of the axis; none between two numbers of jobs."""
    return count(int(number), "job") if number >= 1 and number == int(number) else ""
