"""Where the slot-seconds went: always adding up to all there were."""

from __future__ import annotations

from dataclasses import astuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchmill.report.parts import Visit
from batchmill.report.rows import AttemptRow, LimitStep, Row
from batchmill.report.slot_time import SlotTime, attempts_of


def shares(rows, visits, steps=(), streams=False):
    made = SlotTime(visits, streams=streams)
    for row in rows:
        made.add(row, list(attempts_of(row)))
    return made.shares(steps)


def adds_up(told):
    capacity, *parts = astuple(told)
    assert all(part >= -1e-9 for part in parts)
    assert sum(parts) == pytest.approx(capacity)
    return told


def test_each_second_of_each_slot_is_told():
    rows = [
        Row("n", 0, "ok", 1.0, 4.0, 0),
        Row("n", 1, "ok", 7.0, 2.0, 0, waited=1.5),
        Row("n", 2, "failed", 0.0, 3.0, 1, error="E"),
    ]
    told = adds_up(shares(rows, [Visit(0.0, 10.0, 3)]))
    assert (told.capacity, told.work, told.failed_attempts) == (30.0, 6.0, 3.0)
    assert (told.start, told.limit_waits, told.between) == (1.0, 1.5, 0.5)
    assert told.tail == 1.0 + 7.0 + 10.0  # behind the last of each slot, and the slot that had none


def test_what_is_waited_before_the_first_item_of_a_slot_is_no_start():
    rows = [
        Row("n", 0, "ok", 3.0, 1.0, 0, waited=2.0),
        Row("n", 1, "ok", 6.0, 1.0, 0, queued=1.5),
        Row("n", 2, "ok", 4.0, 1.0, 1, waited=1.0, queued=2.5),
    ]
    told = adds_up(shares(rows, [Visit(0.0, 7.0, 2)]))
    assert (told.start, told.limit_waits, told.permit_waits) == (1.5, 3.0, 4.0)
    assert (told.between, told.tail) == (0.5, 2.0)


def test_a_pause_before_another_attempt_is_no_work():
    tried = (AttemptRow(0.0, 1.0, "E", slot=0), AttemptRow(5.0, 1.0, paused=4.0, slot=0))
    told = adds_up(shares([Row("n", 0, "retried", 0.0, 6.0, 0, 2, tried=tried)], [Visit(0.0, 6.0)]))
    assert (told.work, told.failed_attempts, told.retry_waits) == (1.0, 1.0, 4.0)


def test_what_a_new_worker_takes_in_place_of_one_that_died_is_its_start():
    tried = (
        AttemptRow(0.0, 1.0, "WorkerDied", kind="worker_died", slot=0),
        AttemptRow(4.0, 1.0, "E", paused=3.0, slot=0),
        AttemptRow(7.0, 1.0, paused=2.0, slot=0),
    )
    told = adds_up(shares([Row("n", 0, "retried", 0.0, 8.0, 0, 3, tried=tried)], [Visit(0.0, 8.0)]))
    assert (told.start, told.retry_waits, told.between) == (3.0, 2.0, 0.0)


def test_without_any_item_all_of_it_was_getting_started():
    told = adds_up(shares([], [Visit(0.0, 5.0, 2)]))
    assert (told.capacity, told.start, told.between) == (10.0, 10.0, 0.0)


def test_the_capacity_of_an_adaptive_limit_is_its_integral():
    steps = [LimitStep(2.0, "k", 4), LimitStep(8.0, "k", 1)]
    told = adds_up(shares([], [Visit(0.0, 10.0, 8)], steps))
    assert told.capacity == 2 * 8 + 6 * 4 + 2 * 1


def test_a_stage_that_waits_for_the_one_before_it_lacks_input():
    rows = [Row("n", 0, "ok", 0.0, 1.0, 0), Row("n", 1, "ok", 4.0, 1.0, 0)]
    assert adds_up(shares(rows, [Visit(0.0, 5.0)], streams=True)).input == 3.0


@given(
    st.lists(
        st.tuples(st.floats(0, 20), st.floats(0, 5), st.integers(0, 3), st.booleans(), st.floats(0, 9)),
        max_size=40,
    )
)
def test_they_add_up_whatever_is_told(items):
    rows = [
        Row("n", index, "failed" if failed else "ok", at, wall, slot, waited=waited)
        for index, (at, wall, slot, failed, waited) in enumerate(items)
    ]
    adds_up(shares(rows, [Visit(0.0, 9.0, 4), Visit(11.0, 9.0, 2)]))


def test_they_add_up_for_a_simulated_run(simulated):
    batch = simulated(500, rate=100.0).batches[0]
    told = adds_up(shares(batch.rows(), batch.node.visits))
    assert told.limit_waits > told.work > 0
