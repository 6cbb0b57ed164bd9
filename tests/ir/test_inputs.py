"""Values given to a run: missing, unknown, of the wrong type, as text, and kept secret."""

from __future__ import annotations

import math

import pytest

from batchmill.ir.inputs import check_inputs
from batchmill.ir.models import Workflow


def workflow(**inputs):
    return Workflow.model_validate({"nodes": [{"id": "a", "type": "echo"}], "inputs": inputs})


def value_of(spec, value, *, text=False):
    values, problems = check_inputs(workflow(n=spec), {"n": value}, frozenset({"n"} if text else ()))
    assert problems == []
    return values["n"]


def problem_of(spec, value, *, text=False):
    _, (problem,) = check_inputs(workflow(n=spec), {"n": value}, frozenset({"n"} if text else ()))
    assert problem.path == "$.inputs.n"
    return problem


def test_defaults_are_filled_in():
    inputs = workflow(a={"default": [1]}, b={"required": False}, c={"type": "integer"})
    assert check_inputs(inputs, {"c": 3}) == ({"a": [1], "b": None, "c": 3}, [])


def test_a_required_input_must_be_given():
    _, (problem,) = check_inputs(workflow(n={"description": "how many"}), {})
    assert problem.path == "$.inputs.n"
    assert "`n` is missing" in problem.message
    assert "n=VALUE" in problem.hint
    assert "how many" in problem.hint


def test_an_unknown_name_is_told_with_the_near_one():
    _, (problem,) = check_inputs(workflow(folder={"required": False}), {"foldr": 1})
    assert problem.hint == "did you mean `folder`?"
    _, (problem,) = check_inputs(workflow(), {"x": 1})
    assert problem.hint == "there are none"


def test_all_problems_come_at_once():
    inputs = workflow(a={}, b={"type": "integer"}, c={"type": "array"})
    _, problems = check_inputs(inputs, {"b": "x", "c": 1, "z": 2})
    assert [problem.path for problem in problems] == ["$.inputs.z", "$.inputs.a", "$.inputs.b", "$.inputs.c"]


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("integer", "12", 12),
        ("integer", " -3 ", -3),
        ("integer", "4.0", 4),
        ("number", "1.5", 1.5),
        ("number", "2", 2),
        ("number", "1e3", 1000.0),
        ("boolean", "true", True),
        ("boolean", "False", False),
        ("array", '[1, "a"]', [1, "a"]),
        ("object", '{"a": null}', {"a": None}),
        ("string", "12", "12"),
        ("string", "", ""),
        ("any", "12", "12"),
    ],
)
def test_text_is_read_as_the_declared_type(kind, text, value):
    found = value_of({"type": kind}, text, text=True)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("integer", "1.5"),
        ("integer", "x"),
        ("integer", ""),
        ("integer", "true"),
        ("integer", "9" * 5000),
        ("number", "NaN"),
        ("number", "1e999"),
        ("number", "abc"),
        ("boolean", "yes"),
        ("boolean", "1"),
        ("array", "1,2"),
        ("array", "{}"),
        ("array", "[NaN]"),
        ("array", "[" * 100_000),
        ("object", "[]"),
        ("object", "{'a': 1}"),
    ],
)
def test_text_that_is_not_of_the_type_is_a_problem(kind, text):
    assert "must be" in problem_of({"type": kind}, text, text=True).message


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("integer", "3"),
        ("integer", True),
        ("integer", None),
        ("number", math.nan),
        ("string", 3),
        ("boolean", "true"),
        ("array", "text"),
        ("array", '{"a": 1}'),
    ],
)
def test_a_value_that_is_no_text_is_not_converted(kind, value):
    assert "must be" in problem_of({"type": kind}, value).message


@pytest.mark.parametrize("value", [object(), None, float("inf"), (1, 2)])
def test_an_input_of_any_type_takes_everything(value):
    assert value_of({}, value) is value


def test_a_whole_float_becomes_an_integer():
    assert type(value_of({"type": "integer"}, 3.0)) is int


def test_a_schema_is_applied():
    spec = {"type": "array", "schema": {"items": {"type": "integer"}, "maxItems": 2}}
    assert value_of(spec, "[1, 2]", text=True) == [1, 2]
    problem = problem_of(spec, [1, "x", 3])
    assert "$[1]" in problem.message
    assert "too long" in problem.message


@pytest.mark.parametrize(
    ("spec", "value", "text"),
    [
        ({"type": "integer"}, "hunter2", True),
        ({"type": "object"}, "hunter2", True),
        ({"type": "array"}, "hunter2", False),
        ({"schema": {"pattern": "^x"}}, "hunter2", True),
        ({"schema": {"items": {"const": 1}}}, ["hunter2"], False),
    ],
)
def test_a_secret_is_in_no_problem(spec, value, text):
    problem = problem_of({**spec, "secret": True}, value, text=text)
    assert "hunter2" not in str(problem)
