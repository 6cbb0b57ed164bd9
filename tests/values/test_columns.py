"""Whether many values are plain JSON, seen by the level."""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import Any

import pytest

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
