"""Rows of a million items through a document: the memory of the parent, and cost against items."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks import mappers
from benchmarks.measure import grown
from benchmarks.workload import (
    OURS,
    WORKERS,
    Figures,
    Opening,
    Ready,
    Side,
    Size,
    Target,
    Workload,
    expect,
    figure,
)

WARM_ITEMS = 10_000  # growth is over a run of this size: what is held up to here is meant to be
SIZES: dict[Size, int] = {"full": 1_000_000, "quick": 100_000, "smoke": 1000}
COLLECT = {"kept": "kept", "dropped": "dropped", "in a file": "written to a file of lines"}

Run = Callable[[int], None]


@contextmanager
def _running(executor: str, collect: str) -> Iterator[Run]:
    """A function that sends ``n`` numbers through a document of one batch node and checks the counts."""
    run = mappers.our_face("run")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "results.jsonl"
        chosen: dict[str, Any] = {"kept": "results", "dropped": "none", "in a file": {"jsonl": str(path)}}

        def passed(n: int) -> None:
            node = {
                "id": "double",
                "type": "code",
                "params": {"code": "result = n * 2", "inputs": {"n": "${n}"}},
                "batch": {
                    "items": {"range": [n]},
                    "as": "n",
                    "executor": executor,
                    "max_concurrent": WORKERS,
                    "collect": chosen[collect],
                },
            }
            found = run({"nodes": [node]}).outputs
            expect(found["success_count"], n, "results")
            if collect == "kept":
                expect(found["results"][n - 1]["result"], 2 * n - 2, "last result")

        yield passed


def _opening(executor: str, collect: str, measure: Callable[[Run, int], Figures]) -> Opening:
    @contextmanager
    def opening(n: int) -> Iterator[Ready]:
        with _running(executor, collect) as passed:
            yield Ready(lambda: measure(passed, n), before=lambda: passed(min(n, WARM_ITEMS)))

    return opening


def _growth(passed: Run, n: int) -> Figures:
    return grown(lambda: passed(n))


def _linearity(passed: Run, n: int) -> Figures:
    """Time for ``n`` items as a multiple of ten times that for a tenth of them."""
    times = []
    for count in (n // 10, n):
        began = time.perf_counter()
        passed(count)
        times.append(time.perf_counter() - began)
    return {"times_linear": times[1] / (10 * times[0])}


def _memory_row(executor: str, collect: str) -> Workload:
    return Workload(
        name=f"document-memory-{executor}-{collect.replace(' ', '-')}",
        title=f"1,000,000 items through a document, {executor}, results {COLLECT[collect]}",
        measures="growth of the parent's peak resident memory over a run of 10,000 items, MB",
        unit="MB",
        better="lower",
        score=figure("growth_mb"),
        sizes=SIZES,
        sides=(Side(OURS, _opening(executor, collect, _growth), "ours"),),
        aim=(Target(10.0),),
        least=(Target(20.0),),
        fresh=True,
        timeout=300.0,
    )


def _linear_row(executor: str) -> Workload:
    return Workload(
        name=f"document-linear-{executor}",
        title=f"1,000,000 items through a document, {executor}, against 100,000",
        measures="wall time as a multiple of ten times that of a tenth of the items, results dropped",
        unit="x",
        better="lower",
        score=figure("times_linear"),
        sizes=SIZES,
        sides=(Side(OURS, _opening(executor, "dropped", _linearity), "ours"),),
        aim=(Target(1.0),),
        least=(Target(1.1),),
        fresh=True,
        timeout=300.0,
    )


EXECUTORS = ("process", "thread")

ROWS = (
    *(_memory_row(executor, collect) for executor in EXECUTORS for collect in COLLECT),
    *(_linear_row(executor) for executor in EXECUTORS),
)
