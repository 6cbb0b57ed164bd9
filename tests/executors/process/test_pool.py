"""The pool: workers that are started while it is being closed, and what it says then."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

from batchmill.errors import ExecutorUnavailable
from batchmill.executors.process.pool import Pool
from batchmill.executors.process.slot import Slot


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
    monkeypatch.setattr("batchmill.executors.process.pool.close_together", close_slots)
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


def test_a_pool_without_a_thread_leaves_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As where it is asked for while the interpreter is ending."""

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    monkeypatch.setattr("batchmill.executors.process.folders.MEMORY_FOLDER", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(RuntimeError, match="new thread"):
        Pool()
    assert list(tmp_path.iterdir()) == []
