"""Rows of a cluster on this machine: what an item costs there, and how long the cluster takes to be there.

Every side has as many processes as this machine has cores, and workers that are warm but in the cold row.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks import mappers
from benchmarks.items import burn, noop
from benchmarks.mappers import Mapper, mapping
from benchmarks.rows.payload import distinct, mb_per_second
from benchmarks.rows.pool import PROGRAMS, first_ms, first_result, millis_each, small_batches
from benchmarks.workload import OURS, Role, Side, Size, Target, Workload, cpu_micros, items_per_second

MAP = "dask client.map"
PROCESS = "batchmill, processes"
RAY = "ray"
PEERS: tuple[tuple[str, Mapper, float, str], ...] = (  # with the share of a row's items, and the environment
    (MAP, mappers.dask(), 0.01, "own"),
    ("joblib on dask", mappers.joblib_dask(), 0.05, "own"),
    (RAY, mappers.ray(), 0.05, RAY),
)
MB = 1_000_000


def _sides(function: Any, make: Callable[[int], Any], few: bool) -> tuple[Side, ...]:
    """``few`` says that a peer takes a thousand times as long, and is given a part of the items."""

    def side(name: str, mapper: Mapper, role: Role, share: float = 1.0, where: str = "own") -> Side:
        return Side(name, mapping(mapper, function, make), role, share, where)

    return (
        side(OURS, mappers.our_cluster(), "ours"),
        side(PROCESS, mappers.ours("process"), "peer"),
        *(side(name, mapper, "peer", share if few else 1.0, where) for name, mapper, share, where in PEERS),
    )


NOOP = Workload(
    name="cluster-noop",
    title="no-op over 50,000 ints, a cluster",
    measures="CPU of parent, scheduler and workers to send an int to a worker and its result back",
    unit="µs",
    better="lower",
    score=cpu_micros,
    sizes={"full": 50_000, "quick": 20_000, "smoke": 200},
    sides=_sides(noop, range, few=True),
    aim=(Target(0.01, MAP),),
    least=(Target(0.02, MAP),),
)


def _computing(millis: int, sizes: dict[Size, int], aim: float, least: float) -> Workload:
    return Workload(
        name=f"cluster-{millis}ms",
        title=f"CPU items of {millis} ms, a cluster of 2 processes",
        measures="items per second of wall time with defaults",
        unit="items/s",
        better="higher",
        score=items_per_second,
        sizes=sizes,
        sides=_sides(burn, lambda n: [millis / 1000] * n, few=False),
        aim=(Target(aim, PROCESS),),
        least=(Target(least, PROCESS),),
    )


PAYLOAD = Workload(
    name="cluster-1mb",
    title="payloads of 1 MB, a cluster",
    measures="MB a second in and out, the item returned unchanged",
    unit="MB/s",
    better="higher",
    score=mb_per_second(MB),
    sizes={"full": 80, "quick": 40, "smoke": 4},
    sides=_sides(noop, lambda n: distinct(MB, n), few=False),
    aim=(Target(1.0, MAP),),
    least=(Target(0.7, MAP),),
)

STARTED: dict[str, tuple[str, str]] = {
    OURS: (
        "distributed",
        "import batchmill\nprint(batchmill.map(abs, [-1], executor='dask', cluster='local:2')[0])",
    ),
    MAP: PROGRAMS["dask"],
    RAY: (
        "ray",
        "import ray\nray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)\n"
        "print(ray.get(ray.remote(lambda: abs(-1)).remote()))",
    ),
}

COLD = Workload(
    name="cluster-cold",
    title="fresh interpreter to first result of a cluster",
    measures="wall time from starting Python to the first printed result of two processes; ours encrypts",
    unit="ms",
    better="lower",
    score=first_ms,
    sizes={"full": 1, "quick": 1, "smoke": 1},
    sides=tuple(
        Side(
            name,
            first_result(*program),
            "ours" if name == OURS else "peer",
            environment=RAY if name == RAY else "own",
        )
        for name, program in STARTED.items()
    ),
    aim=(Target(1.0, MAP),),
    least=(Target(1.5, MAP),),
)

WARM = Workload(
    name="cluster-warm",
    title="second use of a warm cluster",
    measures="wall time of a batch of two no-op items, the mean of consecutive batches",
    unit="ms",
    better="lower",
    score=millis_each,
    sizes={"full": 50, "quick": 20, "smoke": 2},
    sides=(
        Side(OURS, small_batches(mappers.our_cluster()), "ours"),
        *(Side(name, small_batches(mapper), environment=where) for name, mapper, _, where in PEERS),
    ),
    aim=(Target(1.5, MAP),),
    least=(Target(2.5, MAP),),
)

ROWS = (
    NOOP,
    _computing(1, {"full": 3000, "quick": 1000, "smoke": 8}, aim=0.85, least=0.7),
    _computing(20, {"full": 200, "quick": 80, "smoke": 4}, aim=0.95, least=0.9),
    _computing(200, {"full": 20, "quick": 10, "smoke": 2}, aim=0.95, least=0.9),
    PAYLOAD,
    COLD,
    WARM,
)
