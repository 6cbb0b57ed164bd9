"""Worker processes that die in every way, at every moment: it costs the one item."""

from __future__ import annotations

import collections
import ctypes
import os
import re
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cloudpickle
import psutil
import pytest

import batchmill
from batchmill.attempt import Attempt
from batchmill.batch import BatchSettings, run_batch
from batchmill.errors import BatchFailed
from batchmill.executors import contract
from batchmill.executors.process import pool
from batchmill.policy import FailurePolicy, RetryPolicy

cloudpickle.register_pickle_by_value(sys.modules[__name__])

CONTINUE = {"executor": "process", "error_handling": "continue", "max_concurrent": 2}


def sigkill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def sigterm() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def segfault() -> None:
    ctypes.CDLL(None).strlen(None)


def sigsegv() -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def leave() -> None:
    os._exit(7)


def leave_with_0() -> None:
    os._exit(0)


def sys_exit() -> None:
    sys.exit(3)


def abort() -> None:
    os.abort()


def overflow_the_c_stack() -> None:
    """Calls itself through C: ctypes holds a C frame for every level and no interpreter counts them."""
    kind = ctypes.CFUNCTYPE(ctypes.c_int)
    frames: list[Any] = []

    def again() -> int:
        return int(frames[0]())

    sys.setrecursionlimit(10**9)
    frames.append(kind(again))
    frames[0]()
    sigsegv()  # an interpreter that guards its C stack got here: the death is what matters


ENDS: dict[Callable[[], None], str] = {
    sigkill: r"was killed by signal 9 \(SIGKILL\)",
    sigterm: r"was killed by signal 15 \(SIGTERM\)",
    segfault: r"was killed by signal 11 \(SIGSEGV\)",
    sigsegv: r"was killed by signal 11 \(SIGSEGV\)",
    abort: r"was killed by signal 6 \(SIGABRT\)",
    leave: "exited with code 7",
    leave_with_0: "exited with code 0",
    overflow_the_c_stack: r"was killed by signal \d+ \(SIG(SEGV|ABRT|BUS)\)",
}
OFTEN_MET = {sigkill, segfault, abort, leave, overflow_the_c_stack}
every_end = pytest.mark.parametrize(
    "end",
    [end if end in OFTEN_MET else pytest.param(end, marks=pytest.mark.slow) for end in ENDS],
    ids=lambda end: end.__name__,
)
some_ends = pytest.mark.parametrize("end", [sigkill, leave], ids=lambda end: end.__name__)


def deadly(item: Callable[[], None] | int) -> int:
    if callable(item):
        item()
    return item if isinstance(item, int) else -1


class Trap:
    """Ends the process when it is unpickled there."""

    def __init__(self, end: Callable[[], None], parent: int) -> None:
        self.end = end
        self.parent = parent

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if os.getpid() != self.parent:
            self.end()


class Mine:
    """Ends the process when it is pickled there."""

    def __init__(self, end: Callable[[], None]) -> None:
        self.end = end

    def __reduce__(self) -> Any:
        self.end()
        return str, ("survived",)


def lay_mine(item: Callable[[], None] | int) -> Any:
    return Mine(item) if callable(item) else item


def first_of(item: Any) -> Any:
    return -1 if isinstance(item, Trap) else item


class Logged(contract.Task):
    """Runs for ``seconds`` and logs each execution; the ``killers`` among the items end their worker."""

    def __init__(self, path: Path, killers: set[int], seconds: float, deaths: int = 10**9) -> None:
        self.path = str(path)
        self.killers = killers
        self.seconds = seconds
        self.deaths = deaths

    def run(self, item: int, index: int, attempt: Attempt) -> int:
        end = time.perf_counter() + self.seconds
        while time.perf_counter() < end:
            pass
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(descriptor, f"{item}\n".encode())
        os.close(descriptor)
        if item in self.killers and attempt.number <= self.deaths:
            sigkill()
        return item * 10 + attempt.number

    def executions(self) -> collections.Counter[int]:
        return collections.Counter(int(line) for line in Path(self.path).read_text().split())


def _only_death(result: batchmill.BatchResult[Any], index: int, cause: str) -> None:
    (error,) = result.errors
    assert error["index"] == index
    assert error["kind"] == "worker_died"
    assert error["type"] == "WorkerDied"
    assert error["attempts"] == 1
    assert re.fullmatch(rf"worker process \d+ {cause}", error["message"]), error["message"]


@every_end
@pytest.mark.first_quick
def test_a_death_while_running_costs_the_one_item(end: Callable[[], None], settled: Any) -> None:
    items: list[Any] = list(range(40))
    items[13] = end
    result = batchmill.map(deadly, items, **CONTINUE)
    _only_death(result, 13, ENDS[end])
    settled(result, items, items)


@pytest.mark.parametrize("size", [1, pytest.param(8, marks=pytest.mark.slow), 40])
def test_a_death_costs_the_one_item_whatever_travels_with_it(size: int, settled: Any) -> None:
    items: list[Any] = list(range(40))
    items[13] = sigkill
    result = batchmill.map(deadly, items, chunk_size=size, **CONTINUE)
    _only_death(result, 13, ENDS[sigkill])
    settled(result, items, items)


