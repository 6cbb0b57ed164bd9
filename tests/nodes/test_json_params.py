"""Text that is read as JSON because a param takes lists and objects and no text."""

from __future__ import annotations

from typing import Any

import pytest

from batchmill.errors import InvalidParams
from batchmill.nodes.json_params import container_param


@pytest.mark.parametrize(
    ("value", "types", "expected"),
    [
        ("[1]", "array", [1]),
        ('{"a": 1}', ("array", "object"), {"a": 1}),
        (" [1]", ["array", "null"], [1]),
        ("[1]", "string", "[1]"),
        ("[1]", ["array", "string"], "[1]"),
        ("[1]", None, "[1]"),
        ("[1]", "null", "[1]"),
        ("[1]", "object", "[1]"),
        ("text", "array", "text"),
        ([1], "object", [1]),
    ],
)
def test_text_is_read_where_nothing_but_a_container_is_taken(value: Any, types: Any, expected: Any) -> None:
    assert container_param(value, types, "it") == expected


def test_text_that_cannot_be_read_is_told_with_its_place() -> None:
    with pytest.raises(InvalidParams, match=r"it must be a list, and .* not JSON: .* at line 1, column 5"):
        container_param("[1, NaN]", "array", "it")
