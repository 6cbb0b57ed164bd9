"""What is remembered of calls."""

from __future__ import annotations

import pytest

from batchmill.policy.adaptive.history import CallHistory, CallTicket


def test_the_rate_is_of_calls_that_were_not_refused():
    traffic = CallHistory()
    for number in range(20):
        traffic.started(number * 0.1)
    traffic.refused(CallTicket(1.9, 1))
    assert traffic.rate(1.95, 1.0) == pytest.approx(9)
    assert traffic.between(0.0, 2.0) == pytest.approx(19 / 2)


def test_a_short_history_is_spread_over_a_second():
    traffic = CallHistory()
    for _ in range(5):
        traffic.started(7.0)
    assert traffic.rate(7.1, 1.0) == 5
    assert traffic.rate(7.1, 1.0, shortest=0.05) == pytest.approx(50)


def test_a_call_that_was_not_made_is_not_counted():
    traffic = CallHistory()
    traffic.started(1.0)
    traffic.withdrawn(CallTicket(1.0, 1))
    assert traffic.rate(1.5, 1.0) == 0


def test_accepted_calls_are_forgotten_after_five_seconds():
    traffic = CallHistory()
    traffic.accepted(CallTicket(0.0, 3))
    traffic.accepted(CallTicket(4.0, 5))
    assert traffic.known(4.5) == [3, 5]
    assert traffic.known(6.0) == [5]
