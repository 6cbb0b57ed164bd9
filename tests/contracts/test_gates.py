"""Limits on every executor: attempts are counted, whoever makes them and however they end."""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
import threading
import time
from dataclasses import replace
from typing import Any

import cloudpickle
import pytest

from batchmill.attempt import Attempt
from batchmill.batch import BatchSettings, run_batch
from batchmill.batch.admissions.gates import Gates
from batchmill.batch.admissions.rate_gate import Gate
from batchmill.concurrency.cancel import CancelToken
from batchmill.concurrency.semaphore import FairSemaphore
from batchmill.errors import NodeError
from batchmill.executors import contract
from batchmill.policy import FailurePolicy, RetryPolicy
from batchmill.policy.budget import BudgetLimits
from batchmill.policy.limits import Limits
from batchmill.record import LLMCall

cloudpickle.register_pickle_by_value(sys.modules[__name__])

TOLERANCE = 2  # starts: a worker process takes a moment from leave to start, and never always the same
CONTINUE = FailurePolicy(fail_fast=False)


class Logged(contract.Task):
    """Writes down when each attempt starts and ends; ``fails`` is how many attempts at an item fail."""

    def __init__(self, path: Any, fails: int = 0, seconds: float = 0.0) -> None:
        self.path, self.fails, self.seconds = str(path), fails, seconds

    def run(self, item: int, index: int, attempt: Attempt) -> int:
        self.write("+", item)
        time.sleep(self.seconds)
        return self.end(item, attempt)

    def end(self, item: int, attempt: Attempt) -> int:
        self.write("-", item)
        attempt.recorder.append(LLMCall("m", input_tokens=10, output_tokens=item))
        if attempt.number <= self.fails:
            raise ValueError(f"attempt {attempt.number}")
        return item

    def write(self, mark: str, item: int) -> None:
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(descriptor, f"{mark} {time.monotonic()} {item}\n".encode())
        os.close(descriptor)

    def log(self) -> list[tuple[str, float, int]]:
        with open(self.path) as lines:
            return [(mark, float(at), int(item)) for mark, at, item in map(str.split, lines)]

    def starts(self) -> list[float]:
        return sorted(at for mark, at, _ in self.log() if mark == "+")


class LoggedAwaiting(Logged):
    """The same as coroutines."""

    awaits = True

    async def run_async(self, item: int, index: int, attempt: Attempt) -> int:
        self.write("+", item)
        await asyncio.sleep(self.seconds)
        return self.end(item, attempt)


class Refusing(contract.Task):
    """The first attempt at item 0 is sent away for a while; all write down when they start."""

    def __init__(self, path: Any) -> None:
        self.log = Logged(path)

    def run(self, item: int, index: int, attempt: Attempt) -> int:
        self.log.write("+", item)
        if item == 0 and attempt.number == 1:
            raise NodeError("too many", retry_after=0.6, outputs={"status_code": 429})
        time.sleep(0.01)
        return item


class Dying(contract.Task):
    """Ends its worker process at the first attempt of every third item."""

    def __init__(self, path: Any) -> None:
        self.log = Logged(path)

    def run(self, item: int, index: int, attempt: Attempt) -> int:
        self.log.write("+", item)
        if item % 3 == 0 and attempt.number == 1:
            os._exit(9)
        return item


ON_CLUSTER = pytest.mark.on_cluster
KINDS = [
    ("sequential", Logged),
    ("thread", Logged),
    ("thread", LoggedAwaiting),
    ("process", Logged),
    pytest.param("dask", Logged, marks=ON_CLUSTER),
]


def settings(executor, gate, **more):
    workers = None if executor == "sequential" else 4
    return BatchSettings(executor=executor, max_concurrent=workers, gate=gate, **more)


def gated(limits=None, budget=None, gates=None, **more):
    gates = gates or Gates()
    budgets = [(gates.budget("the run", budget), True)] if budget is not None else []
    return Gate(gates, gates.lane("api", limits or Limits()), budgets, **more)


def most_within(starts, seconds):
    return max(sum(began <= at < began + seconds for at in starts) for began in starts)


@pytest.mark.parametrize(
    ("executor", "kind"),
    [
        pytest.param(*KINDS[0], marks=pytest.mark.slow),
        *KINDS[1:3],
        pytest.param(*KINDS[3], marks=pytest.mark.slow),
    ],
)
def test_no_half_second_sees_more_attempts_than_allowed_retries_included(executor, kind, tmp_path):
    task = kind(tmp_path / "log", fails=1)
    given = settings(executor, gated(Limits(per_second=40)), retry=RetryPolicy(2), failures=CONTINUE)
    done = run_batch(task, range(18), given)
    assert list(done) == list(range(18))
    starts = task.starts()
    assert len(starts) == 36
    assert most_within(starts, 0.5) <= 20 + 1 + TOLERANCE
    assert starts[-1] - starts[0] >= (36 - 2 - TOLERANCE) / 40


@pytest.mark.parametrize(("executor", "kind"), KINDS)
def test_records_and_attempts_of_all_attempts_are_kept(executor, kind, tmp_path):
    task = kind(tmp_path / "log", fails=2)
    given = settings(executor, gated(Limits(per_second=500)), retry=RetryPolicy(3), failures=CONTINUE)
    done = run_batch(task, [3, 4], given)
    assert [done.errors, list(done)] == [[], [3, 4]]
    assert [(index, call.output_tokens) for index, call in done.recorded] == [(0, 3)] * 3 + [(1, 4)] * 3
    failing = run_batch(task, [3], replace(given, retry=RetryPolicy(2)))
    assert [(error["attempts"], error["message"]) for error in failing.errors] == [(2, "attempt 2")]
    assert len(failing.records) == 2