def test_sys_exit_is_the_items_error_and_no_death(settled: Any) -> None:
    items: list[Any] = [0, sys_exit, 2]
    result = batchmill.map(deadly, items, **CONTINUE)
    (error,) = result.errors
    assert (error["index"], error["kind"], error["type"]) == (1, "exception", "SystemExit")
    assert error["message"] == "3"
    settled(result, items, items)


@pytest.mark.slow
@some_ends
def test_a_death_while_unpickling_costs_the_one_item(end: Callable[[], None], settled: Any) -> None:
    items: list[Any] = list(range(12))
    items[5] = Trap(end, os.getpid())
    result = batchmill.map(first_of, items, chunk_size=4, **CONTINUE)
    _only_death(result, 5, ENDS[end])
    settled(result, items, items)


@pytest.mark.slow
@some_ends
def test_a_death_while_its_result_is_pickled_costs_the_one_item(
    end: Callable[[], None], settled: Any
) -> None:
    items: list[Any] = list(range(12))
    items[5] = end
    result = batchmill.map(lay_mine, items, chunk_size=4, **CONTINUE)
    _only_death(result, 5, ENDS[end])
    settled(result, items, items)


def lay_mine_slowly(item: Callable[[], None] | int) -> Any:
    time.sleep(0.0015)
    return lay_mine(item)


@pytest.mark.slow
def test_results_pickled_together_do_not_share_the_blame(settled: Any) -> None:
    """Two or three of these items are laid down at a time; the mine is not always the last of them."""
    items: list[Any] = list(range(60))
    for place in (7, 33):
        items[place] = sigkill
    result = batchmill.map(lay_mine_slowly, items, chunk_size=10, **CONTINUE)
    assert [(e["index"], e["kind"]) for e in result.errors] == [(place, "worker_died") for place in (7, 33)]
    settled(result, items, items)


@pytest.mark.slow
def test_a_worker_killed_while_idle_costs_nothing(settled: Any) -> None:
    assert batchmill.map(deadly, range(20), **CONTINUE) == list(range(20))
    for _ in range(2):
        for pid in pool.shared_pool().processes():
            os.kill(pid, signal.SIGKILL)
        assert batchmill.map(deadly, range(20), **CONTINUE) == list(range(20))
    settled()


@pytest.mark.slow
def test_a_worker_that_dies_idle_and_unnoticed_costs_nothing(settled: Any) -> None:
    for _ in range(2):
        batchmill.map(deadly, range(20), **CONTINUE)
        pids = pool.shared_pool().processes()
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        result = batchmill.map(deadly, range(40), **CONTINUE)
        assert (list(result), result.errors) == (list(range(40)), [])
    settled()


def test_a_hundred_items_with_one_killer(settled: Any) -> None:
    items: list[Any] = list(range(100))
    items[5] = sigkill
    result = batchmill.map(deadly, items, executor="process", max_concurrent=4, error_handling="continue")
    _only_death(result, 5, ENDS[sigkill])
    assert result.success_count == 99
    settled(result, items, items)


@pytest.mark.slow
def test_ten_killers_among_a_thousand(settled: Any) -> None:
    items: list[Any] = list(range(1000))
    killers = list(range(17, 1000, 100))
    for place in killers:
        items[place] = sigkill
    result = batchmill.map(deadly, items, **CONTINUE)
    assert [(e["index"], e["kind"], e["attempts"]) for e in result.errors] == [
        (place, "worker_died", 1) for place in killers
    ]
    settled(result, items, items)


def test_finished_items_of_the_chunk_are_not_run_again(tmp_path: Path, settled: Any) -> None:
    task = Logged(tmp_path / "log", killers={9, 25}, seconds=0.003)
    chosen = BatchSettings("process", 2, 8, failures=FailurePolicy(False))
    result = run_batch(task, range(40), chosen)
    assert [error["index"] for error in result.errors] == [9, 25]
    assert task.executions() == dict.fromkeys(range(40), 1)
    settled(result, range(40), [10 * item + 1 for item in range(40)])


@pytest.mark.slow
def test_a_death_counts_as_an_attempt(tmp_path: Path, settled: Any) -> None:
    task = Logged(tmp_path / "log", killers={3}, seconds=0.003, deaths=2)
    chosen = BatchSettings("process", 2, retry=RetryPolicy(3), failures=FailurePolicy(False))
    result = run_batch(task, range(10), chosen)
    assert result.errors == []
    assert result[3] == 33  # the third attempt
    assert task.executions()[3] == 3
    settled(result, range(10), [33 if item == 3 else 10 * item + 1 for item in range(10)])


