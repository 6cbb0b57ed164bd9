"""Rows of items that compute, all of one length: how much of two cores reaches the items."""

from __future__ import annotations

from benchmarks import limits, mappers
from benchmarks.items import burn
from benchmarks.mappers import Mapper, mapping
from benchmarks.workload import OURS, Role, Side, Size, Target, Workload, items_per_second


def _row(millis: int, sizes: dict[Size, int], aim: float, least: float) -> Workload:
    seconds = millis / 1000

    def side(name: str, mapper: Mapper, role: Role = "peer", share: float = 1.0) -> Side:
        return Side(name, mapping(mapper, burn, lambda n: [seconds] * n), role, share)

    return Workload(
        name=f"cpu-{millis}ms",
        title=f"CPU items of {millis} ms on 2 processes",
        measures="items per second of wall time with defaults, workers warm",
        unit="items/s",
        better="higher",
        score=items_per_second,
        sizes=sizes,
        sides=(
            side(OURS, mappers.ours("process"), "ours"),
            side("joblib", mappers.joblib()),
            side("mpire imap", mappers.mpire()),
            side("loky", mappers.loky()),
            side("concurrent.futures", mappers.futures()),
            side("multiprocessing map", mappers.multiprocessing_pool()),
            side("one after another", mappers.one_by_one(), share=0.25),
            side("two forked halves", limits.forked_halves(), "limit"),
        ),
        aim=(Target(aim, "two forked halves"),),
        least=(Target(least, "two forked halves"),),
    )


ROWS = (
    _row(1, {"full": 1500, "quick": 600, "smoke": 8}, aim=0.97, least=0.93),
    _row(20, {"full": 80, "quick": 40, "smoke": 4}, aim=0.985, least=0.97),
    _row(200, {"full": 10, "quick": 6, "smoke": 2}, aim=0.99, least=0.98),
)
