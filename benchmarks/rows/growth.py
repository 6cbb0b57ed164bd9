"""Rows of many items: whether memory and the time of an item stay what they were while millions pass."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks import mappers
from benchmarks.items import noop
from benchmarks.measure import MemoryGrowth
from benchmarks.workload import OURS, WORKERS, Opening, Ready, Side, Size, Target, Workload, expect, figure

PARTS = 5
"""A batch is looked at in so many parts. The first is for what is allocated once; the last is held against
the second."""


def _figures(seconds: list[float], growth: MemoryGrowth) -> dict[str, float]:
    return {"last_over_second": seconds[-1] / seconds[1], "growth_mb": growth.megabytes()}


def through_imap(executor: str) -> Opening:
    """A side that passes ``n`` items from a generator through ``imap``, and keeps none."""

    @contextmanager
    def opening(n: int) -> Iterator[Ready]:
        imap = mappers.our_face("imap")

        def work() -> dict[str, float]:
            results = imap(noop, (i for i in range(n)), executor=executor, max_concurrent=WORKERS)
            seconds, growth = [], None
            for _ in range(PARTS):
                began = time.process_time()
                expect(sum(1 for _ in zip(range(n // PARTS), results, strict=False)), n // PARTS, "results")
                seconds.append(time.process_time() - began)
                growth = growth or MemoryGrowth()
            results.close()
            return _figures(seconds, growth or MemoryGrowth())

        yield Ready(work)

    return opening


def _document(n: int) -> dict[str, Any]:
    batch = {"items": {"range": [n]}, "executor": "thread", "collect": "none"}
    return {"nodes": [{"id": "each", "type": "echo", "params": {"message": "${item}"}, "batch": batch}]}


@contextmanager
def _through_a_document(n: int) -> Iterator[Ready]:
    """Documents of a fifth and of four fifths of the items, each with a journal of its own: what is the same
    for every item makes the larger one take four times as long."""
    run = mappers.our_face("run")
    with tempfile.TemporaryDirectory() as folder:

        def passed(count: int, name: str) -> float:
            began = time.process_time()
            result = run(_document(count), journal=Path(folder) / name)
            expect((result.status, result.nodes["each"]["success_count"]), ("success", count), "items")
            return time.process_time() - began

        def work() -> dict[str, float]:
            passed(max(1, n // 100), "warm.sqlite")
            few = passed(n // PARTS, "few.sqlite")
            growth = MemoryGrowth()
            many = passed(n - n // PARTS, "many.sqlite")
            return _figures([0.0, few, many / (PARTS - 1)], growth)

        yield Ready(work)


def _rows(name: str, title: str, ours: Opening, sizes: dict[Size, int]) -> tuple[Workload, Workload]:
    def row(kind: str, measures: str, unit: str, score: str, aim: float, least: float) -> Workload:
        return Workload(
            name=f"{name}-{kind}",
            title=title,
            measures=measures,
            unit=unit,
            better="lower",
            score=figure(score),
            sizes=sizes,
            sides=(Side(OURS, ours, "ours"),),
            aim=(Target(aim),),
            least=(Target(least),),
            fresh=True,
            timeout=1200.0,
        )

    return (
        row(
            "time",
            "CPU time of an item, late in a large batch over early in it",
            "× early",
            "last_over_second",
            1.05,
            1.15,
        ),
        row(
            "memory",
            "growth of the parent's peak resident memory after the first fifth, MB",
            "MB",
            "growth_mb",
            5,
            20,
        ),
    )


SIZES: dict[Size, int] = {"full": 10_000_000, "quick": 500_000, "smoke": 5000}

ROWS = (
    *_rows("growth-imap", "10,000,000 items through imap, threads", through_imap("thread"), SIZES),
    *_rows("growth-process", "10,000,000 items through imap, processes", through_imap("process"), SIZES),
    *_rows(
        "growth-document", "10,000,000 items through a document with a journal", _through_a_document, SIZES
    ),
)
