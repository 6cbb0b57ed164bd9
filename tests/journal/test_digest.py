"""Digests tell contents apart, and are the same in every process."""

import datetime
import subprocess
import sys
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pytest

from batchmill.journal.digest import NoDigest, digest_of
from batchmill.lists import LazyList, Rows, RowsList


@dataclass
class Point:
    x: int
    y: int


VALUES = [
    None, 0, 1, True, 1.0, "1", "", [], {}, [1], {"1": 1}, b"1", {1, 2}, frozenset({3}), Path("a"),
    Decimal("1"), datetime.date(2020, 1, 1),
    Point(1, 2), Point(2, 1), float("nan"), [float("nan")], list(range(5000)),
    [*range(4999), b"x"], {"a": b"x"}, {"a": {b"x"}}, ["a", "b"], ["ab"], [["a"], "b"],
]  # fmt: skip


def test_every_content_has_a_digest_of_its_own():
    digests = [digest_of(value) for value in VALUES]
    assert len(set(digests)) == len(VALUES)
    assert digests == [digest_of(value) for value in VALUES]
    assert digest_of("a", "b") != digest_of("ab")


def test_sets_have_no_order():
    assert digest_of({"a", "b", "c"}) == digest_of({"c", "b", "a"})


def test_the_same_in_another_process():
    code = "from batchmill.journal.digest import digest_of; print(digest_of({'a': {'x', 'y', b'z'}}).hex())"
    found = {
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    }
    assert found == {digest_of({"a": {"x", "y", b"z"}}).hex() + "\n"}


def test_a_list_that_is_not_in_memory_counts_by_its_members():
    rows = Rows(most=1)
    rows.put_run(0, [{"n": n} for n in range(3000)])
    assert rows.spilled
    again = Rows(most=1)
    again.put_run(0, [{"n": n} for n in range(3000)])
    assert digest_of(RowsList(rows, 3000)) == digest_of(RowsList(again, 3000))
    assert digest_of(RowsList(rows, 2999)) != digest_of(RowsList(rows, 3000))


@pytest.mark.parametrize("value", [object(), [object()], {"a": lambda: 1}])
def test_an_object_of_its_own_has_none(value):
    with pytest.raises(NoDigest):
        digest_of(value)


def test_sets_within_each_other_beyond_all_bounds_have_none():
    value = frozenset()
    for _ in range(5000):
        value = frozenset({value, b""})
    with pytest.raises(NoDigest):
        digest_of(value)


def test_a_value_that_holds_itself_has_none():
    value = []
    value.append(value)
    with pytest.raises(NoDigest):
        digest_of(value)


class Large(LazyList):
    """A list of which only three elements may be in memory at once."""

    def __init__(self, values):
        self.values = values
        self.most = 0

    def __len__(self):
        return len(self.values)

    def fitting(self, start, stop):
        return min(start + 3, stop)

    def part(self, start, stop):
        self.most = max(self.most, stop - start)
        return self.values[start:stop]


@pytest.mark.parametrize(
    "values",
    [
        [{"n": number, "text": "ä[,]"} for number in range(2500)],
        [*range(1001), b"x", *range(1500)],
        [[], [[]], "", *[None] * 1200],
    ],
)
def test_large_elements_are_not_read_by_the_thousand_and_give_the_same_digest(values):
    large = Large(values)
    assert digest_of(large) == digest_of(values)
    assert large.most == 3
