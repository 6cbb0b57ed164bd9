"""Whether many values are plain JSON, seen by the level."""

from __future__ import annotations

import math
import random
from collections import OrderedDict
from datetime import date
from functools import partial
from typing import Any

import pytest

from batchmill.lists import Rows
from batchmill.lists.basic import BasicPickler
from batchmill.values import all_plain, plain

PLAIN: list[Any] = [
    {"a": 1, "b": [1.5, "x", None, True, {"c": []}]},
    {},
    [],
    "text",
    -7,
    [[[{"deep": {"er": 1}}]]],
    10**4299,
]


def _cycle() -> Any:
    held: dict[str, Any] = {}
    held["again"] = held["twice"] = [held]
    return held


NOT: list[Any] = [
    math.nan,
    {"a": [math.inf]},
    {1: "a key that is no text"},
    (1, 2),
    [{"a": (1,)}],
    10**4300,
    -(10**4300),
    OrderedDict(a=1),
    b"bytes",
    {"a": {"b": object()}},
    _cycle(),
]


def test_plain_values_are_known_and_stay_what_they_are() -> None:
    assert all_plain([])
    assert all_plain(PLAIN)
    assert [plain(one) for one in PLAIN] == PLAIN


@pytest.mark.parametrize("odd", NOT, ids=lambda one: type(one).__name__)
def test_one_value_that_is_not_is_seen_among_others(odd: Any) -> None:
    assert not all_plain([odd])
    assert not all_plain([*PLAIN, odd, *PLAIN])


def test_what_nests_deeper_than_json_is_not_known() -> None:
    deep: Any = []
    for _ in range(250):
        deep = [deep]
    assert not all_plain([deep])


class Text(str):
    """A text of a class of its own, equal to one that is not."""


class Number(int):
    """A number of a class of its own."""


ODD: list[Any] = [
    math.nan, math.inf, -math.inf, 10**4300, -(10**4300), (1, "x"), b"bytes", {"set"}, frozenset({1}), 1j,
    Text("a"), Number(3), OrderedDict(a=1), date(2026, 1, 1), {1: "x"}, {None: "x"}, {Text("a"): 1},
    {b"a": 1}, {("a",): 1}, bytearray(b"x"),
]  # fmt: skip
ONCE: list[Any] = [None, True, 0, -1.5, 1e308, 10**400, -(10**400), "text", "", [], {}, [1, "x", None]]


def _is_plain(value: Any) -> bool:
    """What :func:`all_plain` tells, one value after another."""
    if type(value) is dict:
        return all(type(key) is str and _is_plain(one) for key, one in value.items())
    if type(value) is list:
        return all(map(_is_plain, value))
    if type(value) is float:
        return math.isfinite(value)
    if type(value) is int:
        return abs(value) < 10**4300
    return value is None or type(value) in (str, bool)


def _some(chance: random.Random, shape: Any, odd: float) -> Any:
    """A value of a shape, now and then another one."""
    if chance.random() < odd:
        return chance.choice([*ODD, *ONCE, *ONCE])
    if isinstance(shape, dict):
        keys = list(shape)
        if chance.random() < 0.1:
            chance.shuffle(keys)
        return {key: _some(chance, shape[key], odd) for key in keys}
    if isinstance(shape, list):
        return [_some(chance, one, odd) for one in shape]
    return {"text": chance.choice("abc"), "whole": chance.randrange(9), "real": chance.random()}.get(shape)


SHAPES: list[Any] = [
    {"echo": "text", "meta": {"n": "whole", "flag": None}, "item": {"name": "text", "x": "real"}},
    ["whole", "real", "text"],
    {"only": "real"},
    {f"c{n}": "whole" for n in range(12)},
    [{"a": ["text"], "b": {"c": {"d": "real"}}}],
    "text",
    "whole",
]


@pytest.mark.parametrize("seed", range(40))
def test_columns_tell_the_same_as_a_look_at_every_value(seed: int) -> None:
    chance = random.Random(seed)
    told = set()
    for _ in range(12):
        shape, count = chance.choice(SHAPES), chance.choice([1, 5, 40, 300])
        values = [_some(chance, shape, chance.choice([0, 0, 0.3 / count])) for _ in range(count)]
        known = all(map(_is_plain, values))
        told.add(known)
        assert all_plain(values) == known
        if BasicPickler().dumped(values) is not None:
            assert all_plain(values, basic=True) == known
        else:
            assert not known
        rows = Rows(0, are_plain=partial(all_plain, basic=True))
        rows.put_run(0, values)
        assert rows.plain == known
        read = rows.read(0, count)
        assert read == values or not known
        assert [*map(type, read)] == [*map(type, values)]
    assert True in told


@pytest.mark.parametrize("odd", ODD, ids=lambda one: type(one).__name__)
def test_one_odd_value_of_many_is_seen_in_any_column(odd: Any) -> None:
    for at in (0, 31, 63):
        rows: list[Any] = [{"a": "x", "b": {"n": 1, "t": ["y", 2.5]}, "c": None} for _ in range(64)]
        for place in ("a", "c"):
            assert all_plain(rows, basic=True)
            rows[at] = {**rows[at], place: odd}
            kept = Rows(0, are_plain=partial(all_plain, basic=True))
            kept.put_run(0, rows)
            assert not kept.plain
            rows[at] = {"a": "x", "b": {"n": 1, "t": ["y", 2.5]}, "c": None}
        rows[at] = {"a": "x", "b": {"n": 1, "t": ["y", odd]}, "c": None}
        assert not all_plain(rows)
        kept = Rows(0, are_plain=partial(all_plain, basic=True))
        kept.put_run(0, rows)
        assert not kept.plain


def test_keys_of_other_types_are_seen_where_objects_are_as_long() -> None:
    for key in (1, None, b"b", ("b",), Text("b")):
        rows = [{"a": 1, "b": 2} for _ in range(64)]
        rows[40] = {"a": 1, key: 2}  # type: ignore[dict-item]
        kept = Rows(0, are_plain=partial(all_plain, basic=True))
        kept.put_run(0, rows)
        assert not kept.plain
        assert kept.read(0, 64) == rows


def test_very_large_numbers_are_told_apart_from_those_that_json_does_not_have() -> None:
    assert all_plain([1e308] * 64, basic=True)  # whose sum is infinite
    assert all_plain([10**4299, -(10**4299)] * 32, basic=True)
    assert not all_plain([10**4300, -(10**4300)] * 32, basic=True)  # whose sum is 0
