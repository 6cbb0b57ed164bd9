"""The interface `/responses`: asked and answered as the chat interface is."""

from __future__ import annotations

import json

import pytest

from batchmill.attempt import Attempt
from batchmill.errors import NodeError

USAGE = {
    "input_tokens": 10,
    "output_tokens": 5,
    "total_tokens": 15,
    "input_tokens_details": {"cached_tokens": 4},
    "output_tokens_details": {"reasoning_tokens": 2},
}
TOOL = {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}


def message(*texts, **more):
    parts = [{"type": "output_text", "text": text, "annotations": [], **more} for text in texts]
    return {"type": "message", "role": "assistant", "content": parts}


def response(*output, **more):
    return {
        "id": "r1",
        "object": "response",
        "status": "completed",
        "output": [*output],
        "usage": USAGE,
        **more,
    }


@pytest.fixture
def ask_it(ask, model):
    def of(prompt, *answers, **params):
        model.answers = list(answers)
        return ask(prompt, api="responses", **params)

    return of


def test_what_is_asked_and_answered(ask_it, model):
    thought = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "They greet."}]}
    outputs = ask_it(
        "Say hello",
        response(thought, message("Hel", "lo")),
        system="Be short",
        temperature=0.5,
        max_tokens=20,
        options={"seed": 7},
    )
    assert (outputs["response"], outputs["reasoning"], outputs["finish_reason"]) == (
        "Hello",
        "They greet.",
        "stop",
    )
    usage = outputs["llm_usage"]
    assert [usage[name] for name in ("input_tokens", "output_tokens", "cached_tokens")] == [10, 5, 4]
    assert usage["reasoning_tokens"] == 2
    assert model.asked == [
        {
            "model": "m",
            "input": [{"role": "system", "content": "Be short"}, {"role": "user", "content": "Say hello"}],
            "store": False,
            "temperature": 0.5,
            "max_output_tokens": 20,
            "seed": 7,
        }
    ]


def test_pictures_tools_and_their_results(ask_it, model):
    call = {"type": "function_call", "call_id": "c2", "name": "add", "arguments": '{"a": 2}'}
    asked = [
        {"role": "user", "content": [{"type": "text", "text": "1 + 1?"}]},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "add", "arguments": "{}"}}],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "2"},
    ]
    outputs = ask_it(
        "and this?",
        response(call),
        messages=asked,
        images="https://example.com/a.png",
        tools=[TOOL],
        tool_choice={"type": "function", "function": {"name": "add"}},
    )
    assert outputs["tool_calls"] == [{"id": "c2", "name": "add", "arguments": {"a": 2}}]
    assert (outputs["response"], outputs["finish_reason"]) == ("", "tool_calls")
    (body,) = model.asked
    assert body["tools"] == [{"type": "function", "name": "add", "parameters": {"type": "object"}}]
    assert body["tool_choice"] == {"type": "function", "name": "add"}
    assert body["input"] == [
        {"role": "user", "content": [{"type": "input_text", "text": "1 + 1?"}]},
        {"type": "function_call", "call_id": "c1", "name": "add", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "2"},
        {
            "role": "user",
            "content": [
                {"type": "input_text", "text": "and this?"},
                {"type": "input_image", "image_url": "https://example.com/a.png"},
            ],
        },
    ]


def test_a_shape_is_asked_for_and_repaired(ask_it, model):
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    schema["additionalProperties"] = False
    outputs = ask_it("x", response(message("no")), response(message('{"n": 1}')), output_schema=schema)
    assert outputs["response"] == {"n": 1}
    assert outputs["llm_usage"]["repairs"] == 1
    wanted = {"type": "json_schema", "name": "output", "schema": schema, "strict": True}
    assert model.asked[0]["text"] == {"format": wanted}
    assert [one["role"] for one in model.asked[1]["input"]] == ["user", "assistant", "user"]


