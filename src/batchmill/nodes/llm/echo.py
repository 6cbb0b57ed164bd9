"""The provider ``echo``: repeats the prompt, without a network. For examples, tests and measuring."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from batchmill.attempt import Attempt
from batchmill.errors import AttemptTimeout, Stopped
from batchmill.nodes.llm import structured
from batchmill.nodes.llm.question import ModelReply, ModelRequest, Provider, Unanswered

_MOST_LEVELS = 20  # of a schema that refers to itself


class EchoProvider(Provider):
    """Answers with the prompt; with a schema, with a value of its shape whose texts are the prompt.

    A word counts as a token. The option ``delay`` is how many seconds an answer takes.
    """

    name = "echo"

    async def ask(self, request: ModelRequest) -> ModelReply:
        question = request.question
        request.leaving()
        await _wait(float(question.options.get("delay") or 0.0), request.attempt, request.seconds)
        text = question.prompt
        if question.schema is not None:
            text = _shaped(text, question.schema)
        texts = [_text(message.get("content")) for message in question.messages]
        words = sum(len(one.split()) for one in texts)
        answer = text.split()
        if question.max_tokens is not None and len(answer) > question.max_tokens:
            cut = " ".join(answer[: question.max_tokens])
            return ModelReply(cut, words, question.max_tokens, 0, finish="length")
        return ModelReply(text, words, len(answer), 0)


async def _wait(delay: float, attempt: Attempt, seconds: float) -> None:
    if delay > 0:
        await asyncio.sleep(min(delay, seconds))
    if attempt.cancel.cancelled:
        raise Unanswered(Stopped("the run was cancelled"), paid=True)
    if delay > seconds:
        raise Unanswered(AttemptTimeout("the model did not answer in time"), paid=True)


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    return " ".join(part.get("text", "") for part in content or ())


def _shaped(prompt: str, schema: Mapping[str, object]) -> str:
    if not structured.faults(prompt, schema)[1]:
        return prompt
    return json.dumps(_sample(schema, prompt, schema, 0), ensure_ascii=False)


def _sample(schema: object, text: str, root: Mapping[str, Any], level: int) -> object:
    """A value that a plain schema allows: the first of its choices, with only the required parts."""
    if not isinstance(schema, Mapping) or level > _MOST_LEVELS:
        return text
    for key in ("const", "default"):
        if key in schema:
            return schema[key]
    if schema.get("enum"):
        return schema["enum"][0]
    for key in ("anyOf", "oneOf", "allOf"):
        if schema.get(key):
            return _sample(schema[key][0], text, root, level + 1)
    if "$ref" in schema:
        return _sample(_referred(str(schema["$ref"]), root), text, root, level + 1)
    return _of_type(schema, text, root, level)


def _of_type(schema: Mapping[str, Any], text: str, root: Mapping[str, object], level: int) -> object:
    kind = schema.get("type", "object" if "properties" in schema else "string")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object":
        properties = schema.get("properties") or {}
        names = schema.get("required") or list(properties)
        return {name: _sample(properties.get(name, {}), text, root, level + 1) for name in names}
    if kind == "array":
        some = max(1, int(schema.get("minItems", 1)))
        return [_sample(schema.get("items", {}), text, root, level + 1) for _ in range(some)]
    if kind == "string":
        return text[: schema.get("maxLength")].ljust(int(schema.get("minLength", 0)), ".")
    plain = {"integer": schema.get("minimum", 0), "number": schema.get("minimum", 0), "boolean": False}
    return plain.get(kind)


def _referred(reference: str, root: Mapping[str, object]) -> object:
    found: Any = root
    for key in reference.removeprefix("#").strip("/").split("/"):
        found = found.get(key, {}) if isinstance(found, Mapping) else {}
    return found
