"""The figures of the runs of a case: its start, the cost of an item, the number of items from which it is
faster."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from batchmill.bench.case import Case, MeasuredRun, RunSeries
from batchmill.bench.crossing import break_even
from batchmill.bench.fit import CostLine, Round, has_slope, line_of, misfit
from batchmill.values.words import count, on_one_line

BADNESS = {"success": 0, "failed": 2}  # of a run's status; 1 for all others
SHOWN = 200  # characters of an error


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of some values, the least and the most of them; these are None of a single one."""

    median: float
    least: float | None = None
    most: float | None = None

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        return cls(statistics.median(values), *_ends(values))

    def as_json(self) -> dict[str, float]:
        """As plain data, without fields that a single value does not have."""
        return {key: value for key, value in asdict(self).items() if value is not None}


@dataclass(frozen=True, slots=True)
class MeasuredRuns:
    """Runs of ``items`` items, not the first of their process: seconds, and how many runs there were."""

    items: int
    wall: Spread
    runs: int


@dataclass(frozen=True, slots=True)
class BreakEven:
    """From ``items`` items on the case is faster than sequential. ``rounds`` has the same of each round by
    itself, None where it was not faster."""

    items: int
    rounds: tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class CaseFigures:
    """The figures of one case. Seconds, bytes.

    ``line`` is fitted to all runs, and ``rounds`` has those of each round by itself. ``start`` is how much
    longer the first run of a process takes than later ones; there may be more starts than rounds.
    ``per_item`` is what an item adds to a run.
    ``measured`` has the runs after the first by their number of items, in ascending order; ``items`` is the
    number of items of the workload, None if unknown. ``cpu``, ``p50`` and ``p95`` are of the runs with the
    most measured items. ``status`` is the worst of all runs, ``failed_at`` the number of items it was seen
    with (None for success), ``failure`` its first error in words; ``unresolved`` says that it
    was a template, as where a document needs items that a short run has not.

    Against the sequential case of the same interpreter, None without one: ``speedup`` for the existing items,
    ``break_even``, ``efficiency`` (the throughput of each item in flight, 1.0 is as much as sequential).
    ``misfit`` is the distance of ``line`` from the worst of ``measured``, as a share; ``guessed`` says that
    the cost of a further item was not measured, ``contradicted`` that not every round had a break-even
    point and that of all is above the measured items: in both cases it is not known, and None. ``same``
    says whether the outputs equal those of the other cases.
    """

    case: Case
    chosen: str
    workers: int
    reason: str
    status: str
    failed_at: int | None
    failure: str
    unresolved: bool
    items: int | None
    line: CostLine
    rounds: tuple[CostLine, ...]
    start: Spread
    per_item: Spread
    measured: tuple[MeasuredRuns, ...]
    cpu: Spread
    peak_memory: int
    p50: float
    p95: float
    misfit: float
    guessed: bool
    contradicted: bool
    speedup: float | None
    break_even: BreakEven | None
    efficiency: float | None
    same: bool

    @property
    def wall(self) -> float:
        """Seconds of the first run of a process, with the items there are."""
        return self.line.wall(self.advised)

    @property
    def most(self) -> int:
        """The most items of a measured run."""
        return self.measured[-1].items

    @property
    def advised(self) -> int:
        """The existing items, or the most that were measured if their number is unknown."""
        return self.items if self.items is not None else self.most

    @property
    def advised_words(self) -> str:
        """``your 300 items``; without "your" if their number is unknown."""
        return f"{'' if self.items is None else 'your '}{count(self.advised, 'item')}"

    @property
    def computed(self) -> bool:
        """Whether more items than any measured run had are spoken of."""
        return self.advised > self.most

    def as_json(self) -> dict[str, Any]:
        """As plain data."""
        spreads = ("start", "per_item", "cpu")
        told = {key: value for key, value in asdict(self).items() if key not in (*spreads, "measured")}
        told |= {name: getattr(self, name).as_json() for name in spreads}
        told["measured"] = [
            {"items": one.items, "runs": one.runs, "wall": one.wall.as_json()} for one in self.measured
        ]
        return told | {"wall": self.wall, "computed": self.computed}


def _ends(values: Sequence[float]) -> tuple[()] | tuple[float, float]:
    return (min(values), max(values)) if len(values) > 1 else ()


