"""Rows of items that wait: many at once, so that the waits overlap and only what is around them counts."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks import mappers
from benchmarks.items import noop, rest
from benchmarks.mappers import Mapper
from benchmarks.workload import OURS, Opening, Ready, Sample, Score, Side, Size, Target, Workload, expect

WAIT = 0.05


def times_ideal(at_once: int) -> Score:
    """Wall time over what the waits alone take, ``at_once`` of them at a time."""

    def score(sample: Sample) -> float:
        return sample.wall / (WAIT * max(1.0, sample.n / at_once))

    return score


def waiting(mapper: Mapper, at_once: int) -> Opening:
    """A side that maps waits; its threads are started before, as many as run at once."""

    @contextmanager
    def opening(n: int) -> Iterator[Ready]:
        with mapper() as run:

            def work() -> None:
                expect(len(run(rest, [WAIT] * n)), n, "results")

            yield Ready(work, before=lambda: run(noop, range(at_once)))

    return opening


def _threads_row(
    name: str, title: str, at_once: int, sizes: dict[Size, int], aim: float, least: float
) -> Workload:
    return Workload(
        name=name,
        title=title,
        measures="wall time as a multiple of the waits alone",
        unit="× ideal",
        better="lower",
        score=times_ideal(at_once),
        sizes=sizes,
        sides=(
            Side(OURS, waiting(mappers.ours("thread", at_once), at_once), "ours"),
            Side("ThreadPoolExecutor", waiting(mappers.threads(at_once), at_once)),
        ),
        aim=(Target(aim),),
        least=(Target(least),),
    )


async def _rest(seconds: float) -> float:
    await asyncio.sleep(seconds)
    return seconds


def _gathered(at_once: int) -> Opening:
    @contextmanager
    def opening(n: int) -> Iterator[Ready]:
        async def one(gate: asyncio.Semaphore) -> float:
            async with gate:
                return await _rest(WAIT)

        async def all_of_them() -> list[float]:
            gate = asyncio.Semaphore(at_once)
            return await asyncio.gather(*(one(gate) for _ in range(n)))

        yield Ready(lambda: expect(len(asyncio.run(all_of_them())), n, "results"))

    return opening


def _our_async(at_once: int) -> Opening:
    @contextmanager
    def opening(n: int) -> Iterator[Ready]:
        node, run = _async_node(), mappers.ours("thread", at_once)

        with run() as batch_map:
            yield Ready(lambda: expect(len(batch_map(node, [WAIT] * n)), n, "results"))

    return opening


def _async_node() -> Any:
    base: Any = mappers.our_face("AsyncNode")

    class Rest(base):  # type: ignore[misc] # a base that is looked up when the side is opened
        """Waits as an async node does."""

        async def exec_async(self, prep_res: float) -> float:
            """Wait."""
            return await _rest(prep_res)

    return Rest()


ASYNC_AT_ONCE = 1000

ASYNC = Workload(
    name="waits-async",
    title="10,000 × 50 ms waits of async nodes, 1,000 at once",
    measures="wall time as a multiple of the waits alone",
    unit="× ideal",
    better="lower",
    score=times_ideal(ASYNC_AT_ONCE),
    sizes={"full": 10_000, "quick": 4000, "smoke": 20},
    sides=(
        Side(OURS, _our_async(ASYNC_AT_ONCE), "ours"),
        Side("asyncio with a semaphore", _gathered(ASYNC_AT_ONCE)),
    ),
    aim=(Target(1.1),),
    least=(Target(1.2),),
)

ROWS = (
    _threads_row(
        "waits-thread",
        "1,000 × 50 ms waits, 100 at once, threads",
        100,
        {"full": 1000, "quick": 500, "smoke": 20},
        1.05,
        1.15,
    ),
    ASYNC,
)
