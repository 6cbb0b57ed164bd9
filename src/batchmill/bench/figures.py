"""What the runs of a case come to: medians with their spread, against sequential runs of the same round."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from batchmill.bench.case import Case, Sample


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of some runs, the least and the most of them."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        return cls(statistics.median(values), min(values), max(values))


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one case. Seconds, bytes, items a second.

    ``overhead`` is the time of a worker per item that it did not spend in items: start, handing over, waiting
    for the last. ``speedup`` is over the sequential runs, round by round, None without them; ``same`` says
    whether the outputs were those of the other cases.
    """

    case: Case
    chosen: str
    workers: int
    reason: str
    items: int
    status: str
    wall: Spread
    cpu: Spread
    peak_memory: int
    throughput: float
    p50: float
    p95: float
    overhead: float
    speedup: Spread | None
    same: bool

    def as_json(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)


def figures_of(case: Case, samples: Sequence[Sample], reference: Sequence[Sample], same: bool) -> Figures:
    """``reference`` are the sequential runs of the same rounds, on the same interpreter; may be empty."""
    last = samples[-1]
    items = len(last.walls)
    wall = Spread.of([sample.wall for sample in samples])
    walls = sorted(one for sample in samples for one in sample.walls)
    return Figures(
        case,
        last.chosen or case.executor,
        last.workers,
        last.reason,
        items,
        last.status,
        wall,
        Spread.of([sample.cpu for sample in samples]),
        max(sample.peak_memory for sample in samples),
        items / wall.median,
        quantile(walls, 0.5),
        quantile(walls, 0.95),
        statistics.median(map(_overhead, samples)),
        _speedup(samples, reference),
        same,
    )


def _overhead(sample: Sample) -> float:
    if not sample.walls:
        return 0.0
    workers = min(sample.workers, len(sample.walls))
    return max(0.0, sample.wall * workers - sum(sample.walls)) / len(sample.walls)


def _speedup(samples: Sequence[Sample], reference: Sequence[Sample]) -> Spread | None:
    if not reference:
        return None
    return Spread.of([one.wall / sample.wall for sample, one in zip(samples, reference, strict=False)])


def quantile(ordered: Sequence[float], share: float) -> float:
    """The value below which ``share`` of the sorted values lie; 0.0 of none."""
    if not ordered:
        return 0.0
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
