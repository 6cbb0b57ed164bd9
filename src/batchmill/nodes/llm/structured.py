"""Answers that must be JSON of a given shape: request, read, check, and request again."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice
from typing import Any

from batchmill.ir.value_schema import value_faults
from batchmill.nodes.llm.question import JSON_OBJECT, JSON_SCHEMA, ModelReply, Question
from batchmill.values import from_json

MOST_FAULTS = 5  # that a model is told of
MOST_CANDIDATES = 20  # of a kind in one answer
_FENCED = re.compile(r"\s*```[\w-]*\n(.*?)\n?```\s*", re.DOTALL)
_FENCE = re.compile(r"^[ \t]*```[\w-]*[ \t]*\n(.*?)^[ \t]*```", re.DOTALL | re.MULTILINE)
_SIGNS = re.compile(r'\\.|["{}\[\]]', re.DOTALL)
_THOUGHT = re.compile(r"</(?:think|thinking|reasoning)>")
"""Where what a model thought before its answer ends; of some models the beginning is not marked."""


def response_format(schema: Mapping[str, object], mode: str = JSON_SCHEMA) -> dict[str, Any] | None:
    """The request for an answer of this shape, None if only the prompt asks for it. Servers refuse strict
    mode for a schema that leaves anything open, so it is only requested for other schemas."""
    if mode != JSON_SCHEMA:
        return {"type": "json_object"} if mode == JSON_OBJECT else None
    wanted = {"name": "output", "schema": schema, "strict": _is_closed(schema)}
    return {"type": "json_schema", "json_schema": wanted}


def told_in_words(question: Question) -> Question:
    """The question with the schema in its last message, for servers that take none by itself."""
    if question.schema is None or question.mode == JSON_SCHEMA:
        return question
    wanted = f"Answer with nothing but JSON that meets this JSON Schema:\n{_written(question.schema)}"
    *before, last = question.messages
    content = last.get("content")
    if last["role"] != "user":
        return replace(question, messages=(*question.messages, {"role": "user", "content": wanted}))
    told: Any = f"{content}\n\n{wanted}"
    if isinstance(content, list):
        told = [*content, {"type": "text", "text": wanted}]
    return replace(question, messages=(*before, {**last, "content": told}))


def _is_closed(schema: object) -> bool:
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


def faults(text: str, schema: Mapping[str, object], *, whole: bool = False) -> tuple[Any, list[str]]:
    """The value in an answer, or why it does not fit the schema.

    Models reason aloud before the answer, and talk around it. So the first fitting one is taken of: the whole
    text, the text between fences, the objects and lists in the text, never a part of one. With ``whole`` only
    the whole text counts: the answer was cut off.
    """
    found: tuple[Any, list[str]] | None = None
    why = ""
    for candidate in _wholes(text) if whole else _candidates(text):
        try:
            value = from_json(candidate)
        except ValueError as error:
            why = why or f"it is not JSON: {error}"
            continue
        wrong = value_faults(value, dict(schema), secret=False)[:MOST_FAULTS]
        if not wrong:
            return value, []
        found = found or (value, wrong)
    return found or (None, [why])


def _wholes(text: str) -> Iterator[str]:
    """The whole answer, and the whole of it behind what was thought."""
    thought = _THOUGHT.search(text)
    for one in (text, text[thought.end() :]) if thought else (text,):
        fenced = _FENCED.fullmatch(one)
        yield fenced[1] if fenced else one


def _candidates(text: str) -> Iterator[str]:
    *_, text = wholes = list(_wholes(text))
    yield from wholes
    yield from (block[1] for block in islice(_FENCE.finditer(text), MOST_CANDIDATES))
    yield from islice(_balanced(text), MOST_CANDIDATES)


def _balanced(text: str) -> Iterator[str]:
    """The objects and lists in a text, not nested ones, until one has no end."""
    start = depth = 0
    quoted = False
    for sign in _SIGNS.finditer(text):
        mark = sign[0]
        if depth and mark == '"':
            quoted = not quoted
        elif quoted or len(mark) > 1:
            continue
        elif mark in "{[":
            start = start if depth else sign.start()
            depth += 1
        elif depth and mark in "}]":
            depth -= 1
            if not depth:
                yield text[start : sign.end()]


def _written(schema: object) -> str:
    return json.dumps(schema, ensure_ascii=False)


def asked_again(question: Question, reply: ModelReply, wrong: list[str]) -> Question:
    """The question once more, with the answer and its faults."""
    told = "\n".join(f"- {fault}" for fault in wrong)
    wanted = _written(question.schema)
    correction = (
        f"This answer cannot be used:\n{told}\n"
        f"Answer again, with nothing but JSON that meets this JSON Schema:\n{wanted}"
    )
    said = [{"role": "assistant", "content": reply.text}] if reply.text else []  # servers refuse an empty one
    more = [*said, {"role": "user", "content": correction}]
    return replace(question, messages=(*question.messages, *more))
