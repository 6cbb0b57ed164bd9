"""JSON Schema's types as Python values have them."""

from __future__ import annotations

import pytest

from batchmill.ir.json_types import is_type, type_words


@pytest.mark.parametrize(
    ("value", "types"),
    [
        ("a", {"string"}),
        (1, {"integer", "number"}),
        (1.0, {"integer", "number"}),
        (1.5, {"number"}),
        (True, {"boolean"}),
        (None, {"null"}),
        ([], {"array"}),
        ((1,), {"array"}),
        ({}, {"object"}),
        (float("nan"), {"number"}),
        (object(), set()),
    ],
)
def test_a_value_is_of_its_types_and_no_others(value, types):
    every = {"string", "integer", "number", "boolean", "null", "array", "object"}
    assert {name for name in every if is_type(value, name)} == types
    assert is_type(value, "any")


def test_types_can_be_joined():
    assert is_type("a", "array|string")
    assert not is_type(1, "array|string")
    assert type_words("string|array") == "text or a list"
