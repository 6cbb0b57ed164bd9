"""Measured runs in a process of their own: a request comes on stdin, the measurements go to stdout.

``python -m batchmill.bench.child``; the output of the document itself goes to stderr. The first run of the
process is cold; later ones find workers, imports and caches in place.
"""

from __future__ import annotations

import hashlib
import json
import os
import resource
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from batchmill.bench.counting import counted
from batchmill.bench.scratch import RestoredFolder
from batchmill.concurrency.cancel import CancelToken
from batchmill.errors import BatchmillError
from batchmill.events import Event, ItemsTimed, NodeStarted
from batchmill.runs.result import RunResult
from batchmill.runs.run import run
from batchmill.values.words import is_inside_item

MEASURED = "batch_metadata"  # in a batch node's outputs: how it was run, which is what differs


class BatchListener:
    """A listener: what each item took, and which batches there were. Batches inside of items belong to the
    item. ``on_batch`` is called as a batch begins."""

    wants_items = True

    def __init__(self, on_batch: Callable[[], None]) -> None:
        self._on_batch = on_batch
        self.walls: dict[str, list[float]] = {}
        self.workers: dict[str, int] = {}
        self.totals: dict[str, int | None] = {}

    def __call__(self, event: Event) -> None:
        if isinstance(event, NodeStarted) and event.is_batch and not is_inside_item(event.node):
            self.walls.setdefault(event.node, [])
            self.workers[event.node] = event.workers
            self.totals[event.node] = event.total
            self._on_batch()
        elif isinstance(event, ItemsTimed) and not is_inside_item(event.node):
            self.walls.setdefault(event.node, []).extend(event.walls)

    def counts(self) -> list[int] | None:
        """The items of each batch that began, None where one does not know."""
        known = [total for total in self.totals.values() if total is not None]
        return known if len(known) == len(self.totals) else None


def measure(request: dict[str, Any]) -> dict[str, object]:
    """The runs of ``request["steps"]``, as plain data; ``{"fault": text}`` where one could not be run."""
    runs: list[dict[str, Any]] = []
    original = request["restore"]
    folder = RestoredFolder(Path(original), Path.cwd()) if original is not None else None
    for step in request["steps"]:
        try:
            if runs and folder is not None:
                folder.restore()
            runs.append(_measured(request, step))
        except BatchmillError as error:
            return {"fault": str(error)}
    return {"runs": runs}


def _measured(request: dict[str, Any], step: dict[str, Any]) -> dict[str, Any]:
    stop = CancelToken()
    cpu, began = _cpu(), time.perf_counter()
    begins: list[float] = []
    with _stopping(step["seconds"], stop) as stop_later:

        def begin() -> None:
            begins.append(time.perf_counter())
            stop_later()

        watch = BatchListener(begin)
        result = run(
            request["document"],
            request["values"],
            text_params=request["text"],
            executor=request["executor"],
            jobs=request["jobs"],
            limit=step["limit"],
            listeners=[watch],
            stop=stop,
        )
    wall = time.perf_counter() - began
    largest = max(watch.walls, key=lambda node: len(watch.walls[node]), default="")
    totals = watch.counts()
    if totals is None and result.interrupted:
        totals = counted(request["document"], request["values"], request["text"])
    return {
        "wall": wall,
        "cpu": _cpu() - cpu,
        "walls": [one for walls in watch.walls.values() for one in walls],
        "status": result.status,
        "outputs": {name: digest(value) for name, value in result.outputs.items() if name != MEASURED},
        "errors": result.errors[:3],
        "total": None if totals is None else sum(totals),
        "batches": len(watch.totals if totals is None else totals),
        "largest": None if totals is None else max(totals, default=0),
        "stopped": result.interrupted,
        "before": min(begins) - began if begins else wall,
        **_batch_of(result, largest),
        "workers": max(1, sum(watch.workers.values())),
    }


@contextmanager
def _stopping(seconds: float | None, stop: CancelToken) -> Iterator[Callable[[], None]]:
    """Listeners that stop a run so many seconds after their first event: the work before the first batch may
    take any time."""
    timers: list[threading.Timer] = []
    lock = threading.Lock()  # branches call from their own threads

    def begin() -> None:
        with lock:
            if seconds is not None and not timers:
                timers.append(threading.Timer(seconds, stop.cancel))
                timers[0].daemon = True
                timers[0].start()

    try:
        yield begin
    finally:
        for timer in timers:
            timer.cancel()


def _batch_of(result: RunResult, node: str) -> dict[str, object]:
    """How the batch was run that has the most items."""
    told = result.nodes.get(node, {})
    batch = told.get("batch", told)
    return {"chosen": batch.get("executor", ""), "reason": batch.get("reason", "")}


def digest(value: object) -> str:
    """A digest of a value's JSON text, without the parts that depend on how it was computed."""
    text = json.dumps(_compared(value), sort_keys=True, default=list)
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _compared(value: object) -> object:
    if isinstance(value, dict):
        return {key: _compared(one) for key, one in value.items() if key != MEASURED}
    if isinstance(value, list):
        return [_compared(one) for one in value]
    return value


def _cpu() -> float:
    """CPU seconds that this process and its descendants have used so far, including ended ones."""
    own = (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    used = sum(one.ru_utime + one.ru_stime for one in own)
    for process in psutil.Process().children(recursive=True):
        try:
            times = process.cpu_times()
        except psutil.Error:  # it has ended meanwhile, and its parent counts it from now on
            continue
        used += times.user + times.system + times.children_user + times.children_system
    return used


def serve(call: Callable[[dict[str, Any]], dict[str, object]] = measure) -> None:
    """Read a request, answer it. The answer has a line of its own, even if other output is printed."""
    request = json.load(sys.stdin)
    answer = os.dup(1)
    os.dup2(2, 1)
    found = call(request)
    with open(answer, "w", encoding="utf-8") as out:
        json.dump(found, out)


if __name__ == "__main__":
    serve()
