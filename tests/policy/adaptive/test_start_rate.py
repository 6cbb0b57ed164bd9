"""The pace of starts, and what it falls back to."""

from __future__ import annotations

import pytest

from batchmill.policy.adaptive.backoff import Backoff
from batchmill.policy.adaptive.history import CallHistory
from batchmill.policy.adaptive.start_rate import StartRate


def paced(calls, seconds):
    """A pace after so many accepted calls in so many seconds, and its surroundings."""
    traffic, openings = CallHistory(), Backoff(0.0)
    for number in range(calls):
        traffic.started(seconds * number / calls)
    return StartRate(traffic, openings), traffic, openings


def test_before_the_first_refusal_nobody_waits():
    pace, _, _ = paced(100, 1.0)
    assert (pace.value, pace.wait(1.0), pace.rise(1.0)) == (None, 0.0, False)


def test_the_first_refusal_leads_to_what_was_accepted():
    pace, _, openings = paced(100, 2.0)
    openings.cut(2.0, 0.0)
    pace.refused(2.0)
    assert pace.value == pytest.approx(0.97 * 50)
    assert 0 < pace.wait(2.0) <= 1 / 48


def test_what_went_well_before_a_rise_is_fallen_back_to():
    pace, traffic, openings = paced(100, 2.0)
    openings.cut(2.0, 0.0)
    pace.refused(2.0)
    before = pace.value
    for number in range(100):
        traffic.started(2.0 + number / 50)
    assert pace.rise(4.0)
    assert pace.value > before
    openings.cut(4.1, 1.0)
    pace.refused(4.1)
    assert before <= pace.value < 50


def test_a_pace_that_is_refused_again_and_again_is_cut_deeper_each_time():
    pace, traffic, openings = paced(1000, 2.0)
    cuts, before = [], None
    for number in range(6):
        now = 2.0 + 3.0 * number
        openings.cut(now, 1.0)
        pace.refused(now)
        if before is not None:
            cuts.append(pace.value / before)
        before = pace.value
        for call in range(5000):
            traffic.started(now + 1.0 + call / 2500)
    assert cuts == pytest.approx([0.97, 0.85, 0.73, 0.7, 0.7])


def test_in_doubt_the_pace_is_left_somewhat_above_what_was_accepted():
    pace, _, _ = paced(100, 2.0)
    pace.doubt(2.0)
    assert pace.value == pytest.approx(1.5 * 50)
    assert not pace.binds(50)


def test_a_second_without_an_accepted_call_makes_no_pace():
    """Of calls that take 5 s, five at once, one starts in a second: a pace of nothing starves callers."""
    pace, _, _ = paced(100, 2.0)
    assert not pace.doubt(10.0)
    assert pace.value is None
    pace.refused(10.0)
    before = pace.value
    assert not pace.doubt(30.0)
    assert pace.value == before
