"""Rows whose items do nothing: all that is measured is what running an item costs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks import limits, mappers
from benchmarks.items import noop
from benchmarks.mappers import Mapper, mapping
from benchmarks.workload import OURS, Opening, Ready, Role, Side, Size, Target, Workload, cpu_micros, expect

SIZES: dict[Size, int] = {"full": 100_000, "quick": 30_000, "smoke": 200}


def _side(name: str, mapper: Mapper, role: Role = "peer", share: float = 1.0) -> Side:
    return Side(name, mapping(mapper, noop, range), role, share)


PROCESS = Workload(
    name="noop-process",
    title="no-op over 100,000 ints, processes",
    measures="CPU of parent and workers to send an int to a worker and its result back, workers warm",
    unit="µs",
    better="lower",
    score=cpu_micros,
    sizes=SIZES,
    sides=(
        _side(OURS, mappers.ours("process"), "ours"),
        _side("multiprocessing imap, chunks of 1000", mappers.multiprocessing_pool(1000)),
        _side("loky, chunks of 64", mappers.loky(64)),
        _side("joblib", mappers.joblib()),
        _side("mpire imap", mappers.mpire()),
        _side("loky", mappers.loky(), share=0.05),
        _side("concurrent.futures", mappers.futures(), share=0.05),
        _side("dask", mappers.dask(), share=0.005),
        _side("raw pipes, chunks of 1000", limits.raw_pipes(1000), "limit"),
    ),
    aim=(Target(0.5, "joblib"),),
    least=(Target(1.0, "joblib"),),
)

THREAD = Workload(
    name="noop-thread",
    title="no-op over 100,000 ints, threads",
    measures="CPU to send an int to one of two threads and its result back, in order",
    unit="µs",
    better="lower",
    score=cpu_micros,
    sizes=SIZES,
    sides=(
        _side(OURS, mappers.ours("thread"), "ours"),
        _side("ThreadPoolExecutor.map", mappers.threads(), share=0.5),
        _side("ThreadPoolExecutor, 64 submitted", mappers.threads_window(64), share=0.5),
        _side("joblib threading", mappers.joblib("threading"), share=0.25),
        _side("threads on a locked iterator", limits.locked_iterator(), "limit"),
    ),
    aim=(Target(0.25, "ThreadPoolExecutor.map"),),
    least=(Target(0.6, "ThreadPoolExecutor.map"),),
)

DOCUMENT_NODE = "each"


def _document() -> dict[str, Any]:
    return {
        "ir_version": "0.1.0",
        "inputs": {"rows": {"type": "array", "required": True}},
        "nodes": [
            {
                "id": DOCUMENT_NODE,
                "type": "echo",
                "params": {"message": "${item.name}"},
                "batch": {"items": "${rows}"},
            }
        ],
        "edges": [],
    }


def _rows(n: int) -> list[dict[str, Any]]:
    return [{"name": f"row-{i}", "n": i} for i in range(n)]


@contextmanager
def _our_document(n: int) -> Iterator[Ready]:
    run, rows = mappers.our_face("run"), _rows(n)

    def work() -> None:
        result = run(_document(), {"rows": rows})
        expect(result.status, "success", "status")
        expect(result.nodes[DOCUMENT_NODE]["count"], n, "items")

    yield Ready(work)


@contextmanager
def _pflow_document(n: int) -> Iterator[Ready]:
    from benchmarks.pflow_side import compiled, run

    workflow, rows = compiled(_document()), _rows(n)

    def work() -> None:
        expect(run(workflow, rows)[DOCUMENT_NODE]["count"], n, "items")

    yield Ready(work)


@contextmanager
def _by_hand(n: int) -> Iterator[Ready]:
    rows = _rows(n)

    def work() -> None:
        done = [{"echo": str(row["name"]), "item": row} for row in rows]
        expect(len(done), n, "items")

    yield Ready(work)


def _document_side(name: str, opening: Opening, role: Role, share: float, environment: str = "own") -> Side:
    return Side(name, opening, role, share, environment)


DOCUMENT = Workload(
    name="noop-document",
    title="no-op node through a whole document",
    measures="CPU per item of a batch node that echoes a template, compiling and result included",
    unit="µs",
    better="lower",
    score=cpu_micros,
    sizes={"full": 20_000, "quick": 10_000, "smoke": 50},
    sides=(
        _document_side(OURS, _our_document, "ours", 1.0),
        _document_side("pflow 0.16", _pflow_document, "peer", 0.1, "pflow"),
        _document_side("one lookup and one dict", _by_hand, "limit", 1.0),
    ),
    aim=(Target(35),),
    least=(Target(70),),
)

ROWS = (PROCESS, THREAD, DOCUMENT)
