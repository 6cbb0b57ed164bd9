"""Ending the kept workers by hand, and processes that may not have any."""

from __future__ import annotations

import multiprocessing
import os
import time

import pytest

import batchmill
from batchmill import ExecutorUnavailable
from batchmill.executors.process import pool


def same(item):
    return item


def test_workers_end_at_once_and_are_there_again_on_demand():
    assert list(batchmill.map(same, [1, 2], executor="process")) == [1, 2]
    workers = pool.shared_pool().processes()
    assert workers
    batchmill.shutdown()
    batchmill.shutdown()
    assert pool.current_pool() is None
    for pid in workers:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    assert list(batchmill.map(same, [3], executor="process")) == [3]


def slow(item):
    time.sleep(0.01)
    return item


def test_a_batch_that_runs_meanwhile_fails_and_hangs_not():
    stream = batchmill.imap(slow, iter(range(1000)), executor="process", chunk_size=1, max_concurrent=1)
    assert next(stream) == 0
    batchmill.shutdown()
    with pytest.raises(ExecutorUnavailable, match="was shut down"):
        list(stream)


@pytest.mark.parametrize(("executor", "runs"), [("process", False), ("auto", True), ("thread", True)])
def test_a_daemonic_process_is_told_what_to_do(monkeypatch, executor, runs):
    monkeypatch.setitem(multiprocessing.current_process()._config, "daemon", True)
    if runs:
        assert list(batchmill.map(same, [1, 2], executor=executor)) == [1, 2]
        return
    with pytest.raises(ExecutorUnavailable, match=r"a daemonic worker.* use executor 'thread', or 'auto'"):
        batchmill.map(same, [1, 2], executor=executor)
