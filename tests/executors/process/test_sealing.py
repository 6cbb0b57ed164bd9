"""Results that pass through a process without the modules of their classes."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from batchmill.executors.process.sealing import Sealed, sealed, sealed_outcome
from batchmill.outcome import ErrorInfo, Outcome


class Mine:
    """Of the user's; unpickling it is noted."""

    made = 0

    def __setstate__(self, state: Any) -> None:
        Mine.made += 1


@pytest.mark.parametrize("value", [1, "text", None, [1, {"a": (2.0, b"x")}], {"k": [True]}])
def test_plain_data_is_left_as_it_is(value: Any) -> None:
    assert sealed(value) is value


def test_a_value_is_made_by_the_second_who_unpickles_it() -> None:
    Mine.made = 0
    mine = Mine()
    mine.__dict__["x"] = 1
    between = pickle.loads(pickle.dumps(sealed([mine])))
    assert (type(between), Mine.made) == (Sealed, 0)
    (made,) = pickle.loads(pickle.dumps(between))
    assert (type(made), Mine.made) == (Mine, 1)


def test_all_of_an_outcome_is_sealed_but_what_is_read_on_the_way() -> None:
    error = ErrorInfo("ValueError", "no", outputs={"status_code": 404, "body": {1, 2}})
    outcome = Outcome(3, error=error, records=({3},), attempts=2)
    between = pickle.loads(pickle.dumps(sealed_outcome(outcome)))
    assert (between.error.message, between.error.status) == ("no", 404)
    assert type(between.error.outputs["body"]) is type(between.records[0]) is Sealed
    assert pickle.loads(pickle.dumps(between)) == outcome


def test_a_large_value_is_not_looked_through() -> None:
    assert type(pickle.loads(pickle.dumps(sealed(list(range(1000)))))) is Sealed
