"""The slowest and dearest items, and why attempts were made again."""

from __future__ import annotations

import pytest

from batchmill.report.notable import Highest, RetrySums
from batchmill.report.parts import Run
from batchmill.report.rows import AttemptRow, Row


def test_the_highest_come_first_and_ties_in_order():
    kept = Highest(3)
    for index, wall in enumerate([1.0, 5.0, 2.0, 5.0, 4.0, 0.5]):
        kept.add(wall, Row("n", index, "ok", 0.0, wall))
    found = kept.found(
        Run("7f3a", "f", "success", 0.0, 1.0, journal="--journal j"), lambda node, index: f"{index}"
    )
    assert [(one.index, one.input) for one in found] == [(1, "1"), (3, "3"), (4, "4")]
    assert found[0].command == "batchmill show 7f3a --node n --item 1 --journal j"


def test_retries_are_told_by_cause():
    sums = RetrySums()
    tried = (
        AttemptRow(0.0, 1.0, "HTTPError", status=429),
        AttemptRow(3.0, 2.0, "TimeoutError", kind="timeout", paused=2.0),
        AttemptRow(6.0, 1.0, paused=1.0),
    )
    sums.add(Row("n", 0, "retried", 0.0, 7.0, attempts=3, tried=tried))
    sums.add(Row("n", 1, "failed", 0.0, 1.0, attempts=2))
    sums.add(Row("n", 2, "ok", 0.0, 1.0))
    told = sums.retries()
    assert told.by_attempts == [(1, 1, 0), (2, 1, 1), (3, 1, 0)]
    assert (told.saved, told.lost, told.waited) == (1, 3.0, 3.0)
    assert [(one.cause, one.attempts, one.lost, one.waited, one.saved) for one in told.causes] == [
        ("HTTP 429", 1, 1.0, 2.0, 1),
        ("timeout", 1, 2.0, 1.0, 1),
    ]


@pytest.mark.parametrize("state", ["failed", "cancelled"])
def test_what_did_not_end_well_was_not_saved(state):
    sums = RetrySums()
    sums.add(Row("n", 0, state, 0.0, 1.0, attempts=2))
    assert sums.retries().saved == 0
