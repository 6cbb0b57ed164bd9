"""Which outcomes are given away, one by one and many at once, and outcomes in columns."""

from __future__ import annotations

import pytest

from batchmill.block import Block
from batchmill.journal.known import AllKnown
from batchmill.journal.matching import Claims
from batchmill.journal.rows import first_id


@pytest.mark.parametrize("start", [0, 1, 7, 8, 500])
@pytest.mark.parametrize("count", [1, 7, 8, 9, 500])
def test_many_are_given_away_as_each_by_itself(start: int, count: int) -> None:
    many, single = Claims(), Claims()
    first = first_id(3) + start
    assert many.add_all(first, count)
    for identity in range(first, first + count):
        single.add(identity)
    asked = range(max(first_id(3), first - 9), first + count + 9)
    assert [one in many for one in asked] == [one in single for one in asked]
    assert many.count == single.count == count


def test_where_one_is_gone_none_is_given() -> None:
    claims = Claims()
    claims.add(first_id(1) + 12)
    assert not claims.add_all(first_id(1) + 3, 10)
    assert first_id(1) + 3 not in claims
    assert claims.count == 1
    assert claims.add_all(first_id(1) + 3, 9)
    assert claims.add_all(first_id(1) + 13, 9)
    assert claims.add_all(first_id(2) + 12, 1), "another visit's"


def test_known_outcomes_in_columns_are_asked_for_by_offset() -> None:
    known = AllKnown(Block(5, ["a", "b"], [0.5, 0.25], items=(1, 2)))
    assert list(known) == [0, 1]
    assert [(one.index, one.value, one.wall, one.kept) for one in known.values()] == [
        (5, "a", 0.5, True),
        (6, "b", 0.25, True),
    ]
    assert 2 not in known
    assert -1 not in known
    with pytest.raises(KeyError):
        known[2]
