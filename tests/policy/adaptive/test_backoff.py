"""When a service takes calls."""

from __future__ import annotations

import pytest

from batchmill.policy.adaptive.backoff import Backoff
from batchmill.policy.adaptive.history import CallTicket


def test_a_pause_that_was_asked_for_is_kept():
    openings = Backoff(0.0)
    openings.cut(1.0, 2.0)
    assert openings.wait(1.5) == 1.5
    assert openings.wait(3.0) == 0.0
    assert (openings.cycle, openings.opened_at) == (0.0, 3.0)


def test_one_call_tries_after_waits_that_double():
    openings = Backoff(0.0)
    openings.cut(0.0, 0.0)
    waits = []
    for number in range(9):
        assert openings.is_closed()
        waits.append(openings.wait_longer(10.0 * number, 0.0, None))
    assert waits == pytest.approx([0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0])


def test_while_one_tries_the_others_wait_until_it_would_have_been_refused():
    openings = Backoff(0.0)
    openings.refused(CallTicket(0.0, 1), 0.1)  # heard after 0.1 s
    openings.cut(0.1, 0.0)
    openings.wait_longer(0.1, 0.0, None)
    trial = CallTicket(0.2, 1)
    openings.started(trial)
    assert 0 < openings.wait(0.25) <= 0.1
    assert openings.wait(0.35) == 0.0
    assert not openings.is_closed()


def test_a_call_that_is_taken_opens_it():
    openings = Backoff(0.0)
    openings.cut(0.0, 0.0)
    openings.wait_longer(0.0, 0.0, None)
    trial = CallTicket(0.1, 1)
    openings.started(trial)
    openings.left(trial)
    openings.accepted(trial)
    assert not openings.is_closed()
    assert openings.wait(0.1) == 0.0
