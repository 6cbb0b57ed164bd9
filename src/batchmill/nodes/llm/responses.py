"""The interface `/responses` of OpenAI's servers: the same questions and replies in another format."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from batchmill.nodes.llm.completion import (
    arguments_of,
    cache_in,
    cost_in,
    count_of,
    mapping_of,
    no_answer,
    said_in,
    with_cache,
    without_zeros,
)
from batchmill.nodes.llm.question import Message, ModelReply, Question
from batchmill.nodes.llm.server import ServerProvider
from batchmill.nodes.llm.stream import PartialAnswer
from batchmill.nodes.llm.structured import response_format
from batchmill.nodes.llm.telling import Telling

_FINISH = {"max_output_tokens": "length", "content_filter": "content_filter"}
_ENDS = frozenset({"response.completed", "response.incomplete", "response.failed"})
_TOLD = {
    "response.output_text.delta": "text",
    "response.reasoning_text.delta": "reasoning",
    "response.reasoning_summary_text.delta": "reasoning",
}
_LOGPROBS = "message.output_text.logprobs"


class ResponsesServer(ServerProvider):
    """A server's responses. The server stores questions only if the document's `options` say so."""

    endpoint = "/v1/responses"

    def create(self, client: Any) -> Any:
        return client.responses.with_streaming_response.create

    def body(self, question: Question) -> dict[str, Any]:
        given = {name: value for name, value in question.options.items() if name != "n"}
        body: dict[str, Any] = {
            "model": question.model,
            "input": [item for message in question.messages for item in _items(message)],
            "store": False,
        }
        if question.temperature is not None:
            body["temperature"] = question.temperature
        if question.max_tokens is not None:
            body["max_output_tokens"] = question.max_tokens
        if question.schema is not None and (wanted := response_format(question.schema, question.mode)):
            body["text"] = {"format": {"type": wanted["type"], **wanted.get("json_schema", {})}}
        if given.pop("logprobs", None):
            body["include"] = [_LOGPROBS]
        if "tools" in given:
            given["tools"] = [_flat(tool) for tool in given["tools"]]
        if "tool_choice" in given:
            given["tool_choice"] = _flat(given["tool_choice"])
        if self._stream:
            body["stream"] = True
        return {**body, "extra_body": given or None}

    def gathering(self, telling: Telling | None) -> PartialAnswer:
        return PartialResponse(telling)

    def reply(self, content: bytes, question: Question) -> ModelReply:
        return reply_of(content, raw=self._raw)


def _flat(tool: Any) -> Any:
    """A tool, or the choice of one, as this interface has it; the other one has it within `function`."""
    function = tool.get("function") if isinstance(tool, Mapping) else None
    if not isinstance(function, Mapping):
        return tool
    return {**{key: value for key, value in tool.items() if key != "function"}, **function}


def _items(message: Message) -> Iterator[dict[str, Any]]:
    """A message as items of `input`: calls of tools and their results are items of their own."""
    role, content = message["role"], message.get("content")
    if role == "tool":
        yield {"type": "function_call_output", "call_id": message.get("tool_call_id"), "output": content}
        return
    if content:
        parts = [_part(one, role) for one in content] if isinstance(content, list) else content
        yield {"role": role, "content": parts}
    for call in message.get("tool_calls") or ():
        function = mapping_of(mapping_of(call).get("function"))
        yield {"type": "function_call", "call_id": mapping_of(call).get("id"), **function}


def _part(part: object, role: str) -> object:
    told = mapping_of(part)
    if told.get("type") == "text":
        return {"type": "output_text" if role == "assistant" else "input_text", "text": told.get("text")}
    if told.get("type") == "image_url":
        image = told.get("image_url")
        image = image if isinstance(image, Mapping) else {"url": image}
        rest = {key: value for key, value in image.items() if key != "url"}
        return {"type": "input_image", "image_url": image.get("url"), **rest}
    return part


def reply_of(content: bytes, *, raw: bool = False) -> ModelReply:
    """The reply in the body of an answer with status 200; with ``raw`` it holds all of that."""
    try:
        answer = json.loads(content)
    except (ValueError, RecursionError):
        return no_answer("it is not JSON", content, "response")
    told = mapping_of(answer)
    usage = usage_in(told)
    if fault := _fault(told):
        return no_answer(fault, content, "response", **usage)
    items = [mapping_of(one) for one in told["output"]]
    parts = [part for one in items if one.get("type") == "message" for part in _parts(one.get("content"))]
    calls = [
        {
            "id": said_in(one.get("call_id")),
            "name": said_in(one.get("name")),
            "arguments": arguments_of(one.get("arguments", one.get("input"))),
        }
        for one in items
        if one.get("type") in ("function_call", "custom_tool_call")  # the input of the second is plain text
    ]
    why = mapping_of(told.get("incomplete_details")).get("reason")
    finish = _FINISH.get(str(why), str(why)) if told.get("status") == "incomplete" else "stop"
    return ModelReply(
        "".join(said_in(part.get("text")) for part in parts if part.get("type") == "output_text"),
        finish="tool_calls" if calls and finish == "stop" else finish,
        refusal="".join(said_in(part.get("refusal")) for part in parts),
        tool_calls=calls,
        reasoning="".join(_thoughts(items)),
        logprobs=[one for part in parts for one in part.get("logprobs") or ()] or None,
        raw=told if raw else None,
        **usage,
    )


def _parts(content: object) -> list[Mapping[str, Any]]:
    """The parts of a message; some gateways write its text as it is."""
    if isinstance(content, str):
        return [{"type": "output_text", "text": content}]
    return [mapping_of(part) for part in content] if isinstance(content, list) else []


def _thoughts(items: list[Mapping[str, Any]]) -> Iterator[str]:
    for one in items:
        if one.get("type") == "reasoning":
            for part in (*(one.get("content") or ()), *(one.get("summary") or ())):
                yield said_in(mapping_of(part).get("text"))


def _fault(answer: Mapping[str, object]) -> str:
    """Why an answer is no response; empty where it is one."""
    if error := answer.get("error"):
        return f"it tells of an error ({mapping_of(error).get('message') or error})"
    if not isinstance(answer.get("output"), list):
        return "it has no `output`"
    status = answer.get("status", "completed")
    return "" if status in ("completed", "incomplete") else f"its status is {status!r}"


def usage_in(answer: Mapping[str, object]) -> dict[str, Any]:
    """The token counts of an answer, by the names of :class:`ModelReply`."""
    usage = mapping_of(answer.get("usage"))
    found: dict[str, Any] = {
        "input_tokens": count_of(usage.get("input_tokens")),
        "output_tokens": count_of(usage.get("output_tokens")),
        **cache_in(usage, mapping_of(usage.get("input_tokens_details"))),
        "cost": cost_in(usage),
        "total_tokens": count_of(usage.get("total_tokens")),
        "reasoning_tokens": count_of(mapping_of(usage.get("output_tokens_details")).get("reasoning_tokens")),
    }
    return without_zeros(with_cache(found))


class PartialResponse(PartialAnswer):
    """Builds a response from its events: the last one has all of it. Some gateways leave its output empty;
    then it is what came before."""

    def __init__(self, telling: Telling | None) -> None:
        super().__init__(telling)
        self._whole: Mapping[str, object] = {}
        self._items: list[object] = []  # of the output, each whole
        self._text = ""  # of what came in parts

    def add(self, part: Mapping[str, object]) -> None:
        kind = str(part.get("type"))
        if kind in _TOLD:
            self.tell(part.get("delta"), _TOLD[kind])
            self._text += said_in(part.get("delta")) if _TOLD[kind] == "text" else ""
        elif kind == "response.output_item.done":
            self._items.append(part.get("item"))
        elif kind in _ENDS:
            self._whole, self.over = mapping_of(part.get("response")), True
        elif kind == "error" or part.get("error"):
            self._whole, self.over = {"error": part.get("error") or dict(part)}, True

    def whole(self) -> Mapping[str, Any]:
        if self._whole.get("output") or self._whole.get("error") or not (self._items or self._text):
            return self._whole
        message = {"type": "message", "content": [{"type": "output_text", "text": self._text}]}
        return {**self._whole, "output": self._items or [message]}
