"""A machine that takes no time: runs whose seconds are computed from what they are said to cost."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest

from batchmill.bench.budget import BenchProbe
from batchmill.bench.case import MeasuredRun, RunSeries
from batchmill.bench.compare import MeasureOrder, cases_of, compare
from batchmill.bench.workload import Workload

BUILDS = {"/usr/bin/python": "CPython 3.11"}
WORK = Workload("work", {})


@dataclass(frozen=True)
class Costs:
    """Seconds. ``start`` and ``per_item`` may have one for each round."""

    start: float | tuple[float, ...] = 0.0
    fixed: float = 0.0
    per_item: float | tuple[float, ...] = 0.01
    item: float = 0.01
    workers: int = 1
    cpu: float = 0.1
    status: str = "success"
    errors: tuple[dict[str, object], ...] = ()
    ends_at: int | None = None


@dataclass
class Machine:
    """``items`` is how many the workload has. Concurrency: none, tests have one thread."""

    costs: dict[str, Costs]
    items: int = 300
    outputs: dict[str, dict[str, str]] = field(default_factory=dict)
    asked: list[tuple[str, list[int | None]]] = field(default_factory=list)

    def __call__(self, workload, case, steps):
        number = sum(executor == case.executor for executor, _ in self.asked)
        self.asked.append((case.executor, [step.limit for step in steps]))
        costs = self.costs[case.executor]
        start = costs.start if isinstance(costs.start, float) else costs.start[number]
        each = costs.per_item if isinstance(costs.per_item, float) else costs.per_item[number]
        costs = replace(costs, per_item=each, workers=case.jobs or costs.workers)
        runs = [self.run(case, costs, step, 0.0 if place else start) for place, step in enumerate(steps)]
        return RunSeries(tuple(steps), runs, 50 << 20)

    def run(self, case, costs, step, start):
        items = min(step.limit or self.items, self.items)
        items = items if costs.ends_at is None else min(items, costs.ends_at)
        wall = start + costs.fixed + (max(costs.item, items * costs.per_item) if items else 0.0)
        told = self.outputs.get(case.executor, {"a": "1"})
        return MeasuredRun(
            wall, costs.cpu, [costs.item] * items, costs.status, case.executor, costs.workers, "asked", told,
            errors=list(costs.errors), total=self.items,
        )  # fmt: skip


@pytest.fixture
def compared():
    """Compares executors on a machine: what came of it, and the machine."""

    def call(
        costs, *, counts=(10, 100, 300), rounds=1, starts=0, items=None, jobs=(None,), builds=BUILDS, **more
    ):
        machine = Machine(costs, **more)
        probe = BenchProbe(machine.items, 0.01, 0.0, waits=False)
        cases = cases_of(list(costs), jobs, builds)
        order = MeasureOrder(WORK, cases, probe, counts, rounds, starts, 1.0, items)
        return compare(order, lambda line: None, machine), machine

    return call


@pytest.fixture
def costs():
    """What an executor costs."""
    return Costs


@pytest.fixture
def machine():
    """A machine for runs of a test's own."""
    return Machine
