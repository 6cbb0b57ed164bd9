"""Each filter on what it is for, and its words for what it cannot work on."""

from __future__ import annotations

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
        ("count", "[1, 2]", 2),
        ("sum", [1, 2.5], 3.5),
        ("sum", [], 0),
        ("sum", "[1, 2]", 3),
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
        ("join:','", "abc", r"needs a list, not text; \| lines"),
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


@pytest.mark.parametrize("name", sorted(set(FILTERS) - {"json", "lines", "url", "count", "join"}))
def test_no_filter_changes_its_value(name: str) -> None:
    value = [3, 1, 2, 1]
    apply(name, value)
    assert value == [3, 1, 2, 1]
