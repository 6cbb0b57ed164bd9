"""Read a chat completion; servers leave out fields at will, so none is taken for granted.

An answer without content is a reply all the same, with a ``fault``: the server may charge for it, and its
token counts are used.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from batchmill.nodes.llm.question import ModelReply
from batchmill.values.redaction import shortened

_LOOKED_AT_BYTES = 65536  # of an answer, for what is shown of it
_SHOWN_CHARACTERS = 200
_WHOLE = re.compile(r"([0-9]{1,15})(?:\.0*)?")
_MOST_TOKENS = 10**12  # of one call: more is a fault of the server and would spoil every sum
_MOST_DOLLARS = 1e9  # likewise


def reply_of(content: bytes, *, raw: bool = False) -> ModelReply:
    """The reply in the body of an answer with status 200; with ``raw`` it holds all of that."""
    try:
        answer = json.loads(content)
    except (ValueError, RecursionError):
        return no_answer("it is not JSON", content)
    told = mapping_of(answer)
    usage = usage_in(told)
    choices = told.get("choices")
    choice, *others = choices if isinstance(choices, list) and choices else [None]
    if not isinstance(mapping_of(choice).get("message"), Mapping):
        return no_answer(_fault(told, choice), content, **usage)
    first = _choice_said(choice)
    return ModelReply(
        first.pop("text"),
        refusal=said_in(mapping_of(mapping_of(choice).get("message")).get("refusal")),
        others=list(map(_choice_said, others)),
        raw=told if raw else None,
        **first,
        **usage,
    )


def _choice_said(choice: object) -> dict[str, Any]:
    """The content of one of the answers."""
    told = mapping_of(choice)
    message = mapping_of(told.get("message"))
    logprobs = told.get("logprobs")
    return {
        "text": _text(message.get("content")),
        "finish": str(told.get("finish_reason") or "stop"),
        "tool_calls": _tool_calls(message),
        "reasoning": said_in(message.get("reasoning_content")) or said_in(message.get("reasoning")),
        "logprobs": logprobs.get("content", logprobs) if isinstance(logprobs, Mapping) else logprobs,
    }


def no_answer(why: str, content: bytes, what: str = "chat completion", **usage: int | None) -> ModelReply:
    """The reply without an answer, with its token counts."""
    shown = shortened(content[:_LOOKED_AT_BYTES].decode("utf-8", "replace"), _SHOWN_CHARACTERS)
    return ModelReply("", fault=f"the server's answer is no {what}: {why}: {shown}", **usage)  # type: ignore[arg-type]  # counts only


def _fault(answer: Mapping[str, object], choice: object) -> str:
    if error := answer.get("error"):
        return f"it tells of an error ({mapping_of(error).get('message') or error})"
    if "choices" not in answer:
        return "it has no `choices`"
    return "its `choices` are empty" if choice is None else "its choice has no `message`"


def usage_in(answer: Mapping[str, object]) -> dict[str, Any]:
    """The token counts of an answer, by the names of :class:`ModelReply`."""
    usage = mapping_of(answer.get("usage"))
    sent, answered, total = (
        count_of(usage.get(f"{name}_tokens")) for name in ("prompt", "completion", "total")
    )
    thought = count_of(mapping_of(usage.get("completion_tokens_details")).get("reasoning_tokens"))
    if thought and total and (sent or 0) + (answered or 0) + thought == total:
        answered = (answered or 0) + thought  # some servers count it beside what was answered
    found: dict[str, Any] = {
        "input_tokens": sent,
        "output_tokens": answered,
        "total_tokens": total,
        "reasoning_tokens": thought,
        **cache_in(usage, mapping_of(usage.get("prompt_tokens_details"))),
        "cost": cost_in(usage),
    }
    return without_zeros(with_cache(found))


def with_cache(told: dict[str, Any]) -> dict[str, Any]:
    """Counts of tokens in which those of the cache are among the sent ones. Some gateways count them beside,
    as Anthropic does: then they are more than the sent ones, or the total is the sum of all."""
    sent, answered, total = (told[name] for name in ("input_tokens", "output_tokens", "total_tokens"))
    cached = (told["cached_tokens"] or 0) + (told["written_tokens"] or 0)
    if sent is None or not cached:
        return told
    every = sent + (answered or 0) + cached
    if cached > sent or total == every:
        told["input_tokens"] = sent + cached
        told["total_tokens"] = None if answered is None else every
    return told


def without_zeros(told: dict[str, object]) -> dict[str, object]:
    """Counts of tokens without the zeros of gateways that write 0 for unknown: every question has some
    tokens, and a zero would escape every budget."""
    asked, answered, total = (told[name] for name in ("input_tokens", "output_tokens", "total_tokens"))
    if asked == 0:
        told["input_tokens"] = None
        told["output_tokens"] = answered or None
        told["cost"] = told.get("cost") or None
    if not total or (asked == 0 and total == answered):
        told["total_tokens"] = None
    return told


def cache_in(usage: Mapping[str, object], details: Mapping[str, object]) -> dict[str, int | None]:
    """The tokens that were read from the cache of a provider and written to it, by the names that several
    have for them."""
    read = (details.get("cached_tokens"), usage.get("cache_read_input_tokens"))
    written = (
        details.get("cache_write_tokens"),
        details.get("cache_creation_tokens"),
        usage.get("cache_creation_input_tokens"),
    )
    found = [
        next((n for one in names if (n := count_of(one)) is not None), None) for names in (read, written)
    ]
    return {"cached_tokens": found[0], "written_tokens": found[1]}


def cost_in(usage: Mapping[str, object]) -> float | None:
    """US dollars, if the provider reports the cost of the call."""
    written = usage.get("cost")
    if isinstance(written, bool) or not isinstance(written, (int, float, str)):
        return None
    try:
        cost = float(written)
    except (ValueError, OverflowError):
        return None
    return cost if 0 <= cost <= _MOST_DOLLARS else None


def _tool_calls(message: Mapping[str, object]) -> list[dict[str, object]]:
    """The tool calls that the model asks for, including those of the older interface."""
    written = message.get("tool_calls")
    calls = [one for one in written if isinstance(one, Mapping)] if isinstance(written, list) else []
    found = [(one.get("id"), mapping_of(one.get("function"))) for one in calls]
    if isinstance(older := message.get("function_call"), Mapping):
        found.append((None, older))
    return [
        {
            "id": said_in(name),
            "name": said_in(call.get("name")),
            "arguments": arguments_of(call.get("arguments")),
        }
        for name, call in found
    ]


def arguments_of(written: object) -> Any:
    """The arguments of a call: models write them as JSON text, or as something else, which stays text."""
    if not isinstance(written, str):
        return written
    try:
        return json.loads(written)
    except (ValueError, RecursionError):
        return written


def _text(content: object) -> str:
    """The text of a message; some servers give it in parts."""
    if isinstance(content, list):
        return "".join(said_in(mapping_of(part).get("text")) for part in content)
    return "" if content is None else str(content)


def said_in(value: object) -> str:
    return value if isinstance(value, str) else ""


def mapping_of(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def count_of(value: object) -> int | None:
    """A number of tokens; some servers write whole numbers with a point, or as text. None for what cannot be
    one."""
    if isinstance(value, str) and (found := _WHOLE.fullmatch(value.strip())):
        value = int(found[1])
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if 0 <= value <= _MOST_TOKENS else None
