"""Each filter on what it is for, and its words for what it cannot work on."""

from __future__ import annotations

import math
from typing import Any

import pytest

from batchmill.errors import FilterError, TemplateError
from batchmill.template import Scope, compile_value
from batchmill.template.filters import FILTERS


def apply(filters: str, value: Any) -> Any:
    return compile_value(f"${{v | {filters}}}").resolve(Scope({"v": value}))


@pytest.mark.parametrize(
    ("filters", "value", "expected"),
    [
        ("json", {"a": [1, None, True, "é"]}, '{"a": [1, null, true, "é"]}'),
        ("json", "x", '"x"'),
        ("json", None, "null"),
        ("lines", "a\nb\r\n\nc", ["a", "b", "", "c"]),
        ("lines", "a\n", ["a"]),
        ("lines", "", []),
        ("lines", None, []),
        ("lines", "a\x0bb\u2028c", ["a\x0bb\u2028c"]),
        ("join:','", ["a", 1, None, True, {"k": 2}], 'a,1,,True,{"k": 2}'),
        ("join:''", [], ""),
        ("count", [1, 2, 3], 3),
        ("count", {"a": 1}, 1),
        ("count", "four", 4),
        ("count", "[1, 2]", 6),
        ("sum", [1, 2.5], 3.5),
        ("sum", [], 0),
        ("sum", [0.1] * 10, 1.0),
        ("sum", [10**30, 1], 10**30 + 1),
        ("mean", [0.1] * 10, 0.1),
        ("parse", '{"a": [1]}', {"a": [1]}),
        ("parse", " 5 ", 5),
        ("parse", [1], [1]),
        ("parse | first", "[7, 8]", 7),
        ("number", "-5", -5),
        ("number", "007", 7),
        ("number", 2.5, 2.5),
        ("number | sum", ["1.5", "2", 3], 6.5),
        ("number | max", ["9", "10"], 10),
        ("max", ["09", "10"], "10"),
        ("lines", "\ufeffa\rb\n", ["a\rb"]),
        ("min", [3, 1, 2], 1),
        ("max", ["b", "a"], "b"),
        ("mean", [1, 2], 1.5),
        ("first", [7, 8], 7),
        ("last", (7, 8), 8),
        (
            "unique",
            [1, 1.0, True, "1", 1, [2], [2], {"a": 1, "b": 2}],
            [1, 1.0, True, "1", [2], {"a": 1, "b": 2}],
        ),
        ("sort", [3, 1.5, 2], [1.5, 2, 3]),
        ("sort", ["b", "a"], ["a", "b"]),
        ("sort", [[2], [1, 2]], [[1, 2], [2]]),
        ("sort", [], []),
        ("flatten", [[1], 2, [[3]], "ab"], [1, 2, [3], "ab"]),
        ("url", "a b/ä?&~", "a%20b%2F%C3%A4%3F%26~"),
        ("url", 12, "12"),
        ("url", "\udcff", "%FF"),
        ("raw", {"a": 1}, {"a": 1}),
        ("lines | count", "a\nb", 2),
        ("flatten | unique | sort | join:'-'", [["b", "a"], ["b"]], "a-b"),
    ],
)
def test_results(filters: str, value: Any, expected: Any) -> None:
    result = apply(filters, value)
    assert result == expected
    assert type(result) is type(expected)


@pytest.mark.parametrize(
    ("filters", "value", "message"),
    [
        ("sum", ["a"], "needs numbers, and element 0 is text"),
        ("sum", [1, True], "element 1 is a boolean"),
        ("mean", [1, None], "element 1 is null"),
        ("mean", [], "the list is empty"),
        ("first", [], "the list is empty"),
        ("last", [], "the list is empty"),
        ("min", [], "the list is empty"),
        ("max", [1, "a"], "cannot compare a number with text"),
        ("sort", [1, "a"], "cannot compare a number with text"),
        ("sort", [{"a": 1}], "cannot put an object in order"),
        ("min", [None, None], "cannot put null in order"),
        ("sort", [[1], ["a"]], "cannot compare the elements"),
        ("join:','", "abc", r"needs a list, not text; \| parse reads JSON, \| lines"),
        ("sum", "[1, 2]", "needs a list, not text"),
        ("first", "[1, 2]", "needs a list, not text"),
        ("sum", ["1"], r"element 0 is text; \| number"),
        ("sum", [1, math.nan], "finite numbers, and element 1 is nan"),
        ("sum", [1e308, 1e308], "numbers of this size"),
        ("sort", [3, math.nan, 1], "NaN in order, which element 1 is"),
        ("max", [math.nan, 1], "NaN in order"),
        ("max", ["9", "10"], "numbers as text, and as text '9' comes after '10'"),
        ("sort", ["-1", "-2"], "write . number before it"),
        ("parse", "[draft]", "no JSON: a value must come here at line 1, column 2"),
        ("parse", '{"a": 1, "a": 2}', 'the key "a" stands twice'),
        ("number", "12 apples", "'12 apples' is no number"),
        ("number", ["1", None], "needs text, or a list of it, not null"),
        ("number", "0.1234567890123456789", "lose digits"),
        ("join:','", {"a": 1}, "needs a list, not an object"),
        ("first", 3, "needs a list, not a number"),
        ("unique", None, "needs a list, not null"),
        ("count", 3, "needs a list, an object or text, not a number"),
        ("lines", ["a"], "needs text, not a list"),
        ("url", "\ud800", "surrogate"),
        ("mean", [10**400, 0.5], "numbers of this size"),
        ("sum", [10**400, 0.5], "numbers of this size"),
    ],
)
def test_errors_say_what_is_wrong(filters: str, value: Any, message: str) -> None:
    with pytest.raises(FilterError, match=message):
        apply(filters, value)


def test_json_of_what_json_cannot_hold() -> None:
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(TemplateError, match="cannot be written as JSON"):
        apply("json", loop)
    with pytest.raises(TemplateError, match="cannot be written as JSON"):
        apply("json", {("a", "b"): 1})


@pytest.mark.parametrize("name", sorted(set(FILTERS) - {"json", "lines", "url", "count", "join", "parse"}))
def test_no_filter_changes_its_value(name: str) -> None:
    value = [3, 1, 2, 1]
    apply(name, value)
    assert value == [3, 1, 2, 1]
