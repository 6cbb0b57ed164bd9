"""Which executor to take for the items there are, and from how many items on another one is better."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

from batchmill.bench.crossing import TIE, about, best_at, stretches
from batchmill.bench.figures import CaseFigures
from batchmill.bench.fit import UNNOTICED_SECONDS
from batchmill.traits import TRAITS
from batchmill.values.words import count, duration, share

SHORT_SECONDS = 50e-6
TIED = "as fast as"
SIMPLEST = tuple(TRAITS)


@dataclass(frozen=True, slots=True)
class AdviceStage:
    """From ``items`` items on, the case with the label ``executor`` is the one to take."""

    items: int
    executor: str


@dataclass(frozen=True, slots=True)
class Advice:
    """``executor`` is the label of the best case for the existing items; ``stages`` has the best one for
    every number of items, in ascending order; ``sentence`` is for people. ``build`` is the fastest
    interpreter."""

    executor: str
    sentence: str
    build: str = ""
    stages: tuple[AdviceStage, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)


def advise(figures: Sequence[CaseFigures]) -> Advice:
    """The fastest case for the existing items, or the simplest of those that are as fast, on the fastest
    interpreter; and the numbers of items at which that changes. Cases with runs that failed are left out."""
    figures = [one for one in figures if one.status != "failed"]
    if not figures:
        return Advice("", "No advice, because all executors had runs that failed.")
    ordered = sorted(figures, key=_simplicity)
    best = ordered[best_at([one.line for one in ordered], ordered[0].advised)]
    build = best.case.build
    here = [one for one in ordered if one.case.build == build]
    known = [one for one in here if one is best or not (one.guessed or one.contradicted)]
    found = stretches([one.line for one in known], best.advised)
    stages = tuple(AdviceStage(one.items, known[one.best].case.label) for one in found)
    if not best.advised:
        words = "There are no items in a batch, so the executor makes no difference."
        return Advice(best.case.label, words, build, stages)
    where = f" on {build}" if len({one.case.build for one in figures}) > 1 else ""
    told = [f"For {best.advised_words}: {best.case.label}{where}{_why(best, here)}"]
    told += _elsewhere(stages, best.advised) or [_anywhere(here, known)]
    sentence = f"{'; '.join(told)}. {_nature(here)}"
    if best.computed or stages[-1].items > best.most:
        sentence += f" Computed from runs of up to {count(best.most, 'item')}."
    if _may_be_wrong(best, figures):
        sentence += (
            " That is not sure, as runs differed by more than the executors: measure longer with --seconds."
        )
    return Advice(best.case.label, sentence, build, stages)


def _may_be_wrong(best: CaseFigures, figures: Sequence[CaseFigures]) -> bool:
    """Whether another case was faster in a round by itself; of a single round, whether it may be, as far as
    the lines are from the runs that were measured."""
    items = best.advised
    for one in figures:
        rounds = zip(one.rounds, best.rounds, strict=False)
        pairs = [(other.wall(items), mine.wall(items)) for other, mine in rounds]
        if len(pairs) == 1:
            pairs = [(one.wall / (1 + one.misfit), best.wall * (1 + best.misfit))]
        if one is not best and any(TIE * other + UNNOTICED_SECONDS < mine for other, mine in pairs):
            return True
    return False


def _simplicity(one: CaseFigures) -> tuple[int, int, float]:
    return SIMPLEST.index(one.case.executor), one.case.jobs or 0, one.wall


def _why(best: CaseFigures, here: Sequence[CaseFigures]) -> str:
    """Against sequential, or where that is the best against the next; with the seconds of both."""
    others = [one for one in here if one is not best]
    if not others:
        return ", nothing else ran"
    sequential = next((one for one in others if not one.case.traits.side_by_side), None)
    other = sequential or min(others, key=lambda one: one.wall)
    told, apart = against(other.wall / best.wall), best.wall - other.wall
    if told != TIED and abs(apart) <= UNNOTICED_SECONDS:
        word = "slower" if apart > 0 else "faster"
        return f" ({_seconds(best)}), only {duration(abs(apart))} {word} than {other.case.label}"
    if apart > 0:  # by so little that the simpler one is advised
        told = TIED
    if told == TIED:
        return f", {told} {other.case.label} ({_seconds(best)})"
    return f", {told} {other.case.label} ({_seconds(best)}, not {_seconds(other)})"


def _seconds(one: CaseFigures) -> str:
    """A cold run; its start where that is a fair part."""
    told = duration(one.wall)
    return f"{told} with {duration(one.line.start)} of start" if one.line.start > 0.2 * one.wall else told


def against(ratio: float) -> str:
    """How much faster something is, by the time of another over its own: ``1.8 times as fast as``,
    ``2.2 times slower than``, ``as fast as``."""
    if ratio > TIE:
        return f"{ratio:.2g} times as fast as"
    if ratio < 1 / TIE:
        return f"{1 / ratio:.2g} times slower than"
    return TIED


def _elsewhere(stages: Sequence[AdviceStage], items: int) -> list[str]:
    """The stages before and after the one that ``items`` are in."""
    now = max(number for number, stage in enumerate(stages) if stage.items <= items)
    told = [
        f"below {about(following.items):,}: {stage.executor}"
        for stage, following in pairwise(stages[: now + 1])
        if following.items > 2  # of a single item nobody asks
    ]
    told += [f"from {count(about(stage.items), 'item')} on: {stage.executor}" for stage in stages[now + 1 :]]
    return told


def _anywhere(here: Sequence[CaseFigures], known: Sequence[CaseFigures]) -> str:
    """For how many other items the advice holds too, if it is never another."""
    if len(known) == len(here):
        return "the same for any number of items"
    return "whether that changes with more items is not known"


def _nature(here: Sequence[CaseFigures]) -> str:
    """The nature of the items, by a case (sequential if there is one) in which no item waits for another."""
    one = next((one for one in here if not one.case.traits.side_by_side), here[0])
    if one.p50 < SHORT_SECONDS:
        return f"An item takes {duration(one.p50)}, so the cost of handing it over decides."
    busy = min(1.0, one.cpu.median / one.measured[-1].wall.median)
    return f"An item takes {duration(one.p50)} and keeps a core busy for {share(busy)} of that."
