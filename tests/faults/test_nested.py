"""Items that run batches on worker processes of their own."""

from __future__ import annotations

import glob
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import cloudpickle
import psutil
import pytest

import batchmill
from batchmill.executors.process import pool

pytestmark = pytest.mark.slow

cloudpickle.register_pickle_by_value(sys.modules[__name__])


def double(item: int) -> int:
    return 2 * item


def total(item: int) -> int:
    return sum(batchmill.map(double, range(item), executor="process", max_concurrent=2).succeeded)


def double_or_hang(item: int) -> int:
    if item == 4:
        batchmill.map(time.sleep, [60, 60], executor="process", max_concurrent=2)
    return 2 * item


def total_or_die(item: int) -> int:
    result = total(item)
    if item == 4:
        os.kill(os.getpid(), 9)
    return result


def nothing_of(pids: list[int]) -> None:
    """No process, folder or semaphore is left of workers that are gone, nor of their workers."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        left = [path for pid in pids for path in glob.glob(f"/dev/shm/*-{pid}-*")]
        left += [str(pid) for pid in pids if psutil.pid_exists(pid)]
        if not left:
            return
        time.sleep(0.02)
    raise AssertionError(f"left behind: {left}")


def workers_and_theirs() -> list[int]:
    workers = pool.shared_pool().processes()
    inner = [child.pid for pid in workers for child in psutil.Process(pid).children(recursive=True)]
    return workers + inner


@pytest.mark.slow
def test_an_item_may_run_processes_of_its_own(settled: Any) -> None:
    result = batchmill.map(total, [3, 10, 4], executor="process", max_concurrent=2)
    settled(result, [3, 10, 4], [6, 90, 12])
    pids = workers_and_theirs()
    assert len(pids) >= 4
    pool.shutdown()
    nothing_of(pids)


def test_a_hung_item_goes_with_its_workers(settled: Any) -> None:
    pool.shutdown()
    batchmill.map(total, [3], executor="process", max_concurrent=1)  # so that all of them are there
    pids = workers_and_theirs()
    assert len(pids) >= 2
    items = [3, 4, 5]
    result = batchmill.map(
        double_or_hang, items, executor="process", max_concurrent=1, timeout=1, error_handling="continue"
    )
    assert [(e["index"], e["kind"]) for e in result.errors] == [(1, "timeout")]
    nothing_of(pids)
    settled(result, items, [6, 8, 10])
    pool.shutdown()


def test_a_killed_worker_takes_its_workers_along(settled: Any) -> None:
    items = [3, 4, 5]
    result = batchmill.map(
        total_or_die, items, executor="process", max_concurrent=1, error_handling="continue"
    )
    (error,) = result.errors
    assert (error["index"], error["kind"]) == (1, "worker_died")
    settled(result, items, [6, 12, 20])
    nothing_of([int(error["message"].split()[2])])
    pool.shutdown()


def test_a_consumer_may_run_batches_between_results() -> None:
    got = []
    for value in batchmill.imap(double, range(12), executor="process", max_concurrent=2):
        assert value is not None
        got.append(sum(batchmill.map(double, [value], executor="process", max_concurrent=2).succeeded))
    assert got == [4 * item for item in range(12)]


CHILD_THAT_MAPS = """
import multiprocessing, sys
import batchmill

class Half:
    def __init__(self, value):
        self.value = value

def half(number):
    return Half(number / 2)

def child():
    halves = list(batchmill.map(half, range(3), executor="process", max_concurrent=2))
    assert [one.value for one in halves] == [0.0, 0.5, 1.0], halves
    assert all(type(one) is Half for one in halves)

if __name__ == "__main__":
    if "warm" in sys.argv:
        child()
    process = multiprocessing.get_context(sys.argv[1]).Process(target=child)
    process.start()
    process.join(45)
    print("exit code", process.exitcode)
    process.kill()
"""


@pytest.mark.parametrize(
    "how",
    [["fork"], ["fork", "warm"], ["spawn"], pytest.param(["forkserver"], marks=pytest.mark.slow)],
    ids=" ".join,
)
def test_a_process_of_multiprocessing_that_maps_on_processes_ends(tmp_path: Path, how: list[str]) -> None:
    script = tmp_path / "script.py"
    script.write_text(CHILD_THAT_MAPS)
    done = subprocess.run(
        [sys.executable, str(script), *how], capture_output=True, text=True, timeout=60, check=True
    )
    assert (done.stdout, done.stderr) == ("exit code 0\n", "")
