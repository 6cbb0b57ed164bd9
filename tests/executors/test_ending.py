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


@pytest.mark.slow
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


@pytest.fixture
def daemonic(monkeypatch):
    monkeypatch.setitem(multiprocessing.current_process()._config, "daemon", True)


@pytest.mark.usefixtures("daemonic")
@pytest.mark.parametrize("executor", ["sequential", "thread", "auto"])
def test_a_daemonic_process_runs_what_needs_no_processes(executor):
    assert list(batchmill.map(same, [1, 2], executor=executor)) == [1, 2]


@pytest.mark.usefixtures("daemonic")
def test_a_daemonic_process_has_threads_in_the_place_of_processes():
    with pytest.warns(RuntimeWarning, match="a daemonic worker.* its items run on threads") as warned:
        done = batchmill.map(same, [1, 2], executor="process", max_concurrent=2)
    assert warned[0].filename == __file__
    assert list(done) == [1, 2]
    assert (done.metadata["executor"], done.metadata["workers"]) == ("thread", 2)
    assert "a daemonic worker" in done.metadata["reason"]


@pytest.mark.usefixtures("daemonic")
@pytest.mark.parametrize("limits", [{"memory_limit": "512MB"}, {"max_items_per_worker": 5}])
def test_what_only_a_process_can_do_is_refused_in_a_daemonic_one(limits):
    with pytest.raises(ExecutorUnavailable, match=r"a daemonic worker.* use executor 'thread', or 'auto'"):
        batchmill.map(same, [1, 2], executor="process", **limits)
