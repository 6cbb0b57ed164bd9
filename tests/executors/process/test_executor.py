"""The workers of a batch: whoever ends, somebody sees to what is left."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import cloudpickle
import pytest

import batchmill
from batchmill.errors import ExecutorUnavailable
from batchmill.executors.process.leases import Leases
from batchmill.executors.process.link import ProcessLink
from batchmill.executors.process.pool import Pool, shared_pool
from batchmill.executors.process.slot import NO_MODULES, Slot

cloudpickle.register_pickle_by_value(sys.modules[__name__])

PATIENCE = 30


class SlowOrDeadly:
    """Item 0 lasts until somebody asked for a worker once more; item 1 ends its worker the first time."""

    def __init__(self, folder: Path) -> None:
        self.asked = folder / "asked"
        self.died = folder / "died"

    def __call__(self, item: int) -> int:
        if item == 0:
            end = time.monotonic() + PATIENCE
            while not self.asked.exists() and time.monotonic() < end:
                time.sleep(0.002)
        elif not self.died.exists():
            self.died.touch()
            os._exit(3)
        return item


def test_items_left_to_a_worker_that_is_about_to_end_are_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker of item 1 dies, and no other is to be had. Its driver leaves the item to the one of item 0,
    which has a worker, but has just seen that nothing is left."""
    for slot in [shared_pool().lease() for _ in range(2)]:
        shared_pool().release(slot)  # it is up: both items are sent before any driver has a thread
    work = SlowOrDeadly(tmp_path)
    releasing, given_up = threading.Event(), threading.Event()
    asked: list[None] = []
    really_lease, really_release, really_ask = Pool.lease, Leases._release, Leases.lease

    def lease(pool: Pool, modules: frozenset[str] = NO_MODULES) -> Slot:
        asked.append(None)
        if len(asked) != 3:
            return really_lease(pool, modules)
        work.asked.touch()
        assert releasing.wait(PATIENCE)
        raise ExecutorUnavailable("no more")

    def ask(leases: Leases, given_up_by: Callable[[], bool]) -> ProcessLink | None:
        link = really_ask(leases, given_up_by)
        if link is None:
            given_up.set()
        return link

    def release(leases: Leases, slot: Slot) -> None:
        if slot.healthy and not releasing.is_set():
            releasing.set()
            assert given_up.wait(PATIENCE)
            time.sleep(0.05)  # so that the other driver has ended, in most cases
        really_release(leases, slot)

    monkeypatch.setattr(Pool, "lease", lease)
    monkeypatch.setattr(Leases, "lease", ask)
    monkeypatch.setattr(Leases, "_release", release)
    found = batchmill.map(work, range(2), executor="process", max_concurrent=2, max_retries=2, chunk_size=1)
    assert list(found) == [0, 1]
    assert given_up.is_set()
