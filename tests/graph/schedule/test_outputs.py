"""Declared outputs: each is of the type it is declared to be, or fails the run."""

from __future__ import annotations

import datetime
import math
from typing import Any

import numpy
import pytest

import batchmill
from batchmill.errors import WrongOutput
from batchmill.graph.schedule.outputs import typed
from batchmill.ir.models.workflow import OutputSpec
from batchmill.lists import JoinedList


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("any", object, object),
        ("string", "[1]", "[1]"),
        ("string", datetime.date(2024, 1, 2), datetime.date(2024, 1, 2)),
        ("integer", 3, 3),
        ("int", 3.0, 3.0),
        ("integer", numpy.int64(3), 3),
        ("number", 2.5, 2.5),
        ("number", numpy.float32(0.5), 0.5),
        ("boolean", False, False),
        ("array", (1, 2), (1, 2)),
        ("array", "[1, 2]", [1, 2]),
        ("list", {1}, {1}),
        ("array", JoinedList([[1], [2]]), [1, 2]),
        ("object", '{"a": 1}', {"a": 1}),
        ("dict", {"a": 1}, {"a": 1}),
    ],
)
def test_a_value_of_its_type_is_given_as_it_is(kind: Any, value: Any, expected: Any) -> None:
    assert typed(value, OutputSpec(type=kind)) == expected


@pytest.mark.parametrize(
    ("kind", "value", "words"),
    [
        ("integer", "3", "must be a whole number, not text"),
        ("integer", 2.5, "not a number with a fraction"),
        ("integer", True, "not a boolean"),
        ("number", "3", "must be a number, not text"),
        ("number", math.nan, "must be a number, not nan"),
        ("boolean", 1, "must be true or false, not a number"),
        ("boolean", "true", "must be true or false, not text"),
        ("string", 3, "must be text, not a number"),
        ("string", None, "must be text, not null"),
        ("string", JoinedList([[1]]), "must be text, not a list"),
        ("array", "text", "must be a list, not text"),
        ("array", '{"a": 1}', "must be a list, not an object"),
        ("object", '{"a": NaN}', r"its text is no JSON: NaN .* \(\$\.a\)"),
        ("object", [1], "must be an object, not a list"),
    ],
)
def test_a_value_of_another_type_is_refused(kind: Any, value: Any, words: str) -> None:
    with pytest.raises(WrongOutput, match=words):
        typed(value, OutputSpec(type=kind))


def test_an_output_of_another_type_fails_the_run_and_is_named() -> None:
    node = {"id": "a", "type": "echo", "params": {"message": "3"}}
    outputs = {
        "n": {"source": "${a.echo}", "type": "integer"},
        "t": {"source": "${a.echo}", "type": "string"},
    }
    run = batchmill.run({"nodes": [node], "outputs": outputs})
    assert (run.status, run.outputs) == ("failed", {"t": "3"})
    assert [(error["type"], error["message"]) for error in run.errors] == [
        ("WrongOutput", "output 'n': must be a whole number, not text")
    ]


def test_so_does_one_of_a_sub_workflow() -> None:
    inner = {
        "nodes": [{"id": "a", "type": "echo", "params": {"message": "x"}}],
        "outputs": {"rows": {"source": "${a.echo}", "type": "array"}},
    }
    run = batchmill.run({"nodes": [{"id": "w", "type": "workflow", "params": {"workflow": inner}}]})
    assert run.status == "failed"
    assert "output 'rows': must be a list, not text" in run.errors[0]["message"]


def test_what_is_left_unresolved_is_not_looked_at() -> None:
    document = {
        "template_resolution_mode": "permissive",
        "nodes": [{"id": "a", "type": "code", "params": {"code": "result = {}"}}],
        "outputs": {"n": {"source": "${a.result.n}", "type": "integer"}},
    }
    run = batchmill.run(document)
    assert (run.status, run.outputs) == ("degraded", {"n": "${a.result.n}"})


def test_what_has_no_form_in_json_fails_the_run_with_its_place() -> None:
    node = {"id": "a", "type": "code", "params": {"code": "result = {'rows': [1, object()]}"}}
    run = batchmill.run({"nodes": [node], "outputs": {"o": {"source": "${a.result}"}}})
    assert run.status == "failed"
    assert "output 'o'.rows[1] is an object, which has no form in JSON" in run.errors[0]["message"]


@pytest.mark.slow
def test_so_it_does_deep_in_a_list_that_is_not_held() -> None:
    code = {"code": "result = n if n < 12000 else object()", "inputs": {"n": "${item}"}}
    node = {"id": "a", "type": "code", "params": code, "batch": {"items": {"range": [12001]}}}
    run = batchmill.run({"nodes": [node], "outputs": {"o": {"source": "${a.results[*].result}"}}})
    assert (run.status, run.outputs) == ("failed", {})
    assert "output 'o'[...] is an object" in run.errors[0]["message"]