def lines_of(series: Sequence[RunSeries]) -> list[CostLine]:
    """The line through all runs, then that of each round by itself. Series that measured only the start are
    no rounds. A single round has the line of all, whose start is steadier."""
    line = line_of([Round.of(one) for one in series])
    rounds = [Round.of(one) for one in series if len(one.steps) == len(series[0].steps)]
    return [line, *(line_of([one]) for one in rounds)] if len(rounds) > 1 else [line, line]


def figures_of(
    case: Case, series: Sequence[RunSeries], reference: Sequence[RunSeries], items: int | None, same: bool
) -> CaseFigures:
    """The figures of a case. ``reference`` has the series of the sequential case in the same rounds, on the
    same interpreter; may be empty. ``items`` is the number to advise for, None if unknown."""
    rounds = [Round.of(one) for one in series]
    line, *lines = lines_of(series)
    base, *bases = lines_of(reference) if reference else (None,)
    measured = _measured(rounds)
    warm = [run for one in series for run in one.runs[1:]]
    largest = [run for run in warm if run.items == measured[-1].items]
    walls = sorted(one for run in largest for one in run.walls)
    worst = max(_all_runs(series), key=lambda run: BADNESS.get(run.status, 1))
    there = items if items is not None else measured[-1].items
    guessed = largest[-1].workers > 1 and not has_slope(rounds)
    point = _break_even(line, lines, base, bases)
    above = point is not None and point.items > measured[-1].items
    contradicted = point is not None and above and None in point.rounds
    return CaseFigures(
        case=case,
        chosen=largest[-1].chosen or case.executor,
        workers=largest[-1].workers,
        reason=largest[-1].reason,
        status=worst.status,
        failed_at=worst.items if worst.status != "success" else None,
        failure=_failure(worst),
        unresolved=any(error["type"] == "UnresolvedReference" for error in worst.errors[:1]),
        items=items,
        line=line,
        rounds=tuple(lines),
        start=Spread(line.start, *_ends([max(0.0, one.start) for one in rounds])),
        per_item=Spread.of([one.per_item for one in lines]),
        measured=measured,
        cpu=Spread.of([run.cpu for run in largest]),
        peak_memory=max(one.peak_memory for one in series),
        p50=quantile(walls, 0.5),
        p95=quantile(walls, 0.95),
        misfit=misfit(line, [point for one in rounds for point in one.warm]),
        guessed=guessed,
        contradicted=contradicted,
        speedup=base.wall(there) / line.wall(there) if base is not None else None,
        break_even=None if above and (guessed or contradicted) else point,
        efficiency=_efficiency(line, base, largest[-1]),
        same=same,
    )


def _failure(run: MeasuredRun) -> str:
    """The first error of a run in words, such as ``item 7 of w: KeyError: 'name'``; empty without one."""
    if not run.errors:
        return ""
    error = run.errors[0]
    place = f"item {error['index']} of {error['node']}: " if error.get("index") is not None else ""
    return f"{place}{error['type']}: {on_one_line(error['message'], SHOWN)}"


def _all_runs(series: Sequence[RunSeries]) -> list[MeasuredRun]:
    return [run for one in series for run in one.runs]


def _measured(rounds: Sequence[Round]) -> tuple[MeasuredRuns, ...]:
    walls: dict[int, list[float]] = {}
    for one in rounds:
        for point in one.warm:
            walls.setdefault(point.items, []).append(point.wall)
    return tuple(MeasuredRuns(items, Spread.of(walls[items]), len(walls[items])) for items in sorted(walls))


def _break_even(
    line: CostLine, lines: Sequence[CostLine], base: CostLine | None, bases: Sequence[CostLine]
) -> BreakEven | None:
    """Each round against the sequential runs of the same round: what happened to the machine then happened to
    both."""
    items = break_even(line, base) if base is not None else None
    if items is None:
        return None
    by_round = (break_even(one, other) for one, other in zip(lines, bases, strict=False))
    return BreakEven(items, tuple(by_round))


def _efficiency(line: CostLine, base: CostLine | None, largest: MeasuredRun) -> float | None:
    """The efficiency; None if a run had fewer items than may run at once, because they would say nothing
    about it."""
    if base is None or not line.per_item or largest.items < largest.workers:
        return None
    return base.per_item / (line.per_item * largest.workers)


def quantile(ordered: Sequence[float], share: float) -> float:
    """The value below which ``share`` of the sorted values lie; 0.0 of none."""
    if not ordered:
        return 0.0
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
