"""All rows, in the order they are measured and shown: one module per family."""

from __future__ import annotations

from benchmarks.rows import (
    adaptive,
    builds,
    chain,
    clusters,
    commands,
    cpu,
    documents,
    graphs,
    growth,
    journal,
    memory,
    noop,
    payload,
    plans,
    pool,
    requests,
    stages,
    start,
    tables,
    uneven,
    waits,
    whole_memory,
)
from benchmarks.workload import Pending, Workload

WORKLOADS: tuple[Workload, ...] = (
    *noop.ROWS,
    *cpu.ROWS,
    *uneven.ROWS,
    *payload.ROWS,
    *pool.ROWS,
    *clusters.ROWS,
    *commands.ROWS,
    *graphs.ROWS,
    *waits.ROWS,
    *requests.ROWS,
    *whole_memory.ROWS,
    *adaptive.ROWS,
    *memory.ROWS,
    *growth.ROWS,
    *journal.ROWS,
    *documents.ROWS,
    *tables.ROWS,
    *plans.ROWS,
    *chain.ROWS,
    *stages.ROWS,
    *start.ROWS,
    *builds.ROWS,
)

PENDING: tuple[Pending, ...] = ()


def find(name: str) -> Workload:
    """The row called ``name``. Raises ValueError that lists the names."""
    for workload in WORKLOADS:
        if workload.name == name:
            return workload
    raise ValueError(f"no row {name!r}; there are {', '.join(w.name for w in WORKLOADS)}")
