"""Measures rows: every round takes one sample of each side in turn, so that noise falls on all alike."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass

from benchmarks.environments import python_of
from benchmarks.machine import ForeignLoad
from benchmarks.results import RowResult, SideResult
from benchmarks.session import BrokenError, Session
from benchmarks.workload import MissingError, Sample, Side, Size, Workload

Say = Callable[[str], None]


@dataclass(slots=True)
class Lane:
    """One side of the row being measured: what it gave so far, and its process while it has one."""

    side: Side
    n: int
    result: SideResult
    session: Session | None = None

    @property
    def lost(self) -> bool:
        """Whether this side is out of the row."""
        return self.result.note is not None


def run_rows(workloads: Iterable[Workload], size: Size, repeat: int, say: Say) -> list[RowResult]:
    """Measure the rows one after another; ``say`` hears one line per row."""
    results = []
    for workload in workloads:
        result = run_row(workload, size, repeat)
        say(result.line())
        results.append(result)
    return results


def run_row(workload: Workload, size: Size, repeat: int) -> RowResult:
    """Measure one row, ``repeat`` samples of each side that can run here."""
    n = workload.sizes[size]
    lanes = [
        Lane(side, side.items(n), SideResult(side.name, side.role, side.items(n))) for side in workload.sides
    ]
    foreign = ForeignLoad()
    with ExitStack() as closing:
        for round_number in range(repeat):
            for lane in _turned(lanes, round_number):
                _sample(workload, lane, closing)
    return RowResult.made(workload, n, [lane.result for lane in lanes], foreign.share())


def _turned(lanes: list[Lane], by: int) -> list[Lane]:
    """Start each round at another side, so that none always follows the same neighbour's heat."""
    by %= len(lanes)
    return lanes[by:] + lanes[:by]


def _sample(workload: Workload, lane: Lane, closing: ExitStack) -> None:
    if lane.lost:
        return
    try:
        lane.result.add(_measured(workload, lane, closing), workload.score)
    except MissingError as missing:
        lane.result.note = f"not measured: {missing}"
    except BrokenError as broken:
        lane.result.note = f"failed: {broken}"


def _measured(workload: Workload, lane: Lane, closing: ExitStack) -> Sample:
    if workload.fresh:
        session = Session(workload, lane.side, lane.n, python_of(lane.side.environment))
        try:
            return session.sample()
        finally:
            session.close()
    if lane.session is None:
        lane.session = Session(workload, lane.side, lane.n, python_of(lane.side.environment))
        closing.callback(lane.session.close)
    return lane.session.sample()
