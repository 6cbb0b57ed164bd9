"""A measured run, in a process of its own: a request comes on stdin, the sample goes out on stdout.

``python -m batchmill.bench.child``; what the document itself prints goes to stderr.
"""

from __future__ import annotations

import hashlib
import json
import os
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

from batchmill.errors import BatchmillError
from batchmill.events import Event, ItemsTimed, NodeStarted
from batchmill.runs.result import RunResult
from batchmill.runs.run import run

MEASURED = "batch_metadata"  # in a batch node's outputs: how it was run, which is what differs


class Watch:
    """A listener: what each item took, and which batches there were."""

    wants_items = True

    def __init__(self) -> None:
        self.walls: dict[str, list[float]] = {}

    def __call__(self, event: Event) -> None:
        if isinstance(event, NodeStarted) and event.is_batch:
            self.walls.setdefault(event.node, [])
        elif isinstance(event, ItemsTimed):
            self.walls.setdefault(event.node, []).extend(event.walls)


def measure(request: dict[str, Any]) -> dict[str, object]:
    """The sample of one run, as plain data; ``{"fault": text}`` where it could not be run."""
    watch = Watch()
    cpu, began = _cpu(), time.perf_counter()
    try:
        result = run(
            request["document"],
            request["values"],
            text_params=request["text"],
            executor=request["executor"],
            jobs=request["jobs"],
            listeners=[watch],
        )
    except BatchmillError as error:
        return {"fault": str(error)}
    wall = time.perf_counter() - began
    own = _cpu() - cpu
    largest = max(watch.walls, key=lambda node: len(watch.walls[node]), default="")
    return {
        "wall": wall,
        "cpu": own + _cpu_of_workers(),
        "walls": [one for walls in watch.walls.values() for one in walls],
        "status": result.status,
        "outputs": {name: digest(value) for name, value in result.outputs.items() if name != MEASURED},
        "errors": result.errors[:3],
        **_batch_of(result, largest),
    }


def _batch_of(result: RunResult, node: str) -> dict[str, object]:
    """How the batch was run that has the most items."""
    told = result.nodes.get(node, {})
    batch = told.get("batch", told)
    return {
        "chosen": batch.get("executor", ""),
        "workers": batch.get("workers", 1),
        "reason": batch.get("reason", ""),
    }


def digest(value: object) -> str:
    """Of a value's JSON text, without what says how it was computed."""
    text = json.dumps(_compared(value), sort_keys=True, default=list)
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _compared(value: object) -> object:
    if isinstance(value, dict):
        return {key: _compared(one) for key, one in value.items() if key != MEASURED}
    if isinstance(value, list):
        return [_compared(one) for one in value]
    return value


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return sum(one.ru_utime + one.ru_stime for one in used)


def _cpu_of_workers() -> float:
    """What the pool's workers used: the system counts it once they have ended."""
    pool = sys.modules.get("batchmill.executors.process.pool")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    if pool is not None:
        pool.shutdown()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def serve(call: Callable[[dict[str, Any]], dict[str, object]] = measure) -> None:
    """Read a request, answer it. The answer has a line of its own, whatever else is printed."""
    request = json.load(sys.stdin)
    answer = os.dup(1)
    os.dup2(2, 1)
    found = call(request)
    with open(answer, "w", encoding="utf-8") as out:
        json.dump(found, out)


if __name__ == "__main__":
    serve()
