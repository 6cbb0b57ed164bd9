"""The provider that says the prompt back."""

from __future__ import annotations

import time

import pytest

from batchmill.attempt import Attempt
from batchmill.concurrency.cancel import CancelToken
from batchmill.errors import AttemptTimeout, Stopped
from batchmill.ir.value_schema import value_faults


def echo(run, prompt, **params):
    return run("llm", prompt=prompt, provider="echo", **params).outputs


def test_it_says_the_prompt_back(run):
    attempt = Attempt()
    outputs = echo(run, "one two three", system="be kind", attempt=attempt)
    assert outputs["response"] == "one two three"
    assert outputs["llm_usage"]["input_tokens"] == 5
    assert outputs["llm_usage"]["output_tokens"] == 3
    (call,) = attempt.recorder
    assert (call.provider, call.model, call.prompt) == ("echo", "echo", "one two three")


def test_it_stops_where_it_should(run):
    outputs = echo(run, "one two three", max_tokens=2)
    assert (outputs["response"], outputs["finish_reason"]) == ("one two", "length")


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {"a": {}, "b": {"type": "integer"}}, "required": ["a"]},
        {"type": "array", "items": {"enum": ["x", "y"]}, "minItems": 2},
        {"properties": {"a": {"$ref": "#/$defs/n"}}, "$defs": {"n": {"type": "number", "minimum": 3}}},
        {"type": ["boolean", "null"]},
        {"anyOf": [{"const": 5}, {"type": "string"}]},
        {"type": "string", "maxLength": 3},
        {"type": "string", "minLength": 30},
        {"type": "null"},
        {"properties": {"a": {"default": {"b": 1}}}},
    ],
)  # fmt: skip
def test_it_answers_in_shape(run, schema):
    outputs = echo(run, "the prompt", output_schema=schema)
    assert value_faults(outputs["response"], schema, secret=False) == []


def test_a_prompt_that_has_the_shape_is_the_answer(run):
    assert echo(run, '{"n": 5}', output_schema={"type": "object"})["response"] == {"n": 5}


def test_it_takes_its_time(run):
    began = time.monotonic()
    echo(run, "x", options={"delay": 0.1})
    assert time.monotonic() - began >= 0.1
    with pytest.raises(AttemptTimeout):
        echo(run, "x", options={"delay": 5}, timeout=0.05)
    token = CancelToken()
    token.cancel()
    with pytest.raises(Stopped, match="cancelled"):
        echo(run, "x", options={"delay": 5}, attempt=Attempt(cancel=token))
