"""The rule by which values become plain JSON."""

from __future__ import annotations

import datetime
import enum
import json
import uuid
from collections import OrderedDict, namedtuple
from dataclasses import dataclass
from decimal import Decimal
from pathlib import PurePosixPath
from typing import Any

import numpy
import pytest

from batchmill.plain import MAX_DEPTH, NotPlain, plain

Point = namedtuple("Point", "x y")


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


@dataclass
class Row:
    name: str
    tags: set[str]


class Odd:
    def __repr__(self) -> str:
        return "<odd>"


class Text(str):
    __slots__ = ()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        (3, 3),
        (1.5, 1.5),
        ("é", "é"),
        (float("nan"), None),
        (float("-inf"), None),
        ((1, (2,)), [1, [2]]),
        (Point(1, 2), [1, 2]),
        (range(3), [0, 1, 2]),
        ({3, 1, 2}, [1, 2, 3]),
        (frozenset({"b", "a"}), ["a", "b"]),
        (b"\x00\xff", "AP8="),
        (bytearray(b"a"), "YQ=="),
        ({1: "a", None: "b", False: "c", 1.5: "d"}, {"1": "a", "null": "b", "false": "c", "1.5": "d"}),
        ({(1, 2): 3}, {"(1, 2)": 3}),
        (OrderedDict(a=(1,)), {"a": [1]}),
        (PurePosixPath("a/b"), "a/b"),
        (Decimal("1.10"), "1.10"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (datetime.date(2024, 1, 2), "2024-01-02"),
        (datetime.datetime(2024, 1, 2, 3, 4), "2024-01-02T03:04:00"),
        (Colour.RED, "red"),
        (Level.HIGH, 3),
        (Row("a", {"x"}), {"name": "a", "tags": ["x"]}),
        (Odd(), "<odd>"),
        ([Odd()], ["<odd>"]),
        (numpy.int64(4), 4),
        (numpy.float64("nan"), None),
        (numpy.array([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
    ],
)
def test_a_value_becomes(value: Any, expected: Any) -> None:
    result = plain(value)
    assert result == expected
    assert json.loads(json.dumps(result, allow_nan=False)) == result


def test_a_text_of_another_class_becomes_plain_text() -> None:
    assert type(plain(Text("a"))) is str
    assert type(plain({Text("a"): 1}).popitem()[0]) is str


def test_members_of_a_set_that_do_not_compare_have_a_stable_order() -> None:
    assert plain({"a", 1, None}) == plain({None, 1, "a"})


def test_a_value_that_holds_itself_is_named() -> None:
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(NotPlain, match="output 'x' holds itself"):
        plain(loop, "output 'x'")


def test_nesting_up_to_the_limit_is_kept() -> None:
    value: Any = 1
    for _ in range(MAX_DEPTH):
        value = [value]
    assert plain(value) == value
    with pytest.raises(NotPlain, match="deeper than 200 levels"):
        plain([[value]])
