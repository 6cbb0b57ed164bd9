"""Answers that come part by part: the same outputs as in one piece, and an event for each part."""

from __future__ import annotations

import json
from codecs import BOM_UTF8

import pytest

import batchmill
from batchmill.attempt import Attempt
from batchmill.errors import NodeError
from batchmill.events import AnswerPart
from batchmill.nodes.llm.stream import PartialChat, ServerEvents

USAGE = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
SECRET = "sk-canary-0123456789"


def chunk(delta, finish=None, index=0, **more):
    return {"choices": [{"index": index, "delta": delta, "finish_reason": finish}], **more}


def stream(*chunks, done=True):
    """An answer of the server."""
    data = [json.dumps(one) for one in chunks] + ["[DONE]"] * done
    body = ": keep alive\n\n" + "".join(f"data: {one}\n\n" for one in data)
    return 200, body.encode(), {"Content-Type": "text/event-stream; charset=utf-8"}


HELLO = (
    chunk({"role": "assistant", "content": ""}),
    chunk({"reasoning_content": "They "}),
    chunk({"reasoning_content": "greet."}),
    chunk({"content": "Hel"}),
    chunk({"content": "lo"}),
    chunk({}, "stop"),
    {"choices": [], "usage": USAGE},
)


def document(model, executor="thread", items=("x",), **params):
    node = {"id": "ask", "type": "llm", "batch": {"items": list(items), "executor": executor}}
    node["params"] = {"prompt": "${item}", "model": "m", "base_url": model.base_url, "stream": True, **params}
    return {"nodes": [node]}


def heard(document, **more):
    """The result of a run, and the parts of answers that were told."""
    parts = []
    listeners = [lambda event: parts.append(event) if isinstance(event, AnswerPart) else None]
    return batchmill.run(document, listeners=listeners, **more), parts


@pytest.fixture(autouse=True)
def _the_extra():
    pytest.importorskip("openai", reason="the extra `llm` is not installed", exc_type=ImportError)


def test_the_outputs_are_those_of_an_answer_in_one_piece(ask, model, completion):
    model.answers = [stream(*HELLO), completion("Hello", reasoning_content="They greet.")]
    streamed, whole = ask("x", stream=True), ask("x")
    assert streamed["llm_usage"].pop("cached_tokens") is None  # which this stream does not tell
    assert whole["llm_usage"].pop("cached_tokens") == 0
    assert streamed == whole
    assert model.asked[0]["stream"] is True
    assert model.asked[0]["stream_options"] == {"include_usage": True}
    assert "stream" not in model.asked[1]


@pytest.mark.parametrize("executor", ["sequential", "thread", "process"])
def test_each_part_is_an_event(model, executor):
    model.answers = [stream(*HELLO)]
    result, parts = heard(document(model, executor))
    assert result.outputs["results"][0]["response"] == "Hello"
    assert [(call["input_tokens"], call["output_tokens"]) for call in result.llm_calls] == [(10, 5)]
    told = [(one.node, one.index, one.kind, one.text) for one in parts]
    texts = [("reasoning", "They "), ("reasoning", "greet."), ("text", "Hel"), ("text", "lo")]
    assert told == ([] if executor == "process" else [("ask", 0, kind, text) for kind, text in texts])
    assert {one.call for one in parts} == ({result.llm_calls[0]["id"]} if parts else set())


def test_tool_calls_several_answers_and_probabilities(ask, model):
    def call(**function):
        return {"tool_calls": [{"index": 0, "function": function}]}

    first = {"tool_calls": [{"index": 0, "id": "c1", "type": "function", "function": {"name": "add"}}]}
    probable = chunk({"content": "B"}, index=1)
    probable["choices"][0]["logprobs"] = {"content": [{"token": "B", "logprob": -0.1}]}
    model.answers = [
        stream(
            chunk(first),
            probable,
            chunk(call(arguments='{"a"')),
            chunk(call(arguments=": 1}")),
            chunk({"content": "C"}, "stop", index=1),
            chunk({}, "tool_calls"),
            {"choices": [], "usage": USAGE},
        )
    ]
    outputs = ask("x", stream=True, n=2, raw=True)
    assert outputs["tool_calls"] == [{"id": "c1", "name": "add", "arguments": {"a": 1}}]
    assert outputs["choices"][1]["response"] == "BC"
    assert outputs["choices"][1]["logprobs"] == [{"token": "B", "logprob": -0.1}]
    assert outputs["raw"]["usage"] == USAGE


