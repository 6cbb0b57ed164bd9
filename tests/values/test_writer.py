"""One writer of JSON: valid, complete, in one form for each value."""

from __future__ import annotations

import json
from typing import Any

import numpy
import pytest

from batchmill.lists import JoinedList
from batchmill.values import MAX_DEPTH, NotPlain, from_json, is_exact, to_json


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"a": [1, "é", None]}, '{"a": [1, "é", null]}'),
        ({"v": numpy.arange(3000)}, json.dumps({"v": list(range(3000))})),
        (float("nan"), "null"),
        ({"x": float("-inf"), "y": (1,)}, '{"x": null, "y": [1]}'),
        ({1: "a"}, '{"1": "a"}'),
        ({"b": b"a\xff"}, '{"b": "Yf8="}'),
        ({3, 1}, "[1, 3]"),
        ("\ud800é", '"\\ud800\\u00e9"'),
        (JoinedList([[{1}], [{2}]]), "[[1], [2]]"),
        ({"rows": JoinedList([[1]])}, '{"rows": [1]}'),
    ],
)
def test_values_as_text(value: Any, expected: str) -> None:
    assert to_json(value) == expected
    from_json(expected)


def test_indented() -> None:
    assert to_json({"a": (1,)}, indent=2) == '{\n  "a": [\n    1\n  ]\n}'


def test_how_deep_a_value_goes_is_told_alike_on_every_interpreter() -> None:
    value: object = 1
    for _ in range(MAX_DEPTH):
        value = [value]
    assert is_exact(value)
    with pytest.raises(RecursionError):
        is_exact({"a": value})


@pytest.mark.parametrize("value", [object(), {1: "a", "1": "b"}, [10**5000], [float]])
def test_what_has_no_form_is_refused(value: Any) -> None:
    with pytest.raises(NotPlain, match="the answer"):
        to_json(value, "the answer")


def test_what_comes_back_as_it_was() -> None:
    assert is_exact({"a": [1, 1.5, None, True, {"b": "x"}]})
    assert not any(map(is_exact, [(1,), {1: 2}, [{1}], numpy.int64(1), [numpy.float64(1)]]))
