"""Retries, timeouts and what failures do to a batch, on every executor."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

import cloudpickle
import pytest

import batchmill
from batchmill.attempt import Attempt
from batchmill.batch import BatchSettings, run_batch
from batchmill.errors import BatchFailed, InvalidSetting, NodeError
from batchmill.executors import contract
from batchmill.executors.running.prepared import Prepared
from batchmill.policy import FailurePolicy, RetryPolicy

cloudpickle.register_pickle_by_value(sys.modules[__name__])


class Flaky(contract.Task):
    """An item ``(name, failures)`` fails that often before it succeeds; attempts are logged by time."""

    def __init__(self, folder: Path) -> None:
        self.folder = str(folder)

    def run(self, item: tuple[str, int], index: int, attempt: Attempt) -> int:
        name, failures = item
        path = os.path.join(self.folder, name)
        with open(path, "a") as log:
            log.write(f"{time.monotonic()} {attempt.number}\n")
        if attempt.number <= failures:
            raise ValueError(f"attempt {attempt.number} of {name}")
        return attempt.number

    def log(self, name: str) -> list[tuple[float, int]]:
        lines = Path(self.folder, name).read_text().split("\n")[:-1]
        return [(float(line.split()[0]), int(line.split()[1])) for line in lines]


class Recording(contract.Task):
    """Records twice per item and fails every fifth."""

    def run(self, item: int, index: int, attempt: Attempt) -> int:
        attempt.recorder.append(("begin", item))
        time.sleep(0.003 if item % 3 == 0 else 0)
        attempt.recorder.append(("end", item))
        if item % 5 == 4:
            raise ValueError(item)
        return item


class Logged(contract.Task):
    """Writes down each item as it starts; items whose number is ``bad`` or more, modulo 100, fail."""

    def __init__(self, path: Path, bad: int, seconds: float = 0.0) -> None:
        self.path = str(path)
        self.bad = bad
        self.seconds = seconds

    def run(self, item: int, index: int, attempt: Attempt) -> int:
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(descriptor, f"{item} {time.monotonic()}\n".encode())
        os.close(descriptor)
        time.sleep(self.seconds)
        if item % 100 >= self.bad:
            raise ValueError(item)
        return item

    def started(self) -> list[int]:
        return [int(line.split()[0]) for line in Path(self.path).read_text().splitlines()]


class Gauge(contract.Task):
    """Keeps a file per running item, and returns how many there were."""

    def __init__(self, folder: Path) -> None:
        self.folder = str(folder)

    def run(self, item: int, index: int, attempt: Attempt) -> int:
        path = os.path.join(self.folder, str(item))
        Path(path).touch()
        time.sleep(0.01)
        running = len(os.listdir(self.folder))
        os.unlink(path)
        return running


def sleepy(item: float) -> float:
    time.sleep(item)
    return item


def not_again(item: Any) -> Any:
    raise NodeError("gone", retryable=False)


def settings(executor: str, **fields: Any) -> BatchSettings:
    return BatchSettings(executor, **{"max_concurrent": 2, **fields})


CONTINUE = FailurePolicy(fail_fast=False)


def test_each_item_has_attempts_of_its_own(executor: str, tmp_path: Path) -> None:
    task = Flaky(tmp_path)
    items = [(f"i{number}", number % 4) for number in range(12)]
    chosen = settings(executor, retry=RetryPolicy(3), failures=CONTINUE)
    result = run_batch(task, items, chosen)
    assert list(result) == [None if number % 4 == 3 else number % 4 + 1 for number in range(12)]
    assert [(e["index"], e["attempts"], e["message"]) for e in result.errors] == [
        (number, 3, f"attempt 3 of i{number}") for number in (3, 7, 11)
    ]
    for name, failures in items:
        assert [number for _, number in task.log(name)] == list(range(1, min(3, failures + 1) + 1))


def test_the_wait_between_attempts_is_kept(executor: str, tmp_path: Path) -> None:
    task = Flaky(tmp_path)
    retry = RetryPolicy(3, wait=0.05, backoff=2.0, jitter=False)
    run_batch(task, [("one", 2)], settings(executor, retry=retry))
    times = [when for when, _ in task.log("one")]
    assert times[1] - times[0] >= 0.05
    assert times[2] - times[1] >= 0.1


def test_what_is_pointless_is_not_tried_again(executor: str) -> None:
    result = batchmill.map(not_again, [1], executor=executor, max_retries=5, error_handling="continue")
    assert [(e["attempts"], e["kind"]) for e in result.errors] == [(1, "error_result")]


class Loads(contract.Task):
    """Its items tell whether what they import was there before them."""

    loaded = False

    def load(self) -> None:
        self.loaded = True

    def run(self, item: int, index: int, attempt: Attempt) -> bool:
        return self.loaded


class LoadsOnALoop(Loads):
    awaits = True

    async def run_async(self, item: int, index: int, attempt: Attempt) -> bool:
        return self.loaded


@pytest.mark.parametrize("kind", [Loads, LoadsOnALoop])
def test_what_items_import_is_there_before_their_time_begins(executor: str, kind: type[Loads]) -> None:
    for task in (kind(), Prepared(kind(), int, ())):
        assert list(run_batch(task, range(4), settings(executor, timeout=60))) == [True] * 4


def test_an_overdue_item_times_out_and_the_others_do_not(executor: str, given_time: Any) -> None:
    def check(seconds: float) -> None:
        items = [0.0, 2 * seconds, 0.001, 0.0]
        result = batchmill.map(sleepy, items, executor=executor, timeout=seconds, error_handling="continue")
        assert list(result) == [0.0, None, 0.001, 0.0]
        (error,) = result.errors
        assert (error["index"], error["kind"], error["type"]) == (1, "timeout", "AttemptTimeout")
        assert error["attempts"] == 1
        assert f"{seconds:g} s" in error["message"]

    given_time(check)


@pytest.mark.slow
def test_a_result_that_comes_after_its_timeout_is_a_timeout(executor: str, given_time: Any) -> None:
    def check(seconds: float) -> None:
        items = [0.0, 2 * seconds]
        result = batchmill.map(sleepy, items, executor=executor, timeout=seconds, error_handling="continue")
        assert list(result) == [0.0, None]
        told = [(e["index"], e["kind"], e["type"]) for e in result.errors]
        assert told == [(1, "timeout", "AttemptTimeout")]

    given_time(check)


@pytest.mark.first_quick
def test_timeouts_count_as_attempts(executor: str, given_time: Any) -> None:
    def check(seconds: float) -> None:
        settings: Any = {"timeout": seconds, "max_retries": 2, "error_handling": "continue"}
        result = batchmill.map(sleepy, [0.0, 2 * seconds], executor=executor, **settings)
        assert [(e["index"], e["attempts"], e["kind"]) for e in result.errors] == [(1, 2, "timeout")]

    given_time(check)


def test_fail_fast_starts_nothing_new_and_counts_the_rest_as_cancelled(executor: str, tmp_path: Path) -> None:
    task = Logged(tmp_path / "log", bad=10, seconds=0.005)
    result = run_batch(task, range(90), settings(executor))
    assert result.failure is not None
    kinds = {error["index"]: error["kind"] for error in result.errors}
    failed = [index for index, kind in kinds.items() if kind == "exception"]
    assert failed
    assert result.error_count == len(failed) <= 2
    started = task.started()
    assert len(started) == len(set(started)) <= 10 + 4  # the one that failed and what ran beside it
    never = set(range(90)) - set(started)
    assert {index for index, kind in kinds.items() if kind == "cancelled"} == never
    assert all(error["attempts"] == 0 for error in result.errors if error["kind"] == "cancelled")
    assert result.success_count == len(started) - len(failed)


def test_fail_fast_raises_with_the_finished_part(executor: str) -> None:
    with pytest.raises(BatchFailed, match="item 1 ") as caught:
        batchmill.map(not_again_but_zero, range(30), executor=executor, max_concurrent=1)
    result = caught.value.result
    assert result[0] == 0
    assert result.count == 30
    assert result.error_count == 1


def not_again_but_zero(item: int) -> int:
    if item:
        raise ValueError("no")
    return item


def test_continue_runs_everything(executor: str, tmp_path: Path) -> None:
    task = Logged(tmp_path / "log", bad=50)
    result = run_batch(task, range(100), settings(executor, failures=CONTINUE))
    assert sorted(task.started()) == list(range(100))
    assert result.error_count == 50
    assert result.failure is None


def test_no_success_at_all_fails_the_batch(executor: str, tmp_path: Path) -> None:
    result = run_batch(Logged(tmp_path / "log", bad=0), range(5), settings(executor, failures=CONTINUE))
    assert result.failure == "all 5 items failed"


@pytest.mark.parametrize(
    ("tolerate", "fails"),
    [({"count": 10}, False), ({"count": 9}, True), ({"percent": 10}, False), ({"percent": 9.9}, True)],
)
def test_tolerance_by_count_and_percent(executor: str, tolerate: dict[str, float], fails: bool) -> None:
    def call() -> Any:
        return batchmill.map(
            every_tenth_fails, range(100), executor=executor, error_handling="continue", tolerate=tolerate
        )

    if not fails:
        assert call().error_count == 10
        return
    with pytest.raises(BatchFailed, match="tolerated") as caught:
        call()
    result = caught.value.result
    assert result.count == 100
    assert result.error_count <= 10 + 2


def every_tenth_fails(item: int) -> int:
    if item % 10 == 9:
        raise ValueError(item)
    return item


def test_tolerance_applies_to_streams(executor: str) -> None:
    stream = batchmill.imap(
        every_tenth_fails,
        iter(range(50)),
        executor=executor,
        error_handling="continue",
        tolerate={"percent": 5},
    )
    with pytest.raises(BatchFailed, match="more than the 5 % tolerated"):
        list(stream)


def test_records_come_back_in_item_order(executor: str) -> None:
    result = run_batch(Recording(), range(60), settings(executor, failures=CONTINUE))
    expected = [(word, item) for item in range(60) for word in ("begin", "end")]
    assert list(result.records) == expected


def test_no_more_items_run_at_once_than_allowed(executor: str, tmp_path: Path) -> None:
    result = run_batch(Gauge(tmp_path), range(30), settings(executor, max_concurrent=3))
    most = max(result.succeeded)
    assert most <= (1 if executor == "sequential" else 3)
    if executor != "sequential":
        assert most > 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_concurrent": 0},
        {"max_concurrent": 1001},
        {"max_concurrent": True},
        {"max_concurrent": 2.5},
        {"chunk_size": 0},
        {"max_retries": 0},
        {"max_retries": 11},
        {"timeout": 0},
        {"timeout": -1},
        {"timeout": float("nan")},
        {"timeout": float("inf")},
        {"retry_wait": -1},
        {"retry_wait": float("nan")},
        {"retry_backoff": 0.5},
        {"error_handling": "ignore"},
        {"tolerate": {"counts": 1}},
        {"tolerate": {"percent": 101}},
        {"executor": "proces"},
        {"memory_limit": 0},
    ],
)
def test_settings_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidSetting):
        batchmill.map(sleepy, [0.0], **wrong)