@pytest.mark.parametrize(
    "broken",
    [
        stream(*HELLO[:4], done=False),
        stream(*HELLO[:4], {"error": {"message": "overloaded", "code": 500}}, done=False),
        (200, b"data: {not json\n\n", {"Content-Type": "text/event-stream"}),
    ],
    ids=["ends early", "an error", "no parts"],
)
def test_a_stream_that_breaks_is_tried_again_and_may_be_paid(model, broken):
    model.answers = [broken, stream(*HELLO)]
    made = document(model)
    made["nodes"][0]["batch"]["retry_wait"] = 0.01
    result, _ = heard(made)
    assert result.outputs["results"][0]["response"] == "Hello"
    assert [(call["attempt"], call["estimated"]) for call in result.llm_calls] == [(1, True), (2, False)]


def test_why_it_broke_is_said(ask, model):
    model.answers = [stream(*HELLO[:4], done=False)]
    with pytest.raises(NodeError, match="ended before the answer did") as caught:
        ask("x", stream=True)
    assert caught.value.retryable


@pytest.mark.parametrize("begun", [False, True])
def test_a_refusal_in_a_stream_is_one(ask, model, begun):
    """What was said before it may be paid."""
    before = HELLO[:4] if begun else ()
    model.answers = [stream(*before, {"error": {"message": "slow down", "code": 429}}, done=False)]
    attempt = Attempt()
    with pytest.raises(NodeError) as caught:
        ask("x", stream=True, attempt=attempt)
    assert caught.value.refused
    assert [call.estimated for call in attempt.recorder] == [True] * begun


def test_servers_that_do_not_stream_are_heard_at_the_end(model):
    model.answers = ["Hello"]
    result, parts = heard(document(model))
    assert result.status == "success"
    assert [one.text for one in parts] == ["Hello"]


def test_a_stream_that_is_too_large_is_refused(ask, model):
    model.answers = [stream(*HELLO)]
    with pytest.raises(NodeError, match="more than 100 bytes"):
        ask("x", stream=True, max_response_bytes=100)


def test_a_secret_is_masked_that_comes_in_two_parts(model):
    pieces = ["The key is ", SECRET[:7], SECRET[7:12], SECRET[12:], ", sir", " and s"]
    model.answers = [stream(*(chunk({"content": one}) for one in pieces), chunk({}, "stop"))]
    made = document(model)
    made["inputs"] = {"key": {"type": "string", "secret": True}}
    made["nodes"][0]["params"]["api_key"] = "${key}"
    result, parts = heard(made, params={"key": SECRET})
    assert "".join(one.text for one in parts) == "The key is ***, sir and s"
    assert len(parts) >= 3
    assert SECRET not in json.dumps(result.outputs)


def test_turning_it_on_keeps_what_a_run_has(model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model.answers = [stream(*HELLO)]
    kind = batchmill.nodes.default_registry().get("llm")
    assert kind.content({"prompt": "x", "stream": True}) == kind.content({"prompt": "x"})


@pytest.mark.parametrize("size", [1, 3, 1000])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_events_are_found_however_the_bytes_come(size, end):
    lines = ["event: x", 'data: {"a":', "data: 1}", "", ":", "", "data:[DONE]"]
    body = end.join(lines).encode()
    assert list(ServerEvents().feed(BOM_UTF8 + b"data: 1\n\n")) == [b"1"]
    events = ServerEvents()
    found = [one for at in range(0, len(body), size) for one in events.feed(body[at : at + size])]
    assert [*found, *events.end()] == [b'{"a":\n1}', b"[DONE]"]


def test_parts_without_an_index_belong_to_the_first_answer():
    gathering = PartialChat(None)
    for text in ("a", "b"):
        gathering.add({"choices": [{"delta": {"content": text}}], "model": "m"})
    assert gathering.whole()["choices"][0]["message"]["content"] == "ab"
