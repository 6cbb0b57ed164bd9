"""Each filter on what it is for, and its words for what it cannot work on."""

from __future__ import annotations

import math
from typing import Any

import pytest

from batchmill.errors import FilterError, TemplateError
from batchmill.template import Scope, compile_value, parse
from batchmill.template.filters import FILTERS
from batchmill.template.resolve import resolve_expression


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
        ("sum", [2**53 + 1, 0.5], 2.0**53 + 2),
        ("sum", [1e308, 1e308, -1e308], 1e308),
        ("mean", [1e308, 1e308], 1e308),
        ("mean", [2**53 + 1, 0.5], 2.0**52 + 1),
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
        ("sum", [1e308, 1e308], "more than a number can be"),
        ("sort", [3, math.nan, 1], "NaN in order, which element 1 is"),
        ("max", [math.nan, 1], "NaN in order"),
        ("max", ["9", "10"], "numbers as text, and as text '9' comes after '10'"),
        ("sort", ["-1", "-2"], "write . number before it"),
        (
            "max",
            ["9", "", "10"],
            "'9' comes after '10'; write . number before it, and leave out what is empty",
        ),
        ("parse", "[draft]", "not JSON: a value must come here at line 1, column 2"),
        ("parse", '{"a": 1, "a": 2}', 'the key "a" stands twice'),
        ("number", "12 apples", "'12 apples' is not a number"),
        ("number", ["1", None], "needs text, or a list of it, not null"),
        ("number", "0.1234567890123456789", "lose digits"),
        ("join:','", {"a": 1}, "needs a list, not an object"),
        ("first", 3, "needs a list, not a number"),
        ("unique", None, "needs a list, not null"),
        ("count", 3, "needs a list, an object or text, not a number"),
        ("lines", ["a"], "needs text, not a list"),
        ("url", "\ud800", "surrogate"),
        ("mean", [10**400, 0.5], "more than a number can be"),
        ("sum", [10**400, 0.5], "more than a number can be"),
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


OF_OTHERS = {"json", "lines", "url", "count", "join", "parse"} | {
    "basename",
    "stem",
    "ext",
    "dirname",
    "group",
}


@pytest.mark.parametrize("name", sorted(set(FILTERS) - OF_OTHERS))
def test_no_filter_changes_its_value(name: str) -> None:
    value = [3, 1, 2, 1]
    apply(name if name != "default" else "default:0", value)
    assert value == [3, 1, 2, 1]


@pytest.mark.parametrize(
    ("path", "name", "stem", "ext", "folder"),
    [
        ("a/b/c.tar.gz", "c.tar.gz", "c.tar", ".gz", "a/b"),
        ("c.txt", "c.txt", "c", ".txt", "."),
        ("a/.hidden", ".hidden", ".hidden", "", "a"),
        ("a/b/", "b", "b", "", "a"),
        ("/", "", "", "", "/"),
        ("", "", "", "", "."),
    ],
)
def test_parts_of_paths(path: str, name: str, stem: str, ext: str, folder: str) -> None:
    for filters, part in (("basename", name), ("stem", stem), ("ext", ext), ("dirname", folder)):
        assert apply(filters, path) == part
        assert apply(filters, [path, "x/y.z"])[0] == part
    with pytest.raises(FilterError, match="needs a path, or a list of them, not a number"):
        apply("stem", 3)


def test_a_default_takes_the_place_of_what_is_empty() -> None:
    for empty in (None, "", [], {}):
        assert apply("default:'x'", empty) == "x"
        assert apply('default:{"a": [1]}', empty) == {"a": [1]}
    for full in (0, False, " ", [None], {"a": None}):
        assert apply("default:'x'", full) == full
    scope = Scope({"a": {}})
    assert resolve_expression(parse("${a.b.c | default:'none' | json}").expressions[0], scope) == '"none"'
    with pytest.raises(TemplateError, match="has no key 'b'"):
        resolve_expression(parse("${a.b | json | default:0}").expressions[0], scope)


def test_groups_are_lists_by_key_in_order() -> None:
    rows = [{"k": "b", "n": 1}, {"k": 2, "n": 2}, {"k": "b", "n": 3}]
    assert list(apply("group:'k'", rows).items()) == [("b", [rows[0], rows[2]]), ("2", [rows[1]])]
    assert apply("group:'k'", []) == {}
    for value, words in (
        ([{}], "element 0 has no 'k'"),
        ([3], "element 0 is a number"),
        ([{"k": []}], "a list"),
    ):
        with pytest.raises(FilterError, match=words):
            apply("group:'k'", value)
