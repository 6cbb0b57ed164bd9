"""Items that never end, under a timeout: killed in a process, abandoned on a thread."""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cloudpickle
import psutil
import pytest

import batchmill
from batchmill.errors import BatchFailed
from batchmill.executors import contract

cloudpickle.register_pickle_by_value(sys.modules[__name__])

CONTINUE: Any = {"executor": "process", "max_concurrent": 2, "error_handling": "continue"}


def spin() -> None:
    while True:
        pass


def sleep() -> None:
    time.sleep(60)


def hold_the_gil() -> None:
    getattr(ctypes, "PyDLL", ctypes.CDLL)(None).sleep(60)  # PyPy has no way to hold it


def backtrack() -> None:
    re.match(r"(a+)+$", "a" * 64 + "b")


def ignore_sigterm() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        time.sleep(60)


def swallow_everything() -> None:
    while True:
        with contextlib.suppress(BaseException):
            time.sleep(60)


def wait_for_ever() -> None:
    threading.Event().wait()


HANGS = [spin, sleep, hold_the_gil, ignore_sigterm]
MORE_HANGS = [
    pytest.param(hang, marks=pytest.mark.slow) for hang in (backtrack, swallow_everything, wait_for_ever)
]
every_hang = pytest.mark.parametrize("hang", HANGS + MORE_HANGS, ids=lambda hang: hang.__name__)


def hanging(item: Callable[[], None] | int) -> int:
    if callable(item):
        item()
    return item if isinstance(item, int) else -1


def slow_to_settle(item: float) -> float:
    """Hangs for a while in a way that a test can outlast."""
    time.sleep(item)
    return item


class HangsUnpickling:
    def __init__(self, parent: int) -> None:
        self.parent = parent

    def __setstate__(self, state: dict[str, Any]) -> None:
        if os.getpid() != state["parent"]:
            time.sleep(60)


class HangsUnpicklingAgain:
    """In each worker but the first that gets it."""

    def __init__(self, parent: int, mark: Path) -> None:
        self.parent, self.mark = parent, mark

    def __setstate__(self, state: dict[str, Any]) -> None:
        if os.getpid() != state["parent"]:
            try:
                state["mark"].touch(exist_ok=False)
            except FileExistsError:
                time.sleep(60)


class HangsPickling:
    def __reduce__(self) -> Any:
        time.sleep(60)
        return str, ()


def innocent(item: Any) -> Any:
    return item if isinstance(item, int) else -1


def hang_on_the_way_back(item: int) -> Any:
    return HangsPickling() if item == 3 else item


def start_a_child_and_hang(item: tuple[int, str]) -> int:
    number, path = item
    if number == 2:
        import subprocess

        child = subprocess.Popen(["sleep", "60"])
        Path(path).write_text(str(child.pid))
        spin()
    return number


def _one_timeout(result: batchmill.BatchResult[Any], index: int, attempts: int = 1) -> None:
    (error,) = result.errors
    assert [error[key] for key in ("index", "kind", "type", "attempts")] == [
        index,
        "timeout",
        "AttemptTimeout",
        attempts,
    ]


@every_hang
@pytest.mark.first_quick
def test_a_hung_item_is_killed_and_the_others_finish(
    hang: Callable[[], None], settled: Any, given_time: Any
) -> None:
    items: list[Any] = list(range(30))
    items[7] = hang

    def check(seconds: float) -> None:
        result = batchmill.map(hanging, items, timeout=seconds, **CONTINUE)
        _one_timeout(result, 7)
        words = rf"no result within {seconds:g} s; worker process \d+ was killed"
        assert re.search(words, result.errors[0]["message"])
        settled(result, items, items)

    given_time(check)


@pytest.mark.slow
def test_several_hung_items_at_once(settled: Any, given_time: Any) -> None:
    items: list[Any] = [sleep if number % 10 == 3 else number for number in range(40)]

    def check(seconds: float) -> None:
        result = batchmill.map(hanging, items, timeout=seconds, **{**CONTINUE, "max_concurrent": 4})
        assert [(e["index"], e["kind"]) for e in result.errors] == [(n, "timeout") for n in (3, 13, 23, 33)]
        settled(result, items, items)

    given_time(check)


def test_a_hung_thread_is_abandoned_and_the_end_does_not_wait_for_it(settled: Any, given_time: Any) -> None:
    over = threading.Event()

    def hangs(item: int) -> int:
        if item == 7:
            over.wait(60)  # until the batch has ended, which it does before
        return item

    items = list(range(30))

    def check(seconds: float) -> None:
        over.clear()
        result = batchmill.map(hangs, items, timeout=seconds, **{**CONTINUE, "executor": "thread"})
        over.set()
        _one_timeout(result, 7)
        assert "its thread was abandoned" in result.errors[0]["message"]
        settled(result, items, items, "thread")

    given_time(check)


