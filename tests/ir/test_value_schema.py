"""Schemas of inputs: sound ones are applied, none leads outside, secrets are not shown."""

from __future__ import annotations

import pytest

from batchmill.ir import patterns
from batchmill.ir.value_schema import schema_fault, value_faults


@pytest.mark.parametrize("schema", [None, True, False, {}, {"type": "integer"}, {"$ref": "#/$defs/x"}])
def test_sound_schemas(schema):
    assert schema_fault(schema) is None


@pytest.mark.parametrize("schema", [{"type": "intger"}, {"minimum": "x"}, {"required": "a"}])
def test_unsound_schemas_are_told_why(schema):
    assert schema_fault(schema)


def test_a_value_is_judged():
    assert value_faults(5, {"minimum": 1}, False) == []
    (fault,) = value_faults({"n": 0}, {"properties": {"n": {"minimum": 1}}}, False)
    assert fault == "$.n: 0 is less than the minimum of 1"
    assert value_faults(1, None, False) == value_faults(1, True, False) == []
    assert value_faults(1, False, False)


def test_a_secret_value_is_not_shown():
    (fault,) = value_faults("hunter2", {"pattern": "^[a-z]+$"}, True)
    assert "hunter2" not in fault
    assert "pattern" in fault


def test_references_to_other_documents_are_not_fetched():
    (fault,) = value_faults(1, {"$ref": "http://127.0.0.1:9/schema.json"}, False)
    assert "not in it" in fault


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"anyOf": [{"$ref": "#"}]},
        {"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"not": {"$ref": "#/$defs/a"}}}, "$ref": "#/$defs/a"},
        {"$dynamicRef": "#"},
        {"$schema": "http://json-schema.org/draft-07/schema#", "allOf": [{"$ref": "#"}]},
    ],
)
def test_a_schema_that_refers_to_itself_ends(schema):
    (fault,) = value_faults(1, schema, False)
    assert "refers to itself" in fault


def nested(levels, value=None):
    for _ in range(levels):
        value = [value]
    return value


def test_a_recursive_schema_judges_nested_values_up_to_a_depth():
    schema = {"type": ["array", "null"], "items": {"$ref": "#"}}
    assert value_faults(nested(40), schema, False) == []
    assert "is not of type" in value_faults(nested(40, "x"), schema, False)[0]
    assert "refers to itself" in value_faults(nested(900), schema, False)[0]


def test_a_schema_of_many_levels_is_refused():
    schema = {}
    for _ in range(100):
        schema = {"not": schema}
    assert "nested deeper" in schema_fault(schema)
    for _ in range(70):
        schema = schema["not"]
    assert schema_fault(schema) is None
    assert value_faults(1, schema, False) == []


def test_references_within_the_schema_are_followed():
    schema = {"$defs": {"small": {"maximum": 3}}, "items": {"$ref": "#/$defs/small"}}
    assert value_faults([1, 2], schema, False) == []
    assert len(value_faults([1, 4, 5], schema, False)) == 2


SLOW = "^(a+)+$"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "string", "pattern": SLOW}, "a" * 60 + "!"),
        ({"properties": {"n": {"pattern": SLOW}}}, {"n": "a" * 60 + "!"}),
        ({"patternProperties": {SLOW: {}}}, {"a" * 60 + "!": 1}),
        ({"additionalProperties": False, "patternProperties": {SLOW: {}}}, {"a" * 60 + "!": 1}),
    ],
)
def test_a_pattern_that_never_ends_is_a_fault(monkeypatch, schema, value):
    monkeypatch.setattr(patterns, "LIMIT_SECONDS", 1.0)
    (fault,) = value_faults(value, schema, False)
    assert "its pattern '^(a+)+$' takes more than" in fault


@pytest.mark.parametrize("text", ["a" * 60, "a-b-c-d-e-f-g-h", "no match!", ""])
def test_patterns_with_repetitions_within_repetitions_are_compared_as_ever(text):
    faults = value_faults(text, {"pattern": "^[a-z]+(-[a-z]+)*$"}, False)
    assert bool(faults) == (text in ("no match!", ""))