class FlakyThenDeadly(contract.Task):
    """Item 0 fails twice, then succeeds; item 1 ends its worker every time. Attempts of item 1 are logged."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def run(self, item: int, index: int, attempt: Attempt) -> int:
        if item == 0 and attempt.number < 3:
            raise ValueError("not yet")
        if item == 1:
            with open(self.path, "a") as log:
                log.write(f"{attempt.number}\n")
            sigkill()
        return attempt.number


@pytest.mark.slow
def test_attempts_of_one_item_are_not_charged_to_the_next(tmp_path: Path, settled: Any) -> None:
    task = FlakyThenDeadly(tmp_path / "log")
    chosen = BatchSettings("process", 1, 3, retry=RetryPolicy(3), failures=FailurePolicy(False))
    result = run_batch(task, range(3), chosen)
    assert list(result) == [3, None, 1]
    assert Path(task.path).read_text().split() == ["1", "2", "3"]
    assert [(e["index"], e["attempts"]) for e in result.errors] == [(1, 3)]
    settled()


@pytest.mark.slow
def test_a_killer_dies_as_often_as_retries_allow(tmp_path: Path, settled: Any) -> None:
    task = Logged(tmp_path / "log", killers={3}, seconds=0.0)
    chosen = BatchSettings("process", 2, retry=RetryPolicy(3), failures=FailurePolicy(False))
    result = run_batch(task, range(10), chosen)
    assert [(e["index"], e["attempts"], e["kind"]) for e in result.errors] == [(3, 3, "worker_died")]
    assert task.executions()[3] == 3
    settled(result, range(10), [10 * item + 1 for item in range(10)])


def test_retries_of_a_death_keep_their_waits(tmp_path: Path) -> None:
    task = Logged(tmp_path / "log", killers={0}, seconds=0.0, deaths=1)
    chosen = BatchSettings("process", 1, retry=RetryPolicy(2, wait=0.3, jitter=False))
    began = time.monotonic()
    assert run_batch(task, range(1), chosen)[0] == 2
    assert time.monotonic() - began >= 0.3


@pytest.mark.slow
def test_fail_fast_with_a_death(settled: Any) -> None:
    items: list[Any] = list(range(200))
    items[20] = sigkill
    with pytest.raises(BatchFailed, match=r"item 20 .*SIGKILL") as caught:
        batchmill.map(deadly, items, executor="process", max_concurrent=2)
    result = caught.value.result
    kinds = collections.Counter(error["kind"] for error in result.errors)
    assert kinds["worker_died"] == result.error_count == 1
    settled(result, items, items)


@pytest.mark.slow
@pytest.mark.parametrize(("count", "fails"), [(3, False), (2, True)])
def test_tolerance_counts_deaths(count: int, fails: bool, settled: Any) -> None:
    items: list[Any] = list(range(60))
    for place in (10, 20, 30):
        items[place] = sigkill
    settings: Any = {**CONTINUE, "tolerate": {"count": count}}
    if fails:
        with pytest.raises(BatchFailed, match="3 items failed, more than the 2 tolerated") as caught:
            batchmill.map(deadly, items, **settings)
        result = caught.value.result
    else:
        result = batchmill.map(deadly, items, **settings)
    assert result.error_count == 3
    settled(result, items, items)


@pytest.mark.slow
def test_only_killers(settled: Any) -> None:
    items = [sigkill] * 6
    result = batchmill.map(deadly, items, **CONTINUE)
    assert [error["kind"] for error in result.errors] == ["worker_died"] * 6
    assert result.failure == "all 6 items failed"
    settled(result, items, items)


def leave_background_killer(item: int) -> int:
    """Ends its worker from a thread, perhaps while another item runs: whoever ran then is charged."""
    import threading

    if item == 4:
        threading.Timer(0.02, sigkill).start()
    time.sleep(0.005)
    return item


@pytest.mark.slow
def test_a_killer_in_the_background_costs_one_item_at_most(settled: Any) -> None:
    result = batchmill.map(leave_background_killer, range(40), **CONTINUE)
    assert len(result.errors) <= 1
    settled(result, range(40), range(40))


def grow(item: int) -> int:
    if item == 3:
        hoard = []
        while True:
            hoard.append(bytearray(8 << 20))
            time.sleep(0.005)
    return item


@pytest.mark.slow
def test_an_item_over_the_memory_limit_costs_the_one_item(settled: Any) -> None:
    limit = psutil.Process().memory_info().rss + (400 << 20)
    result = batchmill.map(grow, range(8), memory_limit=limit, **CONTINUE)
    _only_death(result, 3, "was over its memory limit")
    settled(result, range(8), range(8))


def hoard_and_return(item: int) -> int:
    global _hoard
    _hoard = bytearray(350 << 20)
    for place in range(0, len(_hoard), 4096):
        _hoard[place] = 1
    time.sleep(1.1)  # loky looks at its workers' memory once a second
    return item


def give_up_hoard(item: int) -> int:
    global _hoard
    _hoard = None
    return item


_hoard: bytearray | None = None


@pytest.mark.slow
def test_a_worker_that_grew_stays_the_worker_we_know(settled: Any) -> None:
    result = batchmill.map(hoard_and_return, range(4), executor="process", max_concurrent=1)
    assert result == list(range(4))
    assert set(pool.shared_pool().processes()) <= {child.pid for child in psutil.Process().children()}
    batchmill.map(give_up_hoard, range(4), executor="process", max_concurrent=4, chunk_size=1)
    settled()
