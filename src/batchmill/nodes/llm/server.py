"""The provider ``openai``: any server that speaks OpenAI's chat interface, through its SDK.

The SDK is imported when the first question is asked, which takes half a second, and its own retries are
off: attempts are counted, waited for and recorded in one place for all nodes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from batchmill.attempt import Attempt
from batchmill.awaiting.background import BackgroundLoop, background
from batchmill.errors import MissingExtra, NodeError
from batchmill.held import held
from batchmill.nodes.llm.faults import raised_for
from batchmill.nodes.llm.question import Question, Reply
from batchmill.nodes.llm.structured import response_format

NO_KEY = "none"  # what is sent to a server that asks for no key; the SDK insists on one


def sdk() -> Any:
    """The ``openai`` module. Raises :class:`~batchmill.errors.MissingExtra`."""
    try:
        import openai  # slow to import, and an extra
    except ImportError as error:
        raise MissingExtra("llm", "a node of the type `llm`") from error
    return openai


class _Client:
    """A client of the SDK; its connections live on the background loop."""

    def __init__(self, module: Any, loop: BackgroundLoop, base_url: str | None, key: str) -> None:
        self._loop = loop
        self.client = module.AsyncOpenAI(api_key=key, base_url=base_url, max_retries=0)

    def close(self) -> None:
        self._loop.settle(self.client.close)


class ServerProvider:
    """``key`` is sent to ``base_url``, OpenAI's own where it is None."""

    name = "openai"

    def __init__(self, base_url: str | None, key: str) -> None:
        self._base_url = base_url
        self._key = key

    def ask(self, question: Question, attempt: Attempt, seconds: float) -> Reply:
        module, loop = sdk(), background()
        client = self._client(module, loop).client
        body = _body(question)

        async def ask() -> bytes:
            raw = await client.chat.completions.with_raw_response.create(**body, timeout=seconds)
            return bytes(raw.content)

        try:
            content = loop.call(
                ask, attempt.cancel, attempt.within(seconds), f"the call of the model {question.model!r}"
            )
        except module.OpenAIError as error:
            raise raised_for(module, error, self._key) from error
        return _reply(content)

    def _client(self, module: Any, loop: BackgroundLoop) -> _Client:
        key = self._key or NO_KEY
        name = ("llm client", self._base_url, hashlib.sha256(key.encode()).hexdigest())
        return held(name, lambda: _Client(module, loop, self._base_url, key))


def _body(question: Question) -> dict[str, Any]:
    body: dict[str, Any] = {"model": question.model, "messages": list(question.messages)}
    if question.temperature is not None:
        body["temperature"] = question.temperature
    if question.max_tokens is not None:
        body["max_tokens"] = question.max_tokens
    if question.schema is not None:
        body["response_format"] = response_format(question.schema)
    return {**body, "extra_body": dict(question.options) or None}


def _reply(content: bytes) -> Reply:
    """What a chat completion says; servers leave out what they like, so nothing is taken for granted."""
    try:
        answer = json.loads(content)
        choice = answer["choices"][0]
        message = choice["message"]
        text, refusal = _text(message.get("content")), message.get("refusal") or ""
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        shown = content[:200].decode("utf-8", "replace")
        message = f"the server's answer is no chat completion ({type(error).__name__}): {shown}"
        raise NodeError(message, type_name="BadAnswer", outputs={"error": message}) from error
    usage = _mapping(answer.get("usage"))
    return Reply(
        text,
        _count(usage.get("prompt_tokens")),
        _count(usage.get("completion_tokens")),
        _count(_mapping(usage.get("prompt_tokens_details")).get("cached_tokens")),
        str(choice.get("finish_reason") or "stop"),
        str(refusal),
    )


def _text(content: Any) -> str:
    """The text of a message; some servers give it in parts."""
    if isinstance(content, list):
        return "".join(part.get("text", "") for part in content)
    return "" if content is None else str(content)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
