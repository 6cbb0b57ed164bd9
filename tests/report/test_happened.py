"""What events tell: passes, when nodes were under way, limits."""

from __future__ import annotations

import pytest

from batchmill.batch.engine import CUT_SHORT
from batchmill.journal.contract import RunRecord
from batchmill.report.happened import happened
from batchmill.report.parts import Pass, Visit
from batchmill.report.rows import DeathRow, LimitStep


def record(status="success"):
    return RunRecord("f", "/", {}, started_at=100.0, status=status)


def started(at, node, **more):
    return at, "NodeStarted", {"node": node, "executor": "", "workers": 0, **more}


def finished(at, node, wall, status="success", error=""):
    return at, "NodeFinished", {"node": node, "wall": wall, "status": status, "error": error}


def run_finished(at, wall, status="success"):
    return at, "RunFinished", {"status": status, "wall": wall}


def unknown(number):
    return None


def test_a_run_in_one_pass():
    events = [
        (101.0, "RunStarted", {}),
        started(102.0, "a", executor="thread", workers=4),
        (103.0, "LimitChanged", {"key": "k", "limit": 3, "rate": None, "reason": "refused"}),
        started(103.0, "a[3].b"),
        finished(104.0, "a[3].b", 1.0),
        finished(106.0, "a", 4.0, "failed", "no"),
        run_finished(107.0, 6.0),
    ]
    told = happened(events, record(), 999.0, unknown)
    assert told.passes == [Pass(101.0, 0.0, 6.0, "finished")]
    assert told.visits == {"a": [Visit(1.0, 4.0, 4)]}
    assert (told.executors, told.statuses, told.errors) == ({"a": "thread"}, {"a": "failed"}, {"a": "no"})
    assert told.limits == [LimitStep(2.0, "k", 3, None, "refused")]


def test_workers_that_died_are_told_with_what_they_cost():
    fields = {"worker": 2, "pid": 77, "exit_code": None, "signal": 9, "reason": "timed out"}
    events = [
        (100.0, "RunStarted", {}),
        (103.0, "WorkerDied", {"node": "a[3].b", **fields, "item": 5, "items": 1}),
        run_finished(107.0, 7.0),
    ]
    assert happened(events, record(), 999.0, unknown).deaths == [
        DeathRow(3.0, "a[*].b", 5, 77, None, 9, slot=2, items=1, reason="timed out")
    ]


def test_the_night_between_two_passes_is_left_out_and_what_was_killed_ends_with_its_pass():
    events = [
        (100.0, "RunStarted", {}),
        started(101.0, "a"),
        finished(103.0, "a", 2.0),
        started(103.0, "b"),
        (104.0, "Noticed", {}),
        (9000.0, "RunStarted", {}),
        started(9001.0, "b"),
        finished(9003.0, "b", 2.0),
        run_finished(9004.0, 4.0, "degraded"),
    ]
    told = happened(events, record(), 99_999.0, unknown)
    assert told.passes == [Pass(100.0, 0.0, 4.0, "killed", at_least=True), Pass(9000.0, 4.0, 4.0, "finished")]
    assert told.visits == {"a": [Visit(1.0, 2.0)], "b": [Visit(3.0, 1.0), Visit(5.0, 2.0)]}
    assert told.statuses["b"] == "success"


def test_a_run_that_is_under_way_lasts_until_now():
    events = [(100.0, "RunStarted", {}), started(101.0, "a")]
    told = happened(events, record("running"), 110.0, unknown)
    assert told.passes == [Pass(100.0, 0.0, 10.0, "running")]
    assert told.visits == {"a": [Visit(1.0, 9.0)]}


@pytest.mark.parametrize("events", [[], [(50.0, "RunStarted", {})]])
def test_a_run_of_which_next_to_nothing_is_known(events):
    told = happened(events, record("interrupted"), 999.0, unknown)
    assert [one.wall for one in told.passes] == [0.0] * len(events)


def test_a_clock_that_was_set_back_makes_nothing_negative():
    events = [
        (100.0, "RunStarted", {}),
        started(90.0, "a"),
        finished(80.0, "a", 1.0),
        run_finished(70.0, 2.0),
    ]
    told = happened(events, record(), 999.0, unknown)
    assert told.visits == {"a": [Visit(0.0, 0.0)]}
    assert told.passes == [Pass(100.0, 0.0, 2.0, "finished")]


def test_a_pass_that_was_killed_lasted_until_its_last_outcome_was_made():
    events = [
        (101.0, "RunStarted", {}),
        started(102.0, "a", executor="thread", workers=4),
        (200.0, "RunStarted", {}),
        run_finished(203.0, 3.0),
    ]
    told = happened(events, record(), 999.0, {1: 108.5, 2: 300.0}.get)
    assert told.passes == [
        Pass(101.0, 0.0, 7.5, "killed", at_least=True),
        Pass(200.0, 7.5, 3.0, "finished"),
    ]
    assert told.visits == {"a": [Visit(1.0, 6.5, 4)]}


def test_a_pass_that_was_killed_lasts_as_long_as_it_gave_signs_of_life():
    events = [(100.0, "RunStarted", {}), (200.0, "RunStarted", {}), run_finished(203.0, 3.0)]
    asked = []

    def last_sign(since, before):
        asked.append((since, before))
        return 107.5

    told = happened(events, record(), 999.0, unknown, last_sign)
    assert [(one.at, one.wall, one.ended, one.at_least) for one in told.passes] == [
        (0.0, 7.5, "killed", True),
        (7.5, 3.0, "finished", False),
    ]
    assert asked == [(100.0, 200.0)]


def test_a_pass_that_was_stopped_is_interrupted_and_one_that_failed_is_not():
    def stopped(at, error):
        at, kind, detail = finished(at, "a", 1.0, "failed", error)
        return at, kind, {**detail, "cancelled": 3}

    events = [
        (100.0, "RunStarted", {}),
        started(100.0, "a"),
        stopped(101.0, CUT_SHORT),
        run_finished(102.0, 2.0, "failed"),
        (200.0, "RunStarted", {}),
        started(200.0, "a"),
        stopped(201.0, "item 3 failed"),
        run_finished(202.0, 2.0, "failed"),
    ]
    assert [one.ended for one in happened(events, record(), 999.0, unknown).passes] == [
        "interrupted",
        "failed",
    ]


def test_workers_of_a_cluster_are_slots_and_may_be_more_than_there_were_at_first():
    joined = {"node": "a", "worker": 1, "host": "h", "slot": 0, "workers": 6}
    died = {"node": "a", "worker": 1, "pid": 9, "host": "h", "signal": 9}
    events = [
        (100.0, "RunStarted", {}),
        started(100.0, "a", executor="dask", workers=2),
        (101.0, "WorkerJoined", joined),
        (101.5, "WorkerJoined", {**joined, "node": "b[0].c"}),
        (102.0, "WorkerDied", died),
        (
            103.0,
            "WorkerDied",
            {"node": "a", "worker": None, "pid": None, "host": "tcp://h:1", "item": 3, "items": 2},
        ),
        finished(104.0, "a", 4.0),
        run_finished(105.0, 5.0),
    ]
    told = happened(events, record(), 999.0, unknown)
    assert told.visits == {"a": [Visit(0.0, 4.0, 6)]}
    assert told.slot_names.names("a") == ["h/0"]
    assert told.deaths == [
        DeathRow(2.0, "a", None, 9, None, 9, slot=0, host="h"),
        DeathRow(3.0, "a", 3, None, None, None, slot=None, items=2, host="tcp://h:1"),
    ]
