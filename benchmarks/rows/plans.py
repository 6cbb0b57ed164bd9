"""Rows of plans: what it costs to decide which node runs next, and whether branches really overlap.

The nodes do next to nothing, so that a node's whole CPU time is ours. The limit is the standard library's
topological sorter, which has no conditions, loops, failures or branches of its own to see to.
"""

from __future__ import annotations

import graphlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

from benchmarks.items import rest
from benchmarks.workload import (
    OURS,
    Opening,
    Ready,
    Sample,
    Side,
    Target,
    Workload,
    cpu_micros,
    expect,
)

Edges = list[tuple[str, str]]
Shape = Callable[[int], Edges]

BRANCH_SECONDS = 1.0
SMOKE_SECONDS = 0.05  # for a run that only shows that the row works


def chain(n: int) -> Edges:
    """``n`` nodes in a row."""
    return list(pairwise(f"n{number}" for number in range(n)))


def fan(n: int) -> Edges:
    """One node, ``n - 2`` behind it side by side, and one behind them all."""
    middle = [f"n{number}" for number in range(1, n - 1)]
    return [("n0", name) for name in middle] + [(name, f"n{n - 1}") for name in middle]


def document(edges: Edges) -> dict[str, Any]:
    """A document with these edges whose nodes say a word."""
    names = dict.fromkeys(name for edge in edges for name in edge)
    return {
        "nodes": [{"id": name, "type": "echo", "params": {"message": "x"}} for name in names],
        "edges": [{"from": source, "to": target} for source, target in edges],
    }


def scheduled(shape: Shape) -> Opening:
    """A side that runs a checked plan; checking it is not measured."""

    @contextmanager
    def opening(n: int) -> Iterator[Ready]:
        from batchmill.graph.compile.check import check
        from batchmill.graph.frame import NodeFrame, RunServices
        from batchmill.graph.schedule.scheduler import Scheduler
        from batchmill.graph.sub_workflow import SubWorkflowRun
        from batchmill.ir.loading import load
        from batchmill.nodes.registry import default_registry
        from batchmill.step import Namespace

        plan = check(load(document(shape(n))), default_registry())

        def work() -> None:
            walk = Scheduler(plan, NodeFrame(RunServices(SubWorkflowRun), Namespace({}))).run()
            expect((walk.status, len(walk.reports)), ("success", n), "the run")

        yield Ready(work)

    return opening


def checked(shape: Shape) -> Opening:
    """A side that reads, checks and compiles a document."""

    @contextmanager
    def opening(n: int) -> Iterator[Ready]:
        from batchmill.graph.compile.check import check
        from batchmill.ir.loading import load
        from batchmill.nodes.registry import default_registry

        written = document(shape(n))
        registry = default_registry()
        yield Ready(lambda: expect(len(check(load(written), registry).nodes), n, "nodes"))

    return opening


def sorted_by_library(shape: Shape) -> Opening:
    """A side that has the standard library say which node is ready, and does nothing with it."""

    @contextmanager
    def opening(n: int) -> Iterator[Ready]:
        edges = shape(n)

        def work() -> None:
            sorter: graphlib.TopologicalSorter[str] = graphlib.TopologicalSorter()
            for source, target in edges:
                sorter.add(target, source)
            sorter.prepare()
            seen = 0
            while sorter.is_active():
                for name in sorter.get_ready():
                    seen += 1
                    sorter.done(name)
            expect(seen, n, "nodes")

        yield Ready(work)

    return opening


def _row(
    name: str, title: str, ours: Opening, shape: Shape, n: int = 1000, aim: float = 50, least: float = 80
) -> Workload:
    return Workload(
        name=name,
        title=title,
        measures="CPU time per node, including the node itself",
        unit="µs/node",
        better="lower",
        score=cpu_micros,
        sizes={"full": n, "quick": n, "smoke": 20},
        sides=(Side(OURS, ours, "ours"), Side("graphlib", sorted_by_library(shape), "limit")),
        aim=(Target(aim),),
        least=(Target(least),),
    )


def branch_seconds(n: int) -> float:
    """How long each of ``n`` branches waits."""
    return BRANCH_SECONDS if n >= 10 else SMOKE_SECONDS


@contextmanager
def _our_branches(n: int) -> Iterator[Ready]:
    import batchmill

    seconds = branch_seconds(n)
    params = {"function": "benchmarks.items:rest", "args": [seconds]}
    nodes = [{"id": f"n{number}", "type": "python", "params": params} for number in range(n)]
    written = {"pipeline": [{"parallel": nodes}]}
    yield Ready(lambda: expect(batchmill.run(written).status, "success", "the run"))


@contextmanager
def _pool_branches(n: int) -> Iterator[Ready]:
    seconds, begun = branch_seconds(n), threading.Barrier(n)
    with ThreadPoolExecutor(n) as pool:
        list(pool.map(lambda _: begun.wait(), range(n)))  # every thread is there
        yield Ready(lambda: expect(list(pool.map(rest, [seconds] * n)), [seconds] * n, "results"))


def _times_a_branch(sample: Sample) -> float:
    return sample.wall / branch_seconds(sample.n)


BRANCHES = Workload(
    name="branches",
    title="ten branches of 1 s side by side",
    measures="wall time as a multiple of one branch",
    unit="× ideal",
    better="lower",
    score=_times_a_branch,
    sizes={"full": 10, "quick": 10, "smoke": 2},
    sides=(Side(OURS, _our_branches, "ours"), Side("ThreadPoolExecutor", _pool_branches)),
    aim=(Target(1.05),),
    least=(Target(1.1),),
)

ROWS = (
    BRANCHES,
    _row("plan-chain", "a chain of 1,000 nodes", scheduled(chain), chain),
    _row("plan-fan", "a fan-out to 1,000 nodes and back", scheduled(fan), fan),
    _row("plan-check", "reading and checking 1,000 nodes that fan out", checked(fan), fan),
    _row("plan-chain-10000", "a chain of 10,000 nodes", scheduled(chain), chain, 10_000, 40, 60),
    _row("plan-check-10000", "reading and checking 10,000 in a chain", checked(chain), chain, 10_000, 40, 60),
)
