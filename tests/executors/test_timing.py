"""When items ran, and on which worker: what every executor tells of them."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

import cloudpickle
import pytest

from batchmill.attempt import Attempt
from batchmill.batch import Batch, BatchSettings
from batchmill.executors import contract
from batchmill.executors.running.runner import MOST_DRIFT
from batchmill.executors.worker_numbers import WorkerNumbers
from batchmill.outcome import Outcome, Tried
from batchmill.policy import FailurePolicy, RetryPolicy

cloudpickle.register_pickle_by_value(sys.modules[__name__])

EXECUTORS = ["sequential", "thread", "process", "auto", "async"]
SLACK = 2e-6  # seconds: of a wall time that travelled in four bytes


class Stamps(contract.Task):
    """Gives the seconds at which each item began and ended as it sees them itself; some items fail at first.

    ``slow`` is an item that sleeps for ever, ``kills`` one that ends its process, each at its first
    attempt."""

    share = True

    def __init__(
        self, seconds: float, fails: Iterable[int] = (), slow: int | None = None, kills: int | None = None
    ) -> None:
        self.seconds = seconds
        self.fails = frozenset(fails)
        self.slow = slow
        self.kills = kills

    def run(self, item: int, index: int, attempt: Attempt) -> tuple[float, float]:
        began = time.perf_counter()
        if item == self.slow and attempt.number == 1:
            attempt.cancel.wait(30)
        if item == self.kills and attempt.number == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(self.seconds)
        if item in self.fails and attempt.number < 3:
            raise ValueError(f"not {item} yet")
        return began, time.perf_counter()


class StampsOnALoop(Stamps):
    awaits = True

    async def run_async(self, item: int, index: int, attempt: Attempt) -> tuple[float, float]:
        began = time.perf_counter()
        await asyncio.sleep(self.seconds)
        if item in self.fails and attempt.number < 3:
            raise ValueError(f"not {item} yet")
        return began, time.perf_counter()


def outcomes(executor: str, n: int, workers: int | None, *given: Any, **settings: Any) -> list[Outcome]:
    kind = StampsOnALoop if executor == "async" else Stamps
    chosen = BatchSettings("thread" if executor == "async" else executor, workers, **settings)
    batch = Batch(kind(*given), range(n), chosen, ordered=True)
    return [outcome for block in batch.blocks() for outcome in block.outcomes()]


def tried(outcome: Outcome) -> list[Tried]:
    made = list(outcome.as_tried())
    return [one._replace(worker=outcome.worker) if one.worker is None else one for one in made]


def check(made: list[Outcome], workers: int) -> None:
    """Every begin is known, and no worker did two things at once."""
    by_worker: dict[int, list[Tried]] = {}
    for outcome in made:
        assert len(tried(outcome)) == outcome.attempts
        for one in tried(outcome):
            assert one.worker is not None
            by_worker.setdefault(one.worker, []).append(one)
    assert set(by_worker) <= set(range(workers))
    for attempts in by_worker.values():
        attempts.sort()
        for before, after in pairwise(attempts):
            assert before.began + before.wall <= after.began + SLACK


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("seconds", [0.0, 0.003])
def test_every_item_has_its_begin_and_its_worker(executor: str, seconds: float) -> None:
    before = time.perf_counter()
    made = outcomes(executor, 300, 3 if executor != "auto" else None, seconds)
    after = time.perf_counter()
    check(made, {"sequential": 1, "auto": 1000}.get(executor, 3))
    for outcome in made:
        began, ended = outcome.value
        assert outcome.began is not None
        assert before <= outcome.began <= began + SLACK
        assert ended <= outcome.began + outcome.wall + MOST_DRIFT + SLACK
        assert outcome.began + outcome.wall <= after + SLACK
        assert outcome.wall >= ended - began - SLACK


@pytest.mark.parametrize("executor", EXECUTORS)
def test_every_attempt_of_an_item_that_needed_more_is_told(executor: str) -> None:
    retry = RetryPolicy(3, wait=0.01, jitter=False)
    made = outcomes(executor, 9, None if executor == "auto" else 2, 0.002, [2, 5], retry=retry)
    check(made, 1000)
    for outcome in made:
        assert outcome.ok
        if outcome.index not in (2, 5):
            assert (outcome.attempts, outcome.tried) == (1, ())
            continue
        first, second, last = outcome.tried
        assert [one.error for one in outcome.tried] == ["ValueError", "ValueError", ""]
        assert (first.message, first.kind) == (f"not {outcome.index} yet", "exception")
        assert second.began - (first.began + first.wall) >= 0.009
        assert min(one.wall for one in outcome.tried) >= 0.002
        assert outcome.began == pytest.approx(first.began, abs=0.001)
        assert last.began + last.wall <= outcome.began + outcome.wall + 0.001


@pytest.mark.parametrize("executor", ["sequential", "thread", "process"])
@pytest.mark.first_quick
@pytest.mark.parametrize("tries", [1, 2])
def test_an_attempt_that_was_given_up_is_told_too(executor: str, tries: int, given_time: Any) -> None:
    def given_up(seconds: float) -> None:
        policies: Any = {"retry": RetryPolicy(tries, wait=0.0), "failures": FailurePolicy(fail_fast=False)}
        made = outcomes(executor, 4, 2, 0.0, (), 1, timeout=seconds, **policies)
        check(made, 2)
        slow = made[1]
        lost = tried(slow)[0]
        assert (lost.error, lost.kind) == ("AttemptTimeout", "timeout")
        assert lost.wall >= seconds
        assert slow.ok == (tries == 2)

    given_time(given_up)


@pytest.mark.parametrize("seconds", [0.0, 0.05])  # in the midst of a chunk, and alone in its own
def test_so_is_one_that_died_with_its_worker(seconds: float) -> None:
    made = outcomes("process", 4, 1, seconds, (), None, 2, retry=RetryPolicy(2, wait=0.0), chunk_size=4)
    assert [outcome.ok for outcome in made] == [True] * 4
    check(made, 1)
    lost, last = made[2].tried
    assert (lost.kind, lost.worker, last.error) == ("worker_died", 0, "")
    assert last.began >= lost.began + lost.wall


def test_a_number_is_given_to_one_worker_at_a_time() -> None:
    numbers = WorkerNumbers()
    assert [numbers.acquire() for _ in range(3)] == [0, 1, 2]
    numbers.release(1)
    numbers.release(0)
    assert [numbers.acquire() for _ in range(3)] == [0, 1, 3]


class EndsSlowly(Stamps):
    """Asks for time to end what it started, at its first attempt, and then never returns. Writes into the
    ``path`` when it began."""

    def __init__(self, path: str) -> None:
        super().__init__(0.0)
        self.path = path

    def run(self, item: int, index: int, attempt: Attempt) -> tuple[float, float]:
        if attempt.number == 1:
            with open(self.path, "w", encoding="ascii") as file:
                file.write(repr(time.perf_counter()))
            attempt.ending(0.4)
            attempt.cancel.wait(60)
        return super().run(item, index, attempt)


@pytest.mark.parametrize("executor", ["thread", "process"])
def test_an_attempt_that_was_given_time_to_end_began_when_it_did(executor: str, tmp_path: Path) -> None:
    chosen = BatchSettings(executor, 1, timeout=0.2, retry=RetryPolicy(2, wait=0.0))
    batch = Batch(EndsSlowly(str(tmp_path / "began")), range(1), chosen, ordered=True)
    ((lost, last),) = [one.tried for block in batch.blocks() for one in block.outcomes()]
    assert lost.kind == "timeout"
    assert lost.began <= float((tmp_path / "began").read_text()) + SLACK
    assert lost.wall >= 0.4
    assert last.began >= lost.began + lost.wall - SLACK
