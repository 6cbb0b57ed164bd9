"""Rows of other builds of Python: what threads reach without a GIL, what PyPy gains.

The work is a fixed number of steps in pure Python, so that builds can be compared with one another.
"""

from __future__ import annotations

from benchmarks import mappers
from benchmarks.items import count_up
from benchmarks.mappers import Mapper, mapping
from benchmarks.workload import OURS, Role, Side, Target, Workload, items_per_second

STEPS = 300_000
ALONE = "one after another"
LATEST = "python-3.14"


def _side(name: str, mapper: Mapper, environment: str, role: Role = "peer", share: float = 1.0) -> Side:
    return Side(name, mapping(mapper, count_up, lambda n: [STEPS] * n), role, share, environment)


def _row(
    name: str, title: str, sides: tuple[Side, ...], aim: tuple[Target, ...], least: tuple[Target, ...]
) -> Workload:
    return Workload(
        name=name,
        title=f"pure Python on 2 {title}",
        measures=f"items of {STEPS:,} steps per second of wall time, workers warm",
        unit="items/s",
        better="higher",
        score=items_per_second,
        sizes={"full": 200, "quick": 100, "smoke": 8},
        sides=sides,
        aim=aim,
        least=least,
    )


ROWS = (
    _row(
        "cpu-free-threads",
        "threads, Python 3.13 without a GIL",
        (
            _side(OURS, mappers.ours("thread"), "free-threaded", "ours"),
            _side("batchmill, processes", mappers.ours("process"), "free-threaded"),
            _side(ALONE, mappers.one_by_one(), "free-threaded", share=0.5),
            _side("batchmill, threads, with a GIL", mappers.ours("thread"), "own", share=0.5),
        ),
        aim=(Target(1.9, ALONE),),
        least=(Target(1.8, ALONE),),
    ),
    _row(
        "cpu-3.14",
        "cores, Python 3.14",
        (
            _side(OURS, mappers.ours("process"), LATEST, "ours"),
            _side("concurrent.futures", mappers.futures(), LATEST),
            _side("concurrent.futures, buffersize 64", mappers.buffered_futures(64), LATEST),
            _side("InterpreterPoolExecutor", mappers.interpreters(), LATEST),
            _side(ALONE, mappers.one_by_one(), LATEST, share=0.5),
        ),
        aim=(Target(1.0, "concurrent.futures"), Target(1.0, "InterpreterPoolExecutor")),
        least=(Target(0.97, "concurrent.futures"),),
    ),
    _row(
        "cpu-pypy",
        "processes, PyPy",
        (
            _side(OURS, mappers.ours("process"), "pypy", "ours"),
            _side(ALONE, mappers.one_by_one(), "pypy"),
            _side("batchmill on this Python", mappers.ours("process"), "own"),
        ),
        aim=(Target(4.0, "batchmill on this Python"),),
        least=(Target(2.0, "batchmill on this Python"),),
    ),
)
