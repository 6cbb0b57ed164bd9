"""What a task is told of its attempt."""

from __future__ import annotations

import time

import pytest

from batchmill.attempt import Attempt


def test_without_a_deadline_nothing_remains_to_be_said() -> None:
    attempt = Attempt()
    assert attempt.number == 1
    assert attempt.remaining() is None
    assert attempt.within(None) is None
    assert attempt.within(3.0) == 3.0


def test_what_remains_until_the_deadline() -> None:
    attempt = Attempt(2, time.monotonic() + 100)
    remaining = attempt.remaining()
    assert remaining is not None
    assert 90 < remaining <= 100
    assert attempt.within(3.0) == 3.0
    assert attempt.within(1000.0) == pytest.approx(100, abs=10)
    assert attempt.within(None) == pytest.approx(100, abs=10)


def test_nothing_remains_after_the_deadline() -> None:
    attempt = Attempt(1, time.monotonic() - 1)
    assert attempt.remaining() == 0
    assert attempt.within(5.0) == 0


def test_every_attempt_has_its_own_recorder_and_token() -> None:
    one, other = Attempt(), Attempt()
    assert one.recorder is not other.recorder
    assert one.cancel is not other.cancel


@pytest.mark.parametrize(
    ("timeout", "seconds", "given"), [(None, 2.0, 2.0), (5.0, 2.0, 2.0), (1.5, 2.0, 1.5), (1.5, None, 1.5)]
)
def test_messages_tell_the_time_that_was_given_and_not_what_was_left(timeout, seconds, given):
    assert Attempt(deadline=time.monotonic() + 0.1, timeout=timeout).given(seconds) == given
