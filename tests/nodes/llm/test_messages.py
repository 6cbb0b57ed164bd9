"""More than one prompt and one text: messages, tools, several answers, what stands beside the text."""

from __future__ import annotations

import pytest

import batchmill
from batchmill.errors import NodeError

TALK = [
    {"role": "system", "content": "be short"},
    {"role": "user", "content": [{"type": "text", "text": "hi", "cache_control": {"type": "ephemeral"}}]},
    {"role": "assistant", "content": {"a": 1}},
]


def test_messages_go_before_the_prompt(ask, model):
    outputs = ask("and now?", messages=TALK, system="first")
    assert outputs["response"] == "hello"
    assert model.asked[0]["messages"] == [
        {"role": "system", "content": "first"},
        TALK[0],
        TALK[1],
        {"role": "assistant", "content": '{"a": 1}'},
        {"role": "user", "content": "and now?"},
    ]


def test_messages_need_no_prompt(run, model):
    pytest.importorskip("openai", reason="the extra `llm` is not installed", exc_type=ImportError)
    asked = [
        {"role": "user", "content": "sum?"},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "type": "function"}]},
        {"role": "tool", "tool_call_id": "1", "content": "3"},
    ]
    run("llm", model="m", base_url=model.base_url, messages=asked)
    assert model.asked[0]["messages"] == asked


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({}, "`prompt` or `messages`"),
        ({"messages": []}, "`prompt` or `messages`"),
        ({"messages": [{"content": "x"}]}, "no `role`"),
        ({"messages": [{"role": "user"}]}, "no `content`"),
        ({"messages": [3]}, "not int"),
    ],
)
def test_messages_that_are_none(params, words):
    node = {"id": "ask", "type": "llm", "params": {"provider": "echo", **params}}
    with pytest.raises(batchmill.errors.InvalidDocument, match=words):
        batchmill.run({"nodes": [node]})


def test_a_message_is_looked_at_again_once_it_is_resolved(run):
    with pytest.raises(NodeError, match=r"messages\[0\] has no `role`"):
        run("llm", provider="echo", messages=[{"role": "", "content": "x"}])


def test_what_is_asked_beside_the_text(ask, model, completion):
    told = completion("a", finish="stop", reasoning_content="hm")
    told["choices"][0]["logprobs"] = {"content": [{"token": "a", "logprob": -0.1}]}
    told["choices"].append({"message": {"content": "b"}, "finish_reason": "length"})
    told["usage"]["completion_tokens_details"] = {"reasoning_tokens": 3}
    model.answers = [told]
    tools = [{"type": "function", "function": {"name": "f", "parameters": {}}}]
    outputs = ask("x", n=2, logprobs=True, top_logprobs=1, tools=tools, tool_choice="auto", raw=True)
    body = model.asked[0]
    assert {name: body[name] for name in ("n", "logprobs", "top_logprobs", "tools", "tool_choice")} == {
        "n": 2, "logprobs": True, "top_logprobs": 1, "tools": tools, "tool_choice": "auto",
    }  # fmt: skip
    assert (outputs["response"], outputs["reasoning"]) == ("a", "hm")
    said = [(one["response"], one["finish_reason"]) for one in outputs["choices"]]
    assert said == [("a", "stop"), ("b", "length")]
    assert outputs["logprobs"] == [{"token": "a", "logprob": -0.1}]
    assert outputs["raw"] == told
    assert outputs["llm_usage"]["reasoning_tokens"] == 3


def test_what_is_not_asked_for_is_not_there(ask, model):
    outputs = ask("x")
    assert (outputs["choices"], outputs["logprobs"], outputs["raw"]) == ([], None, None)
    assert "reasoning_tokens" not in outputs["llm_usage"]
    assert set(model.asked[0]) == {"model", "messages"}


def test_each_of_several_answers_has_its_value(ask, model, completion):
    told = completion("[1]")
    told["choices"] += [{"message": {"content": text}} for text in ("[2]", "no", None)] + [None]
    model.answers = [told]
    outputs = ask("x", n=5, output_schema={"type": "array"})
    assert [one["response"] for one in outputs["choices"]] == [[1], [2], None, None, None]
