"""What must hold after every fault, whichever it was."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest

import batchmill
from batchmill.executors.process import folders, pool

ENTRY = {"index", "item", "type", "message", "attempts", "kind", "traceback"}
KINDS = {"exception", "error_result", "timeout", "worker_died", "cancelled", "not_picklable"}

Settled = Callable[..., None]


def successor(item: int) -> int:
    return item + 1


def _check_result(result: batchmill.BatchResult[Any], items: Sequence[Any], expected: Sequence[Any]) -> None:
    """Every item has exactly one final state, and result i belongs to item i."""
    assert len(result) == result.count == len(items)
    errors = result.errors
    failed = [error["index"] for error in errors]
    assert failed == sorted(set(failed))
    for error in errors:
        assert set(error) == ENTRY
        assert error["kind"] in KINDS
        assert error["item"] is items[error["index"]] or error["item"] == items[error["index"]]
    for index, value in enumerate(result):
        assert value == (None if index in failed else expected[index]), index
    assert result.success_count + len(failed) == len(items)


def _check_pool() -> None:
    """No worker is left that the pool does not know, and all it knows are idle."""
    shared = pool.shared_pool()
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with shared._lock:
            idle, everyone = set(shared._idle), set(shared._all)
        if idle == everyone and _slot_files(shared) == len(everyone):
            return
        time.sleep(0.02)
    assert idle == everyone
    there = [name for folder in shared.folders for name in os.listdir(folder)]
    assert _slot_files(shared) == len(everyone), there


def _slot_files(shared: pool.Pool) -> int:
    names = [name for folder in shared.folders for name in os.listdir(folder) if name != folders.OWNER]
    parcels = [name for name in names if name.endswith(".parcel")]
    assert len(parcels) <= 2 * pool.KEPT_JOBS, parcels  # the jobs kept for later batches, nothing else
    return len({name.partition("-in")[0].partition("-out")[0] for name in names if name not in parcels})


def _check_threads() -> None:
    deadline = time.monotonic() + 20
    names = ("batchmill-driver", "batchmill-watcher")
    while left := [thread.name for thread in threading.enumerate() if thread.name in names]:
        assert time.monotonic() < deadline, left
        time.sleep(0.01)


@pytest.fixture
def settled() -> Settled:
    """``settled(result, items, expected, executor)``: check what must hold after any fault.

    ``expected`` has the value of each item that did not fail; without a result only the state of the
    process is checked.
    """

    def check(
        result: batchmill.BatchResult[Any] | None = None,
        items: Sequence[Any] = (),
        expected: Sequence[Any] = (),
        executor: str = "process",
    ) -> None:
        if result is not None:
            _check_result(result, items, expected)
        if executor == "process":
            _check_pool()
        _check_threads()
        again = batchmill.map(successor, range(20), executor=executor, max_concurrent=2)
        assert again == list(range(1, 21))

    return check
