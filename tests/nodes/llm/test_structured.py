"""Answers of a given shape, and the one that is asked for again."""

from __future__ import annotations

import pytest

from batchmill.attempt import Attempt
from batchmill.errors import NodeError
from batchmill.nodes.llm.structured import response_format

SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer", "minimum": 0}},
    "required": ["name", "age"],
    "additionalProperties": False,
}
GOOD = '{"name": "Ada", "age": 36}'


@pytest.mark.parametrize("text", [GOOD, f"```json\n{GOOD}\n```", f"  {GOOD}\n"])
def test_the_value_is_the_response(ask, model, text):
    model.answers = [text]
    assert ask("Who?", output_schema=SCHEMA)["response"] == {"name": "Ada", "age": 36}
    wanted = model.asked[0]["response_format"]
    assert wanted["type"] == "json_schema"
    assert wanted["json_schema"]["schema"] == SCHEMA
    assert wanted["json_schema"]["strict"] is True


@pytest.mark.parametrize("text", ["I think Ada", '{"name": "Ada"}', '{"name": "Ada", "age": -1}', "[]"])
def test_a_wrong_answer_is_asked_for_once_more(ask, model, text):
    model.answers = [text, GOOD]
    attempt = Attempt(number=2)
    outputs = ask("Who?", output_schema=SCHEMA, attempt=attempt)
    assert outputs["response"]["age"] == 36
    assert outputs["llm_usage"]["calls"] == 2
    assert outputs["llm_usage"]["total_tokens"] == 30
    again = model.asked[1]["messages"]
    assert again[1] == {"role": "assistant", "content": text}
    assert "JSON Schema" in again[2]["content"]
    first, second = attempt.recorder
    assert (bool(first.error), bool(second.error)) == (True, False)
    assert {first.attempt, second.attempt} == {2}


def test_only_once(ask, model):
    model.answers = ["no"]
    attempt = Attempt()
    with pytest.raises(NodeError, match="not JSON") as caught:
        ask("Who?", output_schema=SCHEMA, attempt=attempt)
    assert len(model.asked) == len(attempt.recorder) == 2
    assert caught.value.retryable
    assert caught.value.outputs["response"] == "no"
    assert caught.value.outputs["llm_usage"]["total_tokens"] == 30


def test_what_was_cut_off_is_not_asked_for_again(ask, model, completion):
    model.answers = [completion('{"name": "A', finish="length")]
    with pytest.raises(NodeError, match="cut off") as caught:
        ask("Who?", output_schema=SCHEMA)
    assert not caught.value.retryable
    assert len(model.asked) == 1


def test_the_first_call_counts_where_the_second_fails(ask, model):
    model.answers = ["no", (500, {}, {})]
    attempt = Attempt()
    with pytest.raises(NodeError, match="500"):
        ask("Who?", output_schema=SCHEMA, attempt=attempt)
    assert [call.input_tokens for call in attempt.recorder] == [10]


@pytest.mark.parametrize(
    ("schema", "strict"),
    [
        (SCHEMA, True),
        ({"type": "string"}, True),
        ({**SCHEMA, "additionalProperties": True}, False),
        ({**SCHEMA, "required": ["name"]}, False),
        ({"type": "array", "items": {"type": "object"}}, False),
        ({"anyOf": [SCHEMA, {"properties": {}}]}, False),
    ],
)
def test_strictness_is_asked_for_where_the_schema_allows_it(schema, strict):
    assert response_format(schema)["json_schema"]["strict"] is strict


def test_references_to_elsewhere_are_not_fetched(ask, model):
    model.answers = ["{}"]
    with pytest.raises(NodeError):
        ask("Who?", output_schema={"$ref": f"{model.base_url}/schema"})
    assert all("messages" in body for body in model.asked)
