"""What a failed attempt costs and becomes: tracebacks for the last one only, cancellation named as such."""

from __future__ import annotations

import asyncio

import pytest

from batchmill.attempt import Attempt
from batchmill.batch import BatchSettings, run_batch
from batchmill.concurrency.cancel import CancelToken
from batchmill.errors import NodeError
from batchmill.executors import contract
from batchmill.executors.describe import describe, outline
from batchmill.executors.running import attempts
from batchmill.policy import FailurePolicy, RetryPolicy


class Flaky(contract.Task):
    """Fails before attempt ``good``."""

    share = True

    def __init__(self, good: int) -> None:
        self.good = good

    def run(self, item: int, index: int, attempt: Attempt) -> int:
        attempt.recorder.append(attempt.number)
        if attempt.number < self.good:
            raise ValueError(f"attempt {attempt.number}")
        return item


class AsyncFlaky(Flaky):
    awaits = True

    async def run_async(self, item: int, index: int, attempt: Attempt) -> int:
        return self.run(item, index, attempt)


class CancelsItsRun(contract.Task):
    """What a node does that heard the token: it gives up, and says so or fails of it."""

    share = True

    def __init__(self, token: CancelToken, error: Exception) -> None:
        self.token = token
        self.error = error

    def run(self, item: int, index: int, attempt: Attempt) -> int:
        attempt.recorder.append("begun")
        self.token.cancel()
        assert attempt.cancel.cancelled
        raise self.error


class AsyncCancelsItsRun(CancelsItsRun):
    awaits = True

    async def run_async(self, item: int, index: int, attempt: Attempt) -> int:
        return self.run(item, index, attempt)


def settings(executor="sequential", **more):
    return BatchSettings(executor=executor, failures=FailurePolicy(fail_fast=False), **more)


@pytest.mark.parametrize("task", [Flaky, AsyncFlaky])
def test_only_the_last_failure_gets_a_traceback(monkeypatch, task):
    traced, real = [], attempts.traced
    monkeypatch.setattr(
        attempts, "traced", lambda info, error: traced.append(str(error)) or real(info, error)
    )
    retry = RetryPolicy(max_attempts=3)
    assert run_batch(task(3), range(5), settings("thread", retry=retry)).success_count == 5
    assert traced == []
    done = run_batch(task(9), [0], settings("thread", retry=retry))
    assert traced == ["attempt 3"]
    assert done.failed[0].error.traceback.endswith("ValueError: attempt 3\n")
    assert done.records == (1, 2, 3)


def test_an_attempt_is_no_context_of_the_next():
    done = run_batch(Flaky(9), [0], settings(retry=RetryPolicy(max_attempts=3)))
    assert "attempt 1" not in done.failed[0].error.traceback
    assert done.failed[0].attempts == 3


def caught(raising):
    try:
        raising()
    except BaseException as error:
        return error
    raise AssertionError("nothing was raised")


def chained():
    try:
        raise KeyError("first")
    except KeyError as error:
        raise ValueError("second") from error


def grouped():
    raise ExceptionGroup("several", [caught(chained), TypeError("third")])


@pytest.mark.parametrize(
    ("raising", "words"),
    [
        (lambda: [][1], ["Traceback (most recent call last):", "IndexError: list index out of range"]),
        (chained, ["KeyError: 'first'", "direct cause", "ValueError: second", "in chained"]),
        (grouped, ["several", "KeyError: 'first'", "ValueError: second", "TypeError: third"]),
    ],
)
def test_a_traceback_says_what_pythons_own_does_without_carets(raising, words):
    text = describe(caught(raising)).traceback
    assert all(word in text for word in words)
    assert "^" not in text
    assert outline(caught(raising)).traceback == ""


def test_a_note_is_part_of_the_traceback():
    error = ValueError("x")
    error.add_note("look here")
    assert describe(error).traceback == "ValueError: x\nlook here\n"


@pytest.mark.parametrize("error", [NodeError("ended", type_name="Cancelled"), OSError("socket closed")])
@pytest.mark.parametrize("executor", ["sequential", "thread"])
@pytest.mark.parametrize("task", [CancelsItsRun, AsyncCancelsItsRun])
@pytest.mark.parametrize("attempts", [1, 3])
def test_what_fails_because_its_run_is_cancelled_is_cancelled(task, executor, error, attempts):
    token = CancelToken()
    retry = RetryPolicy(max_attempts=attempts)
    done = run_batch(
        task(token, error), [7, 8], settings(executor, max_concurrent=1, retry=retry), cancel=token
    )
    assert [(entry["kind"], entry["attempts"]) for entry in done.errors] == [
        ("cancelled", 1),
        ("cancelled", 0),
    ]
    assert (done.error_count, done.stopped) == (0, True)
    assert done.failure == "stopped before all items were done"


def test_what_is_cancelled_in_its_own_thread_keeps_its_records():
    token = CancelToken()
    done = run_batch(CancelsItsRun(token, OSError("closed")), [7], settings(), cancel=token)
    assert done.records == ("begun",)


def test_an_item_that_cancels_itself_failed():
    class Own(AsyncFlaky):
        async def run_async(self, item, index, attempt):
            raise asyncio.CancelledError

    done = run_batch(Own(1), [0], settings("thread"))
    assert [(entry["type"], entry["kind"]) for entry in done.errors] == [("CancelledError", "exception")]
