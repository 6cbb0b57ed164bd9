"""What becomes of a chunk whose worker is gone: deaths replayed, without a worker."""

from __future__ import annotations

import time
from typing import Any

import pytest

from batchmill.block import Block
from batchmill.executors import contract
from batchmill.executors.contract import Chunk
from batchmill.executors.dispatch.link import CANCELLED, TIMED_OUT, TOO_LARGE, Death
from batchmill.executors.dispatch.losses import AfterDeath, after_death
from batchmill.executors.running.attempts import Job
from batchmill.outcome import ErrorInfo
from batchmill.policy import RetryPolicy

KILLED = "was killed by signal 9 (SIGKILL)"


def died(done: int, suspects: range, **more: Any) -> Death:
    """A worker that had finished the first ``done`` items."""
    more.setdefault("attempt", 1)
    return Death("worker process 7", KILLED, finished=Block(0, [None] * done), suspects=suspects, **more)


def after(death: Death, *, of: int = 6, attempts: int = 1, timeout: float | None = None) -> AfterDeath:
    """What becomes of the rest of a chunk of so many items."""
    assert death.finished is not None
    done = len(death.finished)
    job = Job(contract.Task(), RetryPolicy(attempts), timeout)
    return after_death(job, Chunk(100, list(range(of))).part(done), done, death, worker=3)


def spans(then: AfterDeath) -> list[tuple[int, int]]:
    return sorted((chunk.start, len(chunk)) for chunk in then.again)


def test_the_item_that_was_run_is_charged_and_those_around_it_go_on() -> None:
    then = after(died(2, range(3, 4)))
    assert spans(then) == [(102, 1), (104, 2)]
    assert then.ended is not None
    assert (then.ended.index, then.ended.attempts, then.ended.worker) == (103, 1, 3)
    assert then.ended.error == ErrorInfo("WorkerDied", f"worker process 7 {KILLED}", "worker_died")


def test_it_is_tried_again_where_attempts_are_left_and_says_why() -> None:
    then = after(died(0, range(1), attempt=2), attempts=3)
    assert (spans(then), then.ended) == ([(100, 1), (101, 5)], None)
    (again,) = (chunk for chunk in then.again if chunk.start == 100)
    assert again.attempts == 2
    assert again.lost is not None
    assert again.lost.kind == "worker_died"


def test_a_lost_attempt_that_was_the_last_one_is_told_with_all_before_it() -> None:
    first = after(died(0, range(1), began=time.perf_counter() - 2.0), of=1, attempts=2)
    (again,) = first.again
    job = Job(contract.Task(), RetryPolicy(2))
    second = after_death(job, again, 0, died(0, range(1), attempt=2, began=time.perf_counter()), 3)
    assert second.ended is not None
    assert [round(one.wall) for one in second.ended.tried] == [2, 0]
    assert (second.ended.attempts, second.again) == (2, [])


@pytest.mark.parametrize("suspects", [range(2, 6), range(2, 4)], ids=["loading", "packing"])
def test_of_several_suspects_none_is_charged(suspects: range) -> None:
    """They are run one by one, so that the next death names its item; what is behind them keeps together."""
    then = after(died(2, suspects))
    assert then.ended is None
    ones = [(100 + offset, 1) for offset in suspects]
    rest = [(100 + suspects.stop, 6 - suspects.stop)] if suspects.stop < 6 else []
    assert spans(then) == [*ones, *rest]


@pytest.mark.parametrize("suspects", [range(1, 2), range(-1, 0), range(0), range(9, 10)])
def test_who_had_begun_nothing_new_is_not_charged(suspects: range) -> None:
    """What it was on had been finished, or was taken back from it."""
    then = after(died(2, suspects))
    assert (spans(then), then.ended) == ([(102, 4)], None)


def test_a_worker_that_was_killed_for_its_item() -> None:
    late = after(died(1, range(1, 2), verdict=TIMED_OUT, age=3.0), timeout=2.5).ended
    assert late is not None
    assert late.error == ErrorInfo(
        "AttemptTimeout", "no result within 2.5 s; worker process 7 was killed", "timeout"
    )
    large = after(died(1, range(1, 2), verdict=TOO_LARGE)).ended
    assert large is not None
    assert large.error is not None
    assert large.error.message == "worker process 7 was over its memory limit"
    ended = after(died(1, range(1, 2), verdict=CANCELLED), attempts=5).ended
    assert ended is not None
    assert ended.error is not None
    assert ended.error.kind == "cancelled"


@pytest.mark.parametrize("age", [None, 0.1])
def test_an_item_that_had_just_begun_is_not_overdue(age: float | None) -> None:
    """The one that was had ended when its worker was killed."""
    then = after(died(1, range(1, 2), verdict=TIMED_OUT, age=age), timeout=2.5)
    assert (spans(then), then.ended) == ([(101, 5)], None)
