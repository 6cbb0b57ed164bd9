"""The executor on a cluster of separate processes, with certificates: parts of it are killed or stopped."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cloudpickle
import psutil
import pytest

import batchmill
from batchmill.errors import ClusterLost

distributed = pytest.importorskip("distributed", reason="the extra `dask` is not installed")
pytestmark = pytest.mark.own_clusters
cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers cannot import test modules

Soon = Callable[[Callable[[], object]], bool]


class Noted:
    """Takes a moment, and writes down that it ran."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, item: int) -> int:
        with open(self.folder / str(item), "a") as file:
            file.write("x")
        time.sleep(0.05)
        return 2 * item

    def runs(self) -> Counter[int]:
        """How many items ran how often."""
        return Counter(len(path.read_text()) for path in self.folder.iterdir())

    def running(self, most: int) -> Callable[[], bool]:
        return lambda: len(list(self.folder.iterdir())) >= most


def when(there: Callable[[], object], then: Callable[[], object]) -> threading.Thread:
    def wait() -> None:
        while not there():
            time.sleep(0.01)
        then()

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def kill_all(cluster: Any) -> None:
    """The first worker and its nanny at once, as a machine that goes off."""
    nanny = cluster.workers[0]
    for one in [psutil.Process(nanny.pid), *cluster.family(nanny)]:
        with contextlib.suppress(psutil.NoSuchProcess):
            one.kill()


def retire(cluster: Any) -> None:
    with distributed.Client(cluster.address, set_as_default=False) as client:
        client.retire_workers([min(client.nthreads())], close_workers=True)


@pytest.mark.parametrize(
    "break_it",
    [
        pytest.param(lambda cluster: cluster.worker_of(cluster.workers[0]).kill(), id="worker killed"),
        pytest.param(kill_all, id="machine gone"),
        pytest.param(lambda cluster: cluster.workers[0].terminate(), id="worker terminated"),
    ],
)
def test_a_worker_that_goes_costs_no_item(separate: Any, tmp_path: Path, break_it: Any) -> None:
    task = Noted(tmp_path)
    breaking = when(task.running(20), lambda: break_it(separate))
    assert batchmill.map(task, range(100), executor="dask") == [2 * k for k in range(100)]
    breaking.join()
    assert set(task.runs()) <= {1, 2}


def test_workers_that_come_and_retire_cost_no_item(separate: Any, tmp_path: Path) -> None:
    task = Noted(tmp_path)
    changes = [
        when(task.running(10), lambda: separate.worker(seats=2)),
        when(task.running(30), lambda: retire(separate)),
        when(task.running(60), lambda: retire(separate)),
    ]
    assert batchmill.map(task, range(200), executor="dask") == [2 * k for k in range(200)]
    for change in changes:
        change.join()
    assert task.runs() == {1: 200}


def test_a_silent_worker_costs_no_item(
    separate: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("batchmill.executors.remote.dask_carrier.SILENT_SECONDS", 2.0)
    task, worker = Noted(tmp_path), separate.worker_of(separate.workers[0])
    breaking = when(task.running(20), worker.suspend)
    assert batchmill.map(task, range(100), executor="dask") == [2 * k for k in range(100)]
    breaking.join()
    worker.resume()


def test_a_silent_scheduler_is_a_lost_cluster(
    separate: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("batchmill.executors.remote.dask_carrier.SILENT_SECONDS", 2.0)
    task = Noted(tmp_path)
    breaking = when(task.running(20), lambda: separate.scheduler.send_signal(signal.SIGSTOP))
    with pytest.raises(ClusterLost, match="has not answered for 2 s"):
        batchmill.map(task, range(1000), executor="dask")
    breaking.join()
    separate.scheduler.send_signal(signal.SIGCONT)
    assert batchmill.map(task, range(4), executor="dask") == [0, 2, 4, 6]  # connected anew


def test_an_item_that_ends_while_its_worker_does_not_yet_know_that_it_retires_runs_once(
    one_worker: Any, tmp_path: Path
) -> None:
    """The worker's loop is held while the scheduler retires it and its item ends: no order is sent again."""
    ran, go = tmp_path / "ran", tmp_path / "go"

    def item(number: int) -> int:
        with open(ran, "a") as file:
            file.write("x")
        while not go.exists():
            time.sleep(0.01)
        return number

    def hold() -> bool:
        """On the loop of the worker: until its agent has ended what it is at."""
        from batchmill.executors.remote.agent import _agent

        go.touch()
        end = time.monotonic() + 60
        while _agent.serving() and time.monotonic() < end:
            time.sleep(0.01)
        (tmp_path / "ended").touch()
        while not (tmp_path / "retired").exists() and time.monotonic() < end:
            time.sleep(0.01)
        return not _agent.serving()

    with one_worker() as cluster:

        def retire_it() -> None:
            with distributed.Client(cluster.address, set_as_default=False) as client:
                (worker,) = client.nthreads()
                held = threading.Thread(target=lambda: client.run(hold, on_error="ignore"))
                held.start()
                while not (tmp_path / "ended").exists():
                    time.sleep(0.01)
                client.retire_workers([worker], close_workers=True)
                while client.nthreads():
                    time.sleep(0.01)
                (tmp_path / "retired").touch()
                held.join()
                cluster.worker()

        retiring = when(ran.exists, retire_it)
        assert batchmill.map(item, [7], executor="dask") == [7]
        retiring.join()
    assert ran.read_text() == "x"


def test_what_waits_at_a_slow_worker_is_run_by_another(separate: Any, tmp_path: Path) -> None:
    ran, gate, first = tmp_path / "ran", tmp_path / "gate", tmp_path / "first"
    ran.mkdir()

    def item(number: int) -> int:
        here = str(os.getppid())  # the worker, below which this process is
        with contextlib.suppress(FileExistsError), open(first, "x") as file:
            file.write(here)
        if number >= 40 and here == first.read_text():
            while not gate.exists():  # this worker has become slow
                time.sleep(0.01)
        with open(ran / str(number), "a") as file:
            file.write("x")
        return number

    def others_are_done() -> bool:
        return len(list(ran.iterdir())) >= 198 or time.monotonic() > end

    end = time.monotonic() + 120
    # the slow worker holds two items, one on each seat; those behind them have been taken elsewhere
    opening = when(others_are_done, gate.touch)
    assert batchmill.map(item, range(200), executor="dask", chunk_size=1) == list(range(200))
    opening.join()
    assert time.monotonic() < end
    assert {len(path.read_text()) for path in ran.iterdir()} == {1}
