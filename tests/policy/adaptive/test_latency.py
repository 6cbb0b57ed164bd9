"""Whether a service has slowed."""

from __future__ import annotations

from batchmill.policy.adaptive.latency import Latency, LatencyTrend


def round_of(slowness, latency, begin):
    """What ten calls of ``latency`` seconds say, over a second."""
    return [slowness.seen(latency, 10, begin + 0.1 * number) for number in range(1, 11)][-1]


def test_calls_that_take_twice_as_long_have_slowed():
    slowness = LatencyTrend(0.0)
    assert round_of(slowness, 0.1, 0.0) is Latency.AT_EASE
    assert round_of(slowness, 0.15, 1.0) is Latency.AT_EASE
    assert round_of(slowness, 0.3, 2.0) is Latency.SLOWED
    assert slowness.factor > 2


def test_where_fewer_make_no_call_quicker_the_calls_are_longer():
    slowness = LatencyTrend(0.0)
    found = [round_of(slowness, latency, begin) for begin, latency in enumerate([0.1, 0.3, 0.3, 0.3])]
    assert found == [Latency.AT_EASE, Latency.SLOWED, Latency.LONGER, Latency.AT_EASE]


def test_a_trial_that_something_else_disturbed_says_nothing():
    slowness = LatencyTrend(0.0)
    round_of(slowness, 0.1, 0.0)
    assert round_of(slowness, 0.3, 1.0) is Latency.SLOWED
    slowness.forget_trial()
    assert round_of(slowness, 0.3, 2.0) is Latency.SLOWED