@pytest.mark.parametrize(("executor", "kind"), KINDS)
@pytest.mark.first_quick
def test_no_more_than_allowed_run_at_once_over_all_batches_of_a_key(executor, kind, tmp_path):
    gates, task = Gates(), kind(tmp_path / "log", seconds=0.01)
    given = settings(executor, gated(Limits(max_concurrent=2), gates=gates))
    threads = [threading.Thread(target=run_batch, args=(task, range(12), given)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    running = most = 0
    for mark, _, _ in sorted(task.log(), key=lambda line: line[1]):
        running += 1 if mark == "+" else -1
        most = max(most, running)
    assert most <= 2
    assert len(task.starts()) == 36


@pytest.mark.slow
@pytest.mark.parametrize(
    "executor", ["sequential", "thread", "process", pytest.param("dask", marks=ON_CLUSTER)]
)
def test_one_answer_that_asks_to_come_again_later_holds_up_everybody(executor, tmp_path):
    task = Refusing(tmp_path / "log")
    given = settings(executor, gated(Limits(max_concurrent=4)), retry=RetryPolicy(2))
    done = run_batch(task, range(40), given)
    assert list(done) == list(range(40))
    starts = task.log.starts()
    gaps = [later - earlier for earlier, later in itertools.pairwise(starts)]
    assert max(gaps) >= 0.5


@pytest.mark.slow
def test_waiting_to_try_again_holds_no_worker(parallel, tmp_path):
    task = Logged(tmp_path / "log", fails=1)
    given = settings(parallel, gated(Limits(per_second=1000)), retry=RetryPolicy(2, wait=30, jitter=False))
    stop = CancelToken()
    begun = threading.Thread(target=run_batch, args=(task, range(50), given), kwargs={"stop": stop})
    begun.start()
    end = time.monotonic() + 20
    while not os.path.exists(task.path) or len(task.starts()) < 50:
        assert time.monotonic() < end, "items wait behind others that are only waiting to be tried again"
        time.sleep(0.01)
    stop.cancel()
    begun.join(10)
    assert not begun.is_alive()


@pytest.mark.parametrize(("executor", "kind"), KINDS)
@pytest.mark.first_quick
def test_stopping_ends_the_wait_and_cancels_what_never_started(executor, kind, tmp_path):
    stop = CancelToken()
    task = kind(tmp_path / "log")
    run_batch(task, [0], settings(executor, None))  # workers are there before the clock runs
    timer = threading.Timer(0.3, stop.cancel)
    timer.start()
    done = run_batch(task, range(10), settings(executor, gated(Limits(per_second=0.01))), stop=stop)
    timer.join()
    assert done.success_count == 1
    assert [outcome.error.kind for outcome in done.failed.values()] == ["cancelled"] * 9


@pytest.mark.parametrize(("executor", "kind"), KINDS)
def test_a_budget_starts_exactly_what_it_pays_for(executor, kind, tmp_path):
    task = kind(tmp_path / "log", fails=1, seconds=0.002)
    given = settings(
        executor, gated(budget=BudgetLimits(requests=7)), retry=RetryPolicy(2), failures=CONTINUE
    )
    done = run_batch(task, range(30), given)
    assert len(task.starts()) == 7
    assert done.success_count + len(done.failed) == 30


@pytest.mark.slow
def test_an_attempt_that_dies_with_its_worker_counts_and_is_made_again(isolating, tmp_path):
    task = Dying(tmp_path / "log")
    given = settings(isolating, gated(Limits(per_second=60)), retry=RetryPolicy(2), failures=CONTINUE)
    done = run_batch(task, range(9), given)
    assert list(done) == list(range(9))
    assert most_within(task.log.starts(), 0.5) <= 30 + 1 + TOLERANCE


def test_a_failure_that_ends_the_batch_is_not_one_that_is_tried_again(executor, tmp_path):
    task = Logged(tmp_path / "log", fails=1)
    given = settings(executor, gated(Limits(per_second=1000)), retry=RetryPolicy(2))
    assert list(run_batch(task, range(20), given)) == list(range(20))


@pytest.mark.slow
@pytest.mark.parametrize(("executor", "kind"), KINDS)
def test_batches_that_share_a_key_and_workers_start_no_more_than_the_limit_allows(executor, kind, tmp_path):
    """All workers are taken for a while, long enough for the limit to allow ten starts. When they come free
    no more than one of those begins at once."""
    gates, permits, slots = Gates(), FairSemaphore(4), FairSemaphore(4)
    task = kind(tmp_path / "log")
    given = settings(executor, gated(Limits(per_second=20), gates=gates), permits=permits, slots=slots)
    held = [permits.acquire(lambda: False) for _ in range(4)]
    batches = [threading.Thread(target=run_batch, args=(task, range(3), given)) for _ in range(5)]
    for batch in batches:
        batch.start()
    time.sleep(0.5)
    for permit in held:
        permits.release(permit)
    for batch in batches:
        batch.join()
    starts = task.starts()
    assert len(starts) == 15
    assert most_within(starts, 0.2) <= 4 + 1 + TOLERANCE
