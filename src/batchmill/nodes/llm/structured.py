"""Answers that must be JSON of a given shape: asked for, read, checked, and asked for once more."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from batchmill.ir.value_schema import value_faults
from batchmill.nodes.llm.question import Question, Reply
from batchmill.values import from_json

MOST_FAULTS = 5  # that a model is told of
_FENCED = re.compile(r"\s*```[\w-]*\n(.*?)\n?```\s*", re.DOTALL)


def response_format(schema: Mapping[str, Any]) -> dict[str, Any]:
    """What asks a server for an answer of this shape. Servers refuse to be strict about a schema that leaves
    anything open, so that is asked for only where the schema does not."""
    wanted = {"name": "output", "schema": schema, "strict": _is_closed(schema)}
    return {"type": "json_schema", "json_schema": wanted}


def _is_closed(schema: Any) -> bool:
    """Whether every object in the schema names all its keys, requires them and allows no others."""
    if isinstance(schema, list):
        return all(map(_is_closed, schema))
    if not isinstance(schema, Mapping):
        return True
    properties = schema.get("properties")
    if schema.get("type") == "object" or isinstance(properties, Mapping):
        named = set(properties or ())
        if schema.get("additionalProperties") is not False or named != set(schema.get("required") or ()):
            return False
    return all(map(_is_closed, schema.values()))


def read(text: str) -> Any:
    """The JSON in an answer, with or without a fence around it. Raises :class:`ValueError`."""
    fenced = _FENCED.fullmatch(text)
    return from_json(fenced[1] if fenced else text)


def faults(text: str, schema: Mapping[str, Any]) -> tuple[Any, list[str]]:
    """The value in an answer, and why it is none that the schema allows."""
    try:
        value = read(text)
    except ValueError as error:
        return None, [f"it is not JSON: {error}"]
    return value, value_faults(value, dict(schema), secret=False)[:MOST_FAULTS]


def asked_again(question: Question, reply: Reply, wrong: list[str]) -> Question:
    """The question once more, with the answer and what is wrong with it."""
    told = "\n".join(f"- {fault}" for fault in wrong)
    wanted = json.dumps(question.schema, ensure_ascii=False)
    correction = (
        f"This answer cannot be used:\n{told}\n"
        f"Answer again, with nothing but JSON that meets this JSON Schema:\n{wanted}"
    )
    said = [{"role": "assistant", "content": reply.text}] if reply.text else []  # servers refuse an empty one
    more = [*said, {"role": "user", "content": correction}]
    return replace(question, messages=(*question.messages, *more))
