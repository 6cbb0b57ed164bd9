"""Rows of items of very different length: who still keeps both workers busy to the end."""

from __future__ import annotations

from functools import partial

from benchmarks import limits, mappers
from benchmarks.items import SHAPES, burn, durations
from benchmarks.mappers import Mapper, mapping
from benchmarks.workload import OURS, WORKERS, Role, Sample, Score, Side, Size, Target, Workload

TITLES = {
    "random": "uneven: 1 % are 100 times longer, anywhere",
    "first": "uneven: 1 % are 100 times longer, at the front",
    "last": "uneven: 1 % are 100 times longer, at the end",
    "drift": "uneven: drifting from 20 µs to 5 ms",
    "lognormal": "uneven: log-normal",
}

COUNTS: dict[str, dict[Size, int]] = {
    "drift": {"full": 600, "quick": 300, "smoke": 8},
    "lognormal": {"full": 2500, "quick": 1000, "smoke": 8},
}
OTHERS: dict[Size, int] = {"full": 4000, "quick": 1500, "smoke": 8}


def of_ideal(shape: str) -> Score:
    """Share of the ideal, which is all the items' CPU time spread evenly over the workers."""

    def score(sample: Sample) -> float:
        return sum(durations(shape, sample.n)) / WORKERS / sample.wall

    return score


def _row(shape: str) -> Workload:
    def side(name: str, mapper: Mapper, role: Role = "peer") -> Side:
        return Side(name, mapping(mapper, burn, partial(durations, shape)), role)

    return Workload(
        name=f"uneven-{shape}",
        title=TITLES[shape],
        measures="share of the ideal wall time on 2 processes with defaults, workers warm",
        unit="of ideal",
        better="higher",
        score=of_ideal(shape),
        sizes=COUNTS.get(shape, OTHERS),
        sides=(
            side(OURS, mappers.ours("process"), "ours"),
            side("joblib", mappers.joblib()),
            side("multiprocessing map, n/(4 × workers)", mappers.multiprocessing_pool()),
            side("mpire imap", mappers.mpire()),
            side("loky", mappers.loky()),
            side("forked, a shared counter", limits.forked_counter(), "limit"),
        ),
        aim=(Target(0.97),),
        least=(Target(0.93),),
    )


ROWS = tuple(_row(shape) for shape in SHAPES)
