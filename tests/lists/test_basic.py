"""Pickles of values of basic types."""

from __future__ import annotations

import pickle
from collections import OrderedDict
from datetime import date
from decimal import Decimal
from enum import IntEnum
from typing import Any

import pytest

from batchmill.lists.basic import BasicPickler


class Text(str):
    """A text of a class of its own."""


class Number(int):
    """A number of a class of its own."""


class Colour(IntEnum):
    RED = 1


BASIC: list[Any] = [
    None,
    [True, -7, 10**5000, 1.5, "text", "\ud800", b"bytes", bytearray(b"x")],
    {"a": (1, {2}), 3: frozenset({None}), None: {}},
    [[[[]]]] * 3,
]
NOT: list[Any] = [
    Text("a"),
    Number(1),
    Colour.RED,
    1j,
    OrderedDict(a=1),
    date(2026, 1, 1),
    Decimal("1"),
    range(3),
    int,
    len,
    ...,
]


def test_basic_values_come_back_as_they_were() -> None:
    pickler = BasicPickler()
    for value in (*BASIC, BASIC):  # each by itself: nothing is remembered of those before it
        data = pickler.dumped(value)
        assert data is not None
        assert pickle.loads(data) == value
        assert pickle.loads(data) is not value or value is None


@pytest.mark.parametrize("odd", NOT, ids=lambda one: type(one).__name__)
def test_what_is_of_another_class_is_seen_anywhere(odd: Any) -> None:
    for value in (odd, [1, odd], {"a": [{"b": odd}]}, ("x", (odd,))):
        assert BasicPickler().dumped(value) is None
    if odd.__hash__ is not None:
        assert BasicPickler().dumped([{"a": {odd: 1}}]) is None


def test_what_cannot_be_pickled_is_not_basic() -> None:
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    assert BasicPickler().dumped(deep) is None
    while deep:  # else to free it takes as many levels of the stack
        deep = deep.pop()
