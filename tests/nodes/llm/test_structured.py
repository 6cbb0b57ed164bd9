"""Answers of a given shape, and the one that is asked for again."""

from __future__ import annotations

import pytest

from batchmill.attempt import Attempt
from batchmill.errors import NodeError
from batchmill.nodes.llm.structured import faults, response_format

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


ADA = {"name": "Ada", "age": 36}


@pytest.mark.parametrize(
    "text",
    [
        f"<think>a {{b}} c</think>\n{GOOD}",
        f"the beginning is not marked </think> {GOOD}",
        f"Sure! Here it is:\n```json\n{GOOD}\n```\nAnything else?",
        f"Like ```x``` or:\n```\nno\n```\n  ```json\n{GOOD}\n  ```",
        f"Of {{name}} and [age] I found {GOOD} and no {{more}}.",
        f"{{}} is empty, {GOOD} is not",
    ],
)
def test_what_stands_around_the_value_is_forgiven(ask, model, text):
    model.answers = [text]
    outputs = ask("Who?", output_schema=SCHEMA)
    assert outputs["response"] == ADA
    assert (len(model.asked), outputs["llm_usage"].get("repairs")) == (1, None)


@pytest.mark.parametrize(
    ("text", "schema"),
    [
        (f"[{GOOD}]", SCHEMA),  # a part of what was said is not what was said
        (f'[{GOOD}, {{"name": "Bob"', SCHEMA),
        (f'{{"found": {GOOD}}}', SCHEMA),
        ("I think 4", {"type": "integer"}),
    ],
)
def test_what_is_no_answer_stays_none(text, schema):
    assert faults(text, schema)[1]


def test_a_text_may_hold_what_ends_a_thought():
    text = '{"name": "</think> {}", "age": 1}'
    assert faults(text, SCHEMA) == ({"name": "</think> {}", "age": 1}, [])


def test_of_an_answer_that_was_cut_off_no_part_is_taken():
    assert faults(f"{GOOD} or else {{", SCHEMA, whole=True)[1]
    assert faults(f"<think>x</think>{GOOD}", SCHEMA, whole=True) == (ADA, [])


def test_long_answers_take_no_time():
    for text in ("{" * 10**5, "[]" * 10**5, "```\n" * 10**4, '"' * 10**5, "{}\\" * 10**5):
        assert faults(text, SCHEMA)[1]


@pytest.mark.parametrize(("repairs", "asked"), [(0, 1), (3, 4)])
def test_repairs_are_counted_and_bounded(ask, model, repairs, asked):
    model.answers = ["no"]
    with pytest.raises(NodeError) as caught:
        ask("Who?", output_schema=SCHEMA, repairs=repairs)
    assert len(model.asked) == asked
    assert caught.value.outputs["llm_usage"].get("repairs", 0) == repairs
    assert caught.value.outputs["llm_usage"]["calls"] == asked


@pytest.mark.parametrize(("mode", "wanted"), [("json_object", {"type": "json_object"}), ("prompt", None)])
def test_servers_that_take_no_schema_are_told_in_words(ask, model, mode, wanted):
    model.answers = [GOOD]
    assert ask("Who?", output_schema=SCHEMA, mode=mode)["response"] == ADA
    assert model.asked[0].get("response_format") == wanted
    (message,) = model.asked[0]["messages"]
    assert message["content"].startswith("Who?\n\nAnswer with nothing but JSON")
    assert '"additionalProperties": false' in message["content"]
    ask("Who?", mode=mode)
    assert model.asked[1]["messages"] == [{"role": "user", "content": "Who?"}]
