"""The pool: workers that are started while it is being closed, and what it says then."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psutil
import pytest

from batchmill.errors import ExecutorUnavailable
from batchmill.executors.pool import Pool
from batchmill.executors.slot import Slot


def test_a_worker_that_starts_while_the_pool_is_closed_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = Pool()
    opening, closing = threading.Event(), threading.Event()
    started: list[Slot] = []
    really_open = Pool._open_slot

    def open_late(self: Pool, *args: Any) -> Slot:
        opening.set()
        assert closing.wait(10)
        started.append(really_open(self, *args))
        return started[-1]

    def close_slots(slots: list[Slot]) -> None:
        assert slots == []
        closing.set()

    monkeypatch.setattr(Pool, "_open_slot", open_late)
    monkeypatch.setattr("batchmill.executors.pool._close_together", close_slots)
    with ThreadPoolExecutor(1) as threads:
        leasing = threads.submit(pool.lease)
        assert opening.wait(10)
        pool.close()
        with pytest.raises(ExecutorUnavailable, match="was shut down"):
            leasing.result(10)
    assert not psutil.pid_exists(started[0].pid)


def test_a_closed_pool_starts_nothing() -> None:
    pool = Pool()
    pool.close()
    with pytest.raises(ExecutorUnavailable, match="was shut down"):
        pool.lease()
