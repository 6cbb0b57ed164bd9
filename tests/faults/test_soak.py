"""Long runs: faults of every kind at random, and a million items with the parent's memory watched."""

from __future__ import annotations

import collections
import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import cloudpickle
import pytest

import batchmill
from batchmill.executors.process import pool

cloudpickle.register_pickle_by_value(sys.modules[__name__])

SHARES = {  # of the items, by what they do
    "fine": 0.80,
    "raises": 0.05,
    "flaky": 0.04,
    "kills": 0.02,
    "leaves": 0.01,
    "exits": 0.01,
    "hangs": 0.01,
    "unpicklable result": 0.02,
    "unpicklable error": 0.02,
    "large": 0.02,
}
ENDS = {
    "raises": "exception",
    "kills": "worker_died",
    "leaves": "worker_died",
    "exits": "exception",
    "hangs": "timeout",
    "unpicklable result": "not_picklable",
    "unpicklable error": "exception",
}


class Lock(Exception):
    def __init__(self) -> None:
        super().__init__("locked")
        self.lock = threading.Lock()


def misbehave(item: tuple[int, str, float]) -> Any:
    number, kind, seconds = item
    time.sleep(seconds)
    if kind == "raises":
        raise ValueError(number)
    if kind == "flaky" and random.random() < 0.3:
        raise OSError("flaky")
    if kind == "kills":
        os.kill(os.getpid(), random.choice([signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT]))
    if kind == "leaves":
        os._exit(number % 5)
    if kind == "exits":
        sys.exit(number % 5)
    if kind == "hangs":
        time.sleep(600)
    if kind == "unpicklable result":
        return threading.Lock()
    if kind == "unpicklable error":
        raise Lock
    return bytes(2 << 20) if kind == "large" else (number, kind)


def value_of(item: tuple[int, str, float]) -> Any:
    number, kind, _ = item
    return bytes(2 << 20) if kind == "large" else (number, kind)


def soak(seed: int, count: int, settled: Any, **settings: Any) -> None:
    draw = random.Random(seed)
    kinds = draw.choices(list(SHARES), list(SHARES.values()), k=count)
    items = [(number, kind, draw.choice([0, 0, 0, 0.001, 0.005])) for number, kind in enumerate(kinds)]
    result = batchmill.map(
        misbehave, items, executor="process", timeout=1.0, error_handling="continue", **settings
    )
    ends = {error["index"]: error["kind"] for error in result.errors}
    retries = settings.get("max_retries", 1)
    for number, kind, _ in items:
        if kind == "flaky":
            assert ends.get(number) in (None, "exception")
        else:
            assert ends.get(number) == ENDS.get(kind), (seed, number, kind)
    for error in result.errors:
        expected = 1 if error["kind"] == "not_picklable" else retries
        assert error["attempts"] == expected, error
    settled(result, items, [value_of(item) for item in items])


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_mixed_faults(seed: int, settled: Any) -> None:
    soak(seed, 1000, settled, max_concurrent=4)


@pytest.mark.slow
def test_mixed_faults_with_retries(settled: Any) -> None:
    soak(11, 500, settled, max_concurrent=4, max_retries=3)


@pytest.mark.slow
def test_mixed_faults_in_batches_at_the_same_time(settled: Any) -> None:
    faults: list[BaseException] = []

    def one(seed: int) -> None:
        try:
            soak(seed, 300, lambda *_: None, max_concurrent=2)
        except BaseException as fault:
            faults.append(fault)

    threads = [threading.Thread(target=one, args=(seed,)) for seed in range(20, 24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    settled()


@pytest.mark.slow
def test_mixed_faults_in_short(settled: Any) -> None:
    soak(42, 120, settled, max_concurrent=2)


@pytest.mark.slow
def test_workers_killed_at_random_from_outside(settled: Any) -> None:
    """Whoever runs at that moment is charged or tried again; nothing is lost, nothing stands still."""
    items, came = list(range(15_000)), 0

    def kill(_: object) -> None:
        """After every two thousand results: workers have to begin in between, however long that takes."""
        nonlocal came
        came += 1
        if came % 2000 == 0 and (pids := pool.shared_pool().processes()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(random.choice(pids), signal.SIGKILL)

    settings: Any = {"max_concurrent": 4, "max_retries": 10, "error_handling": "continue"}
    result = batchmill.map(nap, items, executor="process", on_result=kill, **settings)
    assert came == len(items)
    assert collections.Counter(error["kind"] for error in result.errors).keys() <= {"worker_died"}
    settled(result, items, items)


def nap(item: int) -> int:
    time.sleep(0.001)
    return item


MILLION = """
import gc, sys
import batchmill, psutil

def same(item):
    return item

def main(executor, ordered):
    process = psutil.Process()
    count = total = start = peak = 0
    for value in batchmill.imap(same, iter(range(1_000_000)), executor=executor, ordered=ordered == "True"):
        total += value
        count += 1
        if count == 50_000:
            gc.collect()
            start = process.memory_info().rss
        if count % 10_000 == 0:
            peak = max(peak, process.memory_info().rss)
    print(count, total, peak - start)

if __name__ == "__main__":
    main(*sys.argv[1:])
"""


@pytest.mark.slow
@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("executor", ["thread", "process"])
def test_a_million_items_do_not_grow_the_parent(executor: str, ordered: bool, tmp_path: Path) -> None:
    """In a process of their own: this one may still be giving back what other tests took."""
    (tmp_path / "million.py").write_text(MILLION)
    command = [sys.executable, "million.py", executor, str(ordered)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    count, total, grown = map(int, done.stdout.split())
    assert (count, total) == (1_000_000, 499_999_500_000)
    assert grown < 20 << 20
