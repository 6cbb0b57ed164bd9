"""Estimate the use of a call without reported usage, by the length of its texts."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil
from typing import Any

from batchmill.nodes.contract import CHARACTERS_PER_TOKEN
from batchmill.nodes.llm.question import ModelReply, Question

IMAGE_TOKENS = 1000
ANSWER_TOKENS = 256  # of an answer that never came and that no `max_tokens` bounds


@dataclass(frozen=True, slots=True)
class TokenCount:
    """The tokens of a call; ``estimated`` says that some were not reported. ``tokens`` may be reported
    without its parts."""

    sent: int
    answered: int
    tokens: int
    estimated: bool


def counted(question: Question, reply: ModelReply | None) -> TokenCount:
    """The use by a call with a reply or, with None, by one without any information."""
    if reply is None:
        asked, most = tokens_of(question), question.max_tokens or ANSWER_TOKENS
        return TokenCount(asked, most, asked + most, True)
    sent, answered, total = reply.input_tokens, reply.output_tokens, reply.total_tokens
    if sent is not None and answered is not None:
        return TokenCount(sent, answered, sent + answered, False)
    guess = tokens_of(question) if sent is None else sent
    if total is None:
        answered = _of_answer(question, reply) if answered is None else answered
        return TokenCount(guess, answered, guess + answered, True)
    guess = min(guess if answered is None else total - answered, total)
    return TokenCount(max(0, guess), total - max(0, guess), total, sent is None and answered is None)


def _of_answer(question: Question, reply: ModelReply) -> int:
    """At least as many tokens as were allowed, because reasoning is paid for and not always reported. The
    length of an unreadable answer is unknown."""
    if reply.fault:
        return question.max_tokens or ANSWER_TOKENS
    return max(question.max_tokens or 0, tokens_in([reply.text, reply.reasoning]))


def tokens_of(question: Question) -> int:
    """About how many tokens a question has."""
    parts = [part for message in question.messages for part in _parts(message.get("content"))]
    texts = [str(part.get("text", "")) for part in parts if part.get("type") == "text"]
    calls = [message["tool_calls"] for message in question.messages if message.get("tool_calls")]
    texts += [json.dumps(one) for one in (*calls, question.options.get("tools")) if one]
    images = [part for part in parts if part.get("type") == "image_url"]
    schema = [] if question.schema is None else [json.dumps(question.schema)]
    return tokens_in([*texts, *schema]) + len(images) * IMAGE_TOKENS


def tokens_in(texts: Iterable[str]) -> int:
    """About how many tokens some texts have."""
    return ceil(sum(map(len, texts)) / CHARACTERS_PER_TOKEN)


def _parts(content: Any) -> list[dict[str, Any]]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(content or ())
