"""One sentence: which executor to take, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from batchmill.bench.figures import Figures
from batchmill.bench.words import seconds
from batchmill.traits import TRAITS

SHORT_SECONDS = 50e-6
TIE = 1.05  # wall times no further apart than this are as good as one another
SIMPLEST = tuple(TRAITS)


@dataclass(frozen=True, slots=True)
class Advice:
    """``executor`` is the case's label; ``sentence`` is for people."""

    executor: str
    sentence: str


def advise(figures: Sequence[Figures]) -> Advice:
    """The fastest case, or the simplest of those that are as fast."""
    fastest = min(figures, key=lambda one: one.wall.median)
    ties = [one for one in figures if one.wall.median <= TIE * fastest.wall.median]
    best = min(ties, key=_simplicity)
    others = [one for one in figures if one.case.build == best.case.build and one is not best]
    where = f" on {best.case.build}" if len({one.case.build for one in figures}) > 1 else ""
    return Advice(best.case.label, f"Take {best.case.label}{where}: {_why(best, others)}.")


def _simplicity(one: Figures) -> tuple[int, int, float]:
    order = SIMPLEST.index(one.case.executor) if one.case.executor in SIMPLEST else len(SIMPLEST)
    return order, one.case.jobs or 0, one.wall.median


def _why(best: Figures, others: Sequence[Figures]) -> str:
    if not others:
        return "nothing else was tried"
    second = min(others, key=lambda one: one.wall.median)
    ratio = second.wall.median / best.wall.median
    nature = _nature(next((one for one in [best, *others] if not one.case.traits.side_by_side), best))
    if ratio <= TIE:
        return f"nothing is faster, and it is simpler than {second.case.label}; {nature}"
    if best.speedup is not None and best.case.traits.side_by_side:
        gain = f"{best.speedup.median:.2g} times as fast as sequential"
        return (
            f"{gain}; {nature}"
            if not second.case.traits.side_by_side
            else f"{gain} and {_than(second, ratio)}; {nature}"
        )
    return f"{_than(second, ratio)}; {nature}"


def _than(second: Figures, ratio: float) -> str:
    return f"{ratio:.2g} times as fast as {second.case.label}"


def _nature(one: Figures) -> str:
    """What the items are, by a case, sequential if there is one, in which no item waits for another."""
    if one.p50 < SHORT_SECONDS:
        return f"an item takes {seconds(one.p50)}, so what counts is the cost of handing it over"
    if one.cpu.median < 0.5 * one.wall.median:
        return f"an item takes {seconds(one.p50)}, most of which it waits"
    return f"an item takes {seconds(one.p50)}, most of which it computes"
