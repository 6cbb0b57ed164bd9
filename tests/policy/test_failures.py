"""What failures do to a batch, compared with the rule in one line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchmill.errors import InvalidSetting
from batchmill.outcome import ErrorInfo
from batchmill.policy import FailurePolicy, FailureWatch

policies = st.builds(
    FailurePolicy,
    fail_fast=st.booleans(),
    tolerate_count=st.none() | st.integers(0, 20),
    tolerate_percent=st.none() | st.floats(0, 100),
)


def exceeded(policy: FailurePolicy, failed: int, total: int | None) -> bool:
    if policy.fail_fast:
        return failed > 0
    too_many = policy.tolerate_count is not None and failed > policy.tolerate_count
    share = policy.tolerate_percent
    return too_many or (share is not None and bool(total) and 100.0 * failed / (total or 1) > share)


@given(policies, st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3)), max_size=20), st.booleans())
def test_it_stops_and_judges_by_the_rule(
    policy: FailurePolicy, blocks: list[tuple[int, int]], known: bool
) -> None:
    total = sum(good + bad for good, bad in blocks)
    watch = FailureWatch(policy, total if known else None)
    failed = succeeded = 0
    for good, bad in blocks:
        watch.add(good, bad)
        succeeded, failed = succeeded + good, failed + bad
        assert watch.must_stop() == (bool(failed) and exceeded(policy, failed, total if known else None))
    hopeless = failed > 0 and not succeeded
    assert bool(watch.verdict()) == (bool(failed) and (exceeded(policy, failed, total) or hopeless))


def test_the_verdict_is_in_words() -> None:
    watch = FailureWatch(FailurePolicy(False, tolerate_percent=10), 20)
    watch.add(17, 3)
    assert watch.verdict() == "15 % of the items failed, more than the 10 % tolerated"
    watch = FailureWatch(FailurePolicy(False, tolerate_count=1), None)
    watch.add(5, 2)
    assert watch.verdict() == "2 items failed, more than the 1 tolerated"
    watch = FailureWatch(FailurePolicy(False), None)
    watch.add(0, 2)
    assert watch.verdict() == "all 2 items failed"
    watch = FailureWatch(FailurePolicy(), None)
    watch.add(4, 1)
    assert watch.verdict() == "1 item failed and error_handling is fail_fast"


def test_no_items_are_no_failure() -> None:
    assert FailureWatch(FailurePolicy(), 0).verdict() is None


@pytest.mark.parametrize(
    "wrong", [{"tolerate_count": -1}, {"tolerate_percent": -1}, {"tolerate_percent": 100.1}]
)
def test_what_is_out_of_range_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidSetting):
        FailurePolicy(False, **wrong)  # type: ignore[arg-type]  # that is the mistake


DENIED, OTHER = ErrorInfo("HTTP401", "no", denied=3), ErrorInfo("HTTP500", "oops")


def test_denials_in_a_row_stop_a_batch() -> None:
    watch = FailureWatch(FailurePolicy(False, watches_denials=True), 100)
    watch.add(0, 2, [DENIED, DENIED])
    watch.add(1, 0)
    watch.add(0, 2, [DENIED, DENIED])
    assert not watch.must_stop()
    watch.add(0, 1, [OTHER])  # says nothing of the key
    assert not watch.must_stop()
    watch.add(0, 1, [DENIED])
    assert watch.must_stop()
    assert "HTTP401: no" in str(watch.verdict())


def test_items_that_did_not_run_tell_nothing_of_what_denies_the_others() -> None:
    watch = FailureWatch(FailurePolicy(False, watches_denials=True), 100)
    watch.add(0, 2, [DENIED, DENIED])
    watch.add(5, 0, answered=0)  # skipped, or kept from an earlier pass
    watch.add(0, 1, [DENIED])
    assert watch.must_stop()
    assert "3 items in a row" in str(watch.verdict())


def test_other_batches_watch_no_denials() -> None:
    careless = FailureWatch(FailurePolicy(False), 100)
    careless.add(0, 3, [DENIED] * 3)
    assert not careless.must_stop()
