"""The strict reader: what it gives is what the text says."""

from __future__ import annotations

import json
import pickle
from typing import Any

import pytest

from batchmill.values import NotJson, container_in, from_json


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("null", None),
        (' {"a": [1, -2.5, "é", true, null]}\n', {"a": [1, -2.5, "é", True, None]}),
        ("\ufeff[1]", [1]),
        ("123456789012345678901234567890", 123456789012345678901234567890),
        ("9" * 4300, int("9" * 4300)),
        ("0.1", 0.1),
        ("1.10", 1.1),
        ("1.10000000000000000000", 1.1),
        ("0.30000000000000004", 0.1 + 0.2),
        ("0.10000000000000001", 0.1),
        ("-0.0", -0.0),
        ("1E5", 100000.0),
        ("5e-324", 5e-324),
        ("1.7976931348623157e308", 1.7976931348623157e308),
        ('"\\udce9"', "\udce9"),
        ("[" * 200 + "]" * 200, json.loads("[" * 200 + "]" * 200)),
    ],
)
def test_what_it_says(text: str, expected: Any) -> None:
    found = from_json(text)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1, "b": "x"}', '{"a":":b","c":1}', '{"a": "12:30", "b": {"c": 1}}', '{"a" :1, "b": 2}', "{}",
        '[{"a": 1}]', '{"a\\":": 1}', ' {"a": 1}', '{"a": "{:}"}', '[":"]', '":"',
    ],
)  # fmt: skip
def test_rows_are_what_python_reads(text: str) -> None:
    assert from_json(text) == json.loads(text)


@pytest.mark.parametrize(
    "text",
    ['{"a":1,"a":2}', '{"a":1,"a":":"}', '{"a":1,"a" :2}', '{"a:":1,"a:":2}', '{"a":"\\":","a":1}',
     '{"a": {"b": 1, "b": 2}}', '[{"a": 1, "a": 2}]'],
)  # fmt: skip
def test_no_key_is_lost(text: str) -> None:
    with pytest.raises(NotJson, match="stands twice"):
        from_json(text)


@pytest.mark.parametrize(
    ("text", "message", "line", "column", "path"),
    [
        ("", "a value must come here", 1, 1, ()),
        ("{'a': 1}", "a key in double quotes", 1, 2, ()),
        ("[1] 2", "something follows", 1, 5, ()),
        ('{"a": [1,\n {"b": NaN}]}', "NaN is not a finite number", 2, 8, ("a", 1, "b")),
        ("[-Infinity]", "-Infinity is not a finite number", 1, 2, (0,)),
        ('{"x": 1e400}', "1e400 is too large", 1, 7, ("x",)),
        ("1e-400", "lose digits", 1, 1, ()),
        ("[3.14159265358979323846]", "3.14159265358979323846 would lose digits", 1, 2, (0,)),
        ("9007199254740993.0", "lose digits", 1, 1, ()),
        ("9" * 4301, "more than 4,300 digits", 1, 1, ()),
        ('{"a": 1,\n "a": 2}', 'the key "a" stands twice', 2, 2, ("a",)),
        ('[{"b": {"\\u0063": 1, "c": 1}}]', 'the key "c" stands twice', 1, 22, (0, "b", "c")),
        ("[" * 201 + "]" * 201, "deeper than 200 levels", 1, 1, ()),
        ("[" * 100_000, "deeper than 200 levels", 1, 1, ()),
    ],
)
def test_what_is_refused_is_told_with_its_place(
    text: str, message: str, line: int, column: int, path: tuple[Any, ...]
) -> None:
    with pytest.raises(NotJson, match=message) as caught:
        from_json(text)
    fault = caught.value
    assert (fault.line, fault.column, fault.path) == (line, column, path)
    assert f"line {line}, column {column}" in str(fault)
    assert isinstance(fault, ValueError)
    assert str(pickle.loads(pickle.dumps(fault))) == str(fault)


def test_a_line_break_in_text_is_refused() -> None:  # where it is, interpreters tell in two ways
    with pytest.raises(NotJson, match="a line break or control character inside text"):
        from_json('["a\nb"]')


def test_the_first_of_several_faults_is_told() -> None:
    with pytest.raises(NotJson, match="NaN"):
        from_json('{"a": NaN, "b": 1e400, "b": 2}')


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"a": 1}', {"a": 1}),
        (" \n[1]", [1]),
        ("\ufeff {}", {}),
        ("", None),
        ("  ", None),
        ("12", None),
        ('"{}"', None),
        ("text", None),
    ],
)
def test_only_objects_and_lists_are_opened(text: str, expected: Any) -> None:
    assert container_in(text) == expected


def test_text_that_begins_like_a_list_and_is_none_is_refused() -> None:
    with pytest.raises(NotJson, match="a value must come here"):
        container_in("[draft")
