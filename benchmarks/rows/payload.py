"""Rows of large items, and of a large constant in what is run: how fast bytes reach a worker and return."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks import limits, mappers
from benchmarks.items import WithConstant, noop
from benchmarks.mappers import Mapper, mapping
from benchmarks.workload import (
    OURS,
    Opening,
    Ready,
    Role,
    Sample,
    Score,
    Side,
    Size,
    Target,
    Workload,
    expect,
    wall_millis,
)

PAGE = 4096


def mb_per_second(item_bytes: int) -> Score:
    """MB (10**6 bytes) a second, each item counted once on its way in and once on its way out."""

    def score(sample: Sample) -> float:
        return 2 * item_bytes * sample.n / 1e6 / sample.wall

    return score


def distinct(item_bytes: int, n: int) -> list[bytes]:
    """Items of which no two are one object, or a pickled chunk would hold the bytes once."""
    base = os.urandom(item_bytes - 8)
    return [i.to_bytes(8, "big") + base for i in range(n)]


def _bytes_row(
    name: str,
    title: str,
    item_bytes: int,
    sizes: dict[Size, int],
    sides: dict[str, tuple[Mapper, Role]],
    aim: Target,
    least: Target,
) -> Workload:
    def side(side_name: str, mapper: Mapper, role: Role) -> Side:
        return Side(side_name, mapping(mapper, noop, lambda n: distinct(item_bytes, n)), role)

    return Workload(
        name=name,
        title=title,
        measures="MB a second in and out, the item returned unchanged, workers warm",
        unit="MB/s",
        better="higher",
        score=mb_per_second(item_bytes),
        sizes=sizes,
        sides=tuple(side(side_name, mapper, role) for side_name, (mapper, role) in sides.items()),
        aim=(aim,),
        least=(least,),
    )


SMALL = _bytes_row(
    "payload-10kb",
    "payloads of 10 KB",
    10_000,
    {"full": 4000, "quick": 2000, "smoke": 20},
    {
        OURS: (mappers.ours("process"), "ours"),
        "mpire imap": (mappers.mpire(), "peer"),
        "joblib": (mappers.joblib(), "peer"),
        "loky, chunks of 16": (mappers.loky(16), "peer"),
        "loky": (mappers.loky(), "peer"),
        "concurrent.futures": (mappers.futures(), "peer"),
        "raw pipes, chunks of 16": (limits.raw_pipes(16, in_flight=1), "limit"),
    },
    aim=Target(4.0, "loky"),
    least=Target(1.0, "loky, chunks of 16"),
)

MIDDLE = _bytes_row(
    "payload-1mb",
    "payloads of 1 MB",
    1_000_000,
    {"full": 80, "quick": 40, "smoke": 4},
    {
        OURS: (mappers.ours("process"), "ours"),
        "concurrent.futures": (mappers.futures(), "peer"),
        "joblib": (mappers.joblib(), "peer"),
        "loky": (mappers.loky(), "peer"),
        "mpire imap": (mappers.mpire(), "peer"),
        "raw pipes, one by one": (limits.raw_pipes(1, in_flight=1), "limit"),
    },
    aim=Target(1.7, "loky"),
    least=Target(1.0, "loky"),
)

ARRAY_NUMBERS = 1_250_000
ARRAY_BYTES = ARRAY_NUMBERS * 8


def arrays(mapper: Mapper) -> Opening:
    """A side that maps over 10 MB arrays and reads one number of every page that came back.

    Without the reading, an array that is only mapped would count as received.
    """

    @contextmanager
    def opening(n: int) -> Iterator[Ready]:
        import numpy

        items = [numpy.full(ARRAY_NUMBERS, float(i)) for i in range(n)]
        with mapper() as run:

            def work() -> None:
                for i, result in enumerate(run(noop, items)):
                    expect(float(result[:: PAGE // 8].max()), float(i), "array")

            yield Ready(work, before=lambda: run(noop, items[:2]))

    return opening


NUMPY = Workload(
    name="payload-numpy",
    title="payloads of 10 MB, numpy arrays",
    measures="MB a second in and out, every page of the result read once, workers warm",
    unit="MB/s",
    better="higher",
    score=mb_per_second(ARRAY_BYTES),
    sizes={"full": 12, "quick": 8, "smoke": 2},
    sides=(
        Side(OURS, arrays(mappers.ours("process")), "ours"),
        Side("mpire imap", arrays(mappers.mpire())),
        Side("loky", arrays(mappers.loky())),
        Side("joblib, memory-mapped", arrays(mappers.joblib())),
        Side("concurrent.futures", arrays(mappers.futures())),
        Side(
            "raw pipes and mapped files",
            arrays(limits.raw_pipes(1, limits.pack_to_files, limits.unpack_from_files)),
            "limit",
        ),
    ),
    aim=(Target(2.8, "loky"),),
    least=(Target(1.7, "loky"),),
)

CONSTANT_BYTES = 50_000_000
CONSTANT_ITEMS = 24


def constant(mapper: Mapper, again: bool = False, constant_bytes: int = CONSTANT_BYTES) -> Opening:
    """A side that maps a callable holding a large constant; a new one for each sample unless ``again``."""

    @contextmanager
    def opening(n: int) -> Iterator[Ready]:
        with mapper() as run:
            holder: dict[str, Any] = {}
            items = range(n)

            def before() -> None:
                run(noop, items)  # workers awake, and nothing of the constant shipped
                if again and holder:
                    return
                holder["function"] = WithConstant(os.urandom(constant_bytes))
                if again:
                    run(holder["function"], items)

            def work() -> None:
                function = holder["function"]
                expect(list(run(function, items)), [function(i) for i in items], "results")

            yield Ready(work, before)

    return opening


CONSTANT = Workload(
    name="constant-50mb",
    title="a 50 MB constant inside what is run, 24 items",
    measures="wall time of one batch on warm workers that have not seen the constant before",
    unit="ms",
    better="lower",
    score=wall_millis,
    sizes={"full": CONSTANT_ITEMS, "quick": CONSTANT_ITEMS, "smoke": 2},
    sides=(
        Side(OURS, constant(mappers.ours("process")), "ours"),
        Side("loky", constant(mappers.loky())),
        Side("joblib", constant(mappers.joblib())),
        Side("batchmill, second run of the same", constant(mappers.ours("process"), again=True)),
    ),
    aim=(Target(1 / 15, "loky"),),
    least=(Target(1 / 10, "loky"),),
)

ROWS = (SMALL, MIDDLE, NUMPY, CONSTANT)
