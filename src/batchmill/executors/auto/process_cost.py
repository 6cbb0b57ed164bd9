"""Estimate the cost of running a task's items in worker processes, without sending anything."""

from __future__ import annotations

import importlib
import sys
import time

from batchmill.errors import NotPicklable
from batchmill.executors.auto.decision import ProcessCost
from batchmill.executors.contract import Task
from batchmill.executors.running.attempts import Job

START_SECONDS = 0.2  # until cold workers are there; they start side by side
WARM_SECONDS = 0.005
CHUNKED_SECONDS = 1.5e-6  # of this process for an item that weighs nothing, sent with others
BOTH_WAYS = 1.5  # times the pickling: the other side of it, and the copying in between


def nominal(workers: int) -> ProcessCost:
    """The cost for items without weight, a lower bound for real ones."""
    return ProcessCost(_start_seconds(workers), CHUNKED_SECONDS)


def shipping(task: Task, sample: tuple[object, object] | None, workers: int) -> ProcessCost:
    """The cost for items such as the ``sample`` (an item and its result), and whether they can travel."""
    pickling = importlib.import_module("batchmill.executors.pickling.pickler")  # with cloudpickle: 20 ms
    seconds = 0.0
    for what, value in (("task", Job(task)), *zip(("item", "result"), sample or (), strict=False)):
        began = time.perf_counter()
        try:
            pickling.dumps(value, [])
        except Exception as fault:  # noqa: BLE001  # whatever pickling raises: it cannot travel
            shown = value.task if isinstance(value, Job) else value
            return ProcessCost(_start_seconds(workers), 0.0, _words(pickling.refusal(shown, fault, what)))
        if what != "task":
            seconds += time.perf_counter() - began
    return ProcessCost(_start_seconds(workers), CHUNKED_SECONDS + BOTH_WAYS * seconds)


def _words(refusal: NotPicklable) -> str:
    return str(refusal).partition(";")[0]


def _start_seconds(workers: int) -> float:
    """Asked of the pool only if there is one already: importing it costs more than the answer is worth."""
    module = sys.modules.get("batchmill.executors.process.pool")
    pool = module.current_pool() if module is not None else None
    return WARM_SECONDS if pool is not None and pool.idle() >= workers else START_SECONDS
