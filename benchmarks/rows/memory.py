"""Rows of a million items streamed: how far the parent's memory grows while they pass."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from benchmarks import mappers
from benchmarks.items import noop
from benchmarks.measure import grown
from benchmarks.workload import OURS, WORKERS, Opening, Ready, Side, Size, Target, Workload, expect, figure

Stream = Callable[[Iterable[int]], Iterable[int]]
WARM_ITEMS = 2000


def streamed(open_stream: Callable[[], Stream]) -> Opening:
    """A side that passes ``n`` items from a generator through a stream and keeps none.

    A short stream goes first: what a pool needs to exist is not growth.
    """

    @contextmanager
    def opening(n: int) -> Iterator[Ready]:
        stream = open_stream()

        def passed(count: int) -> None:
            expect(sum(1 for _ in stream(i for i in range(count))), count, "results")

        yield Ready(lambda: grown(lambda: passed(n)), before=lambda: passed(WARM_ITEMS))

    return opening


def _ours(executor: str) -> Callable[[], Stream]:
    def opened() -> Stream:
        imap = mappers.our_face("imap")

        def stream(items: Iterable[int]) -> Iterable[int]:
            passing: Iterable[int] = imap(noop, items, executor=executor, max_concurrent=WORKERS)
            return passing

        return stream

    return opened


def _joblib(backend: str) -> Callable[[], Stream]:
    def opened() -> Stream:
        from joblib import Parallel, delayed

        def stream(items: Iterable[int]) -> Iterable[int]:
            parallel = Parallel(n_jobs=WORKERS, backend=backend, return_as="generator")
            passing: Iterable[int] = parallel(delayed(noop)(item) for item in items)
            return passing

        return stream

    return opened


def _thread_pool() -> Stream:
    from concurrent.futures import ThreadPoolExecutor

    return lambda items: ThreadPoolExecutor(WORKERS).map(noop, items)


def _loop() -> Stream:
    return lambda items: map(noop, items)


def _row(executor: str, title: str, peers: tuple[Side, ...], sizes: dict[Size, int]) -> Workload:
    return Workload(
        name=f"memory-{executor}",
        title=title,
        measures="growth of the parent's peak resident memory, MB, results in order and discarded",
        unit="MB",
        better="lower",
        score=figure("growth_mb"),
        sizes=sizes,
        sides=(
            Side(OURS, streamed(_ours(executor)), "ours"),
            *peers,
            Side("a plain loop", streamed(_loop), "limit"),
        ),
        aim=(Target(5.0),),
        least=(Target(20.0),),
        fresh=True,
        timeout=300.0,
    )


SIZES: dict[Size, int] = {"full": 1_000_000, "quick": 100_000, "smoke": 3000}

ROWS = (
    _row(
        "process",
        "1,000,000 items streamed, processes",
        (Side("joblib as a generator", streamed(_joblib("loky"))),),
        SIZES,
    ),
    _row(
        "thread",
        "1,000,000 items streamed, threads",
        (Side("ThreadPoolExecutor.map", streamed(lambda: _thread_pool())),),
        SIZES,
    ),
)