def test_probabilities(ask_it, model):
    told = [{"token": "a", "logprob": -0.1}]
    assert ask_it("x", response(message("a", logprobs=told)), logprobs=True)["logprobs"] == told
    assert model.asked[0]["include"] == ["message.output_text.logprobs"]
    assert "logprobs" not in model.asked[0]


@pytest.mark.parametrize(
    ("answer", "kind", "words", "retryable"),
    [
        (response(status="failed", error={"message": "overloaded"}), "BadAnswer", "overloaded", True),
        (response(status="queued"), "BadAnswer", "its status is 'queued'", True),
        ({"choices": []}, "BadAnswer", "it has no `output`", True),
        (response(), "EmptyAnswer", "it is empty", True),
        (
            response(status="incomplete", incomplete_details={"reason": "max_output_tokens"}),
            "EmptyAnswer",
            "more `max_tokens`",
            False,
        ),
        (
            response({"type": "message", "content": [{"type": "refusal", "refusal": "I won't"}]}),
            "Refused",
            "I won't",
            False,
        ),
    ],
    ids=["failed", "queued", "another", "empty", "cut off", "refused"],
)
def test_answers_that_are_of_no_use_and_are_paid(ask_it, answer, kind, words, retryable):
    attempt = Attempt()
    with pytest.raises(NodeError, match=words) as caught:
        ask_it("x", answer, attempt=attempt)
    assert (caught.value.type_name, caught.value.retryable) == (kind, retryable)
    (call,) = attempt.recorder
    assert call.error


def test_a_stream(ask_it, model):
    def event(kind, **more):
        return f"event: {kind}\ndata: {json.dumps({'type': kind, **more})}\n\n"

    whole = response(message("Hello"))
    body = event("response.created", response={"status": "in_progress", "error": None})
    body += event("response.output_text.delta", delta="Hel") + event("response.output_text.delta", delta="lo")
    stream = {"Content-Type": "text/event-stream"}
    ended = body + event("response.completed", response=whole)
    parts = []
    outputs = ask_it("x", (200, ended.encode(), stream), stream=True, attempt=Attempt(tell=parts.append))
    assert outputs["response"] == "Hello"
    assert [one.text for one in parts] == ["Hel", "lo"]
    assert model.asked[0]["stream"] is True
    with pytest.raises(NodeError, match="ended before the answer did"):
        ask_it("x", (200, body.encode(), stream), stream=True)
    failed = body + event("error", code="server_error", message="overloaded")
    with pytest.raises(NodeError, match="overloaded"):
        ask_it("x", (200, failed.encode(), stream), stream=True)


@pytest.mark.parametrize("said", ["in parts", "whole"])
def test_a_stream_whose_end_has_no_output(ask_it, said):
    events = [{"type": "response.output_text.delta", "delta": text} for text in ("Hel", "lo")]
    if said == "whole":
        events.append({"type": "response.output_item.done", "item": message("Hello")})
    events.append({"type": "response.completed", "response": response()})
    body = "".join(f"data: {json.dumps(one)}\n\n" for one in events)
    outputs = ask_it("x", (200, body.encode(), {"Content-Type": "text/event-stream"}), stream=True)
    assert outputs["response"] == "Hello"
    assert outputs["llm_usage"]["total_tokens"] == 15


def test_text_that_is_not_in_parts_and_tools_with_plain_text(ask_it):
    assert ask_it("x", response({"type": "message", "content": "Hello"}))["response"] == "Hello"
    call = {"type": "custom_tool_call", "call_id": "c1", "name": "run", "input": "ls -l"}
    outputs = ask_it("x", response(call))
    assert outputs["finish_reason"] == "tool_calls"
    assert outputs["tool_calls"] == [{"id": "c1", "name": "run", "arguments": "ls -l"}]


def test_several_answers_are_not_to_be_had(check):
    assert [name for name, _ in check("llm", prompt="x", model="m", api="responses", n=2)] == ["n"]
