"""The attempts of an item, told what came of each, without anything being run or waited for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from batchmill.batch.separate_attempts import SeparateAttempts
from batchmill.concurrency.cancel import CancelToken
from batchmill.errors import InternalError
from batchmill.executors import contract
from batchmill.executors.contract import Chunk
from batchmill.executors.running.attempts import Attempts, Job, Wait, lost_attempt
from batchmill.outcome import NO_WAITS, ErrorInfo, Outcome, Refusals, Tried
from batchmill.policy import RetryDecision, RetryPolicy
from batchmill.record import Recorder

LOST = ErrorInfo("WorkerDied", "killed", "worker_died")


def attempts(times: int = 1, chunk: Chunk | None = None, **more: Any) -> Attempts:
    """Those of item 5."""
    cancel = more.pop("cancel", None) or CancelToken()
    job = Job(contract.Task(), RetryPolicy(times, wait=2.0, jitter=False), **more)
    return Attempts(job, 5, Recorder(), cancel, 0.0, chunk)


def ended(then: Wait | Outcome) -> Outcome:
    assert isinstance(then, Outcome)
    return then


def test_a_value_at_once() -> None:
    one = attempts(3)
    one.recorder.append("a call")
    assert one.returned(7) == Outcome(5, 7, records=("a call",))


def test_a_failure_is_followed_by_another_attempt_after_the_wait() -> None:
    one = attempts(3)
    assert one.raised(ValueError("no")) == Wait(2.0)
    one.begin()
    assert one.raised(KeyError("no")) == Wait(2.0)
    one.begin()
    outcome = one.returned("yes")
    assert (outcome.value, outcome.attempts) == ("yes", 3)
    assert [tried.error for tried in outcome.tried] == ["ValueError", "KeyError", ""]


def test_the_last_failure_is_the_items_and_has_a_traceback() -> None:
    one = attempts(2)
    one.raised(ValueError("first"))
    one.begin()
    try:
        raise OSError("second")
    except OSError as error:
        outcome = ended(one.raised(error))
    assert outcome.error is not None
    assert (outcome.error.message, outcome.attempts) == ("second", 2)
    assert "OSError" in outcome.error.traceback


def test_records_of_all_attempts_are_told_at_the_end() -> None:
    one = attempts(2)
    one.recorder.append("first")
    one.raised(ValueError())
    one.begin()
    one.recorder.append("second")
    assert one.returned(1).records == ("first", "second")


def test_somebody_is_told_of_what_is_made_again() -> None:
    told: list[Any] = []
    one = attempts(2, on_retry=lambda *what: told.append(what))
    one.raised(ValueError("no"))
    one.begin()
    one.raised(ValueError("no"))
    ((number, error, after),) = told
    assert (number, error.type, after) == (1, "ValueError", 2.0)


def test_where_attempts_are_started_elsewhere_a_failed_one_says_when_the_next_may_be() -> None:
    one = attempts(2, by_attempt=True)
    again = ended(one.raised(ValueError("no")))
    assert (again.again, again.attempts) == (2.0, 1)
    assert again.error is not None
    next_one = attempts(2, Chunk(5, ["item"], 1, again.error), by_attempt=True)
    assert not next_one.resumes
    last = ended(next_one.raised(ValueError("no")))
    assert (last.again, last.attempts) == (None, 2)


def test_an_attempt_that_was_lost_counts_and_is_told_of() -> None:
    before = Tried(0.0, 1.0, 3, "WorkerDied", "killed", "worker_died")
    one = attempts(2, Chunk(5, ["item"], 1, LOST, (before,), 3.5))
    assert one.resumes
    assert one.lost() == Wait(3.5)
    one.begin()
    outcome = one.returned(7)
    assert outcome.attempts == 2
    assert [tried.error for tried in outcome.tried] == ["WorkerDied", ""]


class Counting:
    """Decides for another attempt, and counts how often it was asked."""

    asked = 0

    def decide(self, attempts: int, *_: object) -> RetryDecision:
        self.asked += 1
        return RetryDecision(True, 10.0 + self.asked, "asked", Refusals(self.asked, 1.0))


@pytest.mark.parametrize("by_attempt", [False, True])
def test_what_follows_a_lost_attempt_is_decided_once(by_attempt: bool) -> None:
    """By the one who learns of the loss; who makes the next attempt, or starts it, is told."""
    retry = Counting()
    job = Job(contract.Task(), retry, by_attempt=by_attempt)
    again = lost_attempt(job, Chunk(5, ["item", "other"]), 0, 1, LOST)
    assert isinstance(again, Chunk)
    assert (again.wait, again.attempts, again.lost) == (11.0, 1, replace(LOST, refusals=Refusals(1, 1.0)))
    if by_attempt:
        _, after = SeparateAttempts(None).after_loss(again, NO_WAITS)
        assert after == 11.0
    else:
        next_one = Attempts(job, 5, Recorder(), CancelToken(), 0.0, again)
        assert next_one.lost() == Wait(11.0)
    assert retry.asked == 1


def test_stopped_while_another_attempt_is_waited_for() -> None:
    one = attempts(3)
    one.raised(ValueError("no"))
    outcome = one.stopped()
    assert outcome.error is not None
    assert (outcome.error.kind, outcome.attempts, outcome.tried) == ("cancelled", 1, ())
    assert "after ValueError: no" in outcome.error.message
    one.begin()
    one.raised(KeyError("no"))
    again = one.stopped()
    assert (again.attempts, [tried.error for tried in again.tried]) == (2, ["ValueError", "KeyError"])


def test_what_fails_while_the_run_is_ended_by_force_is_cancelled() -> None:
    cancel = CancelToken()
    one = attempts(1, cancel=cancel)
    cancel.cancel()
    outcome = ended(one.raised(ValueError("no")))
    assert outcome.error is not None
    assert outcome.error.kind == "cancelled"


@pytest.mark.parametrize("told", [Attempts.lost, Attempts.stopped])
def test_what_did_not_happen_cannot_be_told(told: Any) -> None:
    with pytest.raises(InternalError):
        told(attempts())