def test_every_thread_of_a_batch_may_hang(settled: Any, given_time: Any) -> None:
    over = threading.Event()

    def hangs(item: int) -> int:
        if item < 3:
            over.wait(60)
        return item

    def check(seconds: float) -> None:
        over.clear()
        result = batchmill.map(hangs, range(6), timeout=seconds, **{**CONTINUE, "executor": "thread"})
        over.set()
        assert [(e["index"], e["kind"]) for e in result.errors] == [(n, "timeout") for n in (0, 1, 2)]
        settled(result, range(6), range(6), "thread")

    given_time(check)


class FailsLate(contract.Task):
    """Counts attempts; each hangs past its timeout and then fails."""

    share = True

    def __init__(self) -> None:
        self.attempts: list[int] = []
        self.threads: list[threading.Thread] = []
        self.late = threading.Event()

    def run(self, item: int, index: int, attempt: Any) -> None:
        self.attempts.append(attempt.number)
        self.threads.append(threading.current_thread())
        self.late.wait(60)
        raise ValueError("late")


def test_an_abandoned_thread_does_not_try_again(soon: Any) -> None:
    from batchmill.batch import BatchSettings, run_batch
    from batchmill.policy import FailurePolicy, RetryPolicy

    task = FailsLate()
    chosen = BatchSettings("thread", 1, timeout=0.1, retry=RetryPolicy(2), failures=FailurePolicy(False))
    result = run_batch(task, [1], chosen)
    assert [(e["attempts"], e["kind"]) for e in result.errors] == [(2, "timeout")]
    task.late.set()
    assert soon(lambda: not any(thread.is_alive() for thread in task.threads))
    assert task.attempts == [1, 2]


@pytest.mark.slow
@pytest.mark.parametrize("retries", [1, 2])
def test_a_hang_while_unpickling(retries: int, settled: Any, given_time: Any) -> None:
    items: list[Any] = list(range(10))
    items[4] = HangsUnpickling(os.getpid())

    def check(seconds: float) -> None:
        settings = {**CONTINUE, "chunk_size": 5, "max_retries": retries, "timeout": seconds}
        result = batchmill.map(innocent, items, **settings)
        _one_timeout(result, 4, retries)
        settled(result, items, items)

    given_time(check)


@pytest.mark.slow
def test_a_worker_that_hangs_with_items_that_others_have_run_ends_with_the_batch(
    tmp_path: Path, settled: Any
) -> None:
    batchmill.shutdown()  # so the second worker still starts when the first one takes its items
    items: list[Any] = [HangsUnpicklingAgain(os.getpid(), tmp_path / str(number)) for number in range(10)]
    result = batchmill.map(innocent, items, **{**CONTINUE, "chunk_size": 5})
    settled(result, items, [-1] * 10)


@pytest.mark.slow
def test_a_hang_while_its_result_is_pickled(settled: Any, given_time: Any) -> None:
    def check(seconds: float) -> None:
        result = batchmill.map(hang_on_the_way_back, range(10), chunk_size=5, timeout=seconds, **CONTINUE)
        _one_timeout(result, 3)
        settled(result, range(10), range(10))

    given_time(check)


@pytest.mark.slow
def test_what_a_hung_item_started_dies_with_its_worker(
    tmp_path: Path, settled: Any, soon: Any, given_time: Any
) -> None:
    def check(seconds: float) -> None:
        path = tmp_path / str(seconds)
        items = [(number, str(path)) for number in range(6)]
        result = batchmill.map(start_a_child_and_hang, items, timeout=seconds, **CONTINUE)
        _one_timeout(result, 2)
        assert path.exists()
        assert soon(lambda: not psutil.pid_exists(int(path.read_text())))
        settled(result, items, range(6))

    given_time(check)


@pytest.mark.slow
@pytest.mark.parametrize("executor", ["thread", "process"])
def test_fail_fast_with_a_hung_item_does_not_wait_for_others(
    executor: str, settled: Any, given_time: Any
) -> None:
    def check(seconds: float) -> None:
        items = [0.0, 0.0, 6 * seconds, 0.0] + [0.01] * 300
        with pytest.raises(BatchFailed) as caught:
            batchmill.map(slow_to_settle, items, executor=executor, max_concurrent=2, timeout=seconds)
        assert re.search(r"item 2 .*AttemptTimeout", str(caught.value))
        result = caught.value.result
        assert result.error_count == 1
        settled(result, items, items, executor)

    given_time(check)
