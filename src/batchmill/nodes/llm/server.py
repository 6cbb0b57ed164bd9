"""The provider ``openai``: any server that speaks OpenAI's chat interface, through its SDK."""

from __future__ import annotations

import hashlib
from typing import Any

from batchmill.attempt import Attempt
from batchmill.concurrency.event_loop import background, limited
from batchmill.concurrency.resources import process_resource
from batchmill.errors import AttemptTimeout
from batchmill.nodes.llm.clients import Clients, leaving_now, sdk_awaited
from batchmill.nodes.llm.completion import reply_of
from batchmill.nodes.llm.faults import CutOff, Moved, TooLarge, refusal_within, unanswered
from batchmill.nodes.llm.question import Leaving, Provider, Question, Reply, Unanswered
from batchmill.nodes.llm.structured import response_format

NO_KEY = "none"  # what is sent to a server that asks for no key; the SDK insists on one


class ServerProvider(Provider):
    """``key`` is sent to ``base_url``, OpenAI's own where it is None; ``limit`` is in bytes of the answer.
    With ``raw`` replies hold the whole answer."""

    name = "openai"

    def __init__(self, base_url: str | None, key: str, limit: int, *, raw: bool = False) -> None:
        self._raw = raw
        self._base_url = base_url
        self._key = key
        self._limit = limit

    async def ask(self, question: Question, attempt: Attempt, seconds: float, leaving: Leaving) -> Reply:
        module = await sdk_awaited()
        clients, what = self._clients(module), f"the call of the model {question.model!r}"
        leaving_now.set(leaving)
        try:
            async with limited(attempt.within(seconds), what):
                with clients.one() as client:
                    async with self.create(client)(**self.body(question), timeout=seconds) as answer:
                        content = await _read(answer, self._limit)
        except AttemptTimeout as error:
            raise Unanswered(error, paid=True) from error
        except (module.OpenAIError, Moved, CutOff, TooLarge) as error:
            raise unanswered(module, error, self._key) from error
        reply = self.reply(content, question)
        if reply.fault and (refusal := refusal_within(content, self._key)) is not None:
            raise Unanswered(refusal, paid=reply.paid)
        return reply

    def create(self, client: Any) -> Any:
        """The function of the SDK's ``client`` that makes the call."""
        return client.chat.completions.with_streaming_response.create

    def body(self, question: Question) -> dict[str, Any]:
        """What it is given."""
        return _body(question)

    def reply(self, content: bytes, question: Question) -> Reply:
        """The reply in the body of an answer with status 200."""
        return reply_of(content, raw=self._raw)

    def _clients(self, module: Any) -> Clients:
        key, loop = self._key or NO_KEY, background()
        name = ("llm clients", self._base_url, hashlib.sha256(key.encode()).hexdigest())
        return process_resource(name, lambda: Clients(module, loop, self._base_url, key))


async def _read(answer: Any, limit: int) -> bytes:
    """The whole body. Raises :class:`TooLarge` and :class:`CutOff`."""
    pieces: list[bytes] = []
    length = 0
    try:
        async for piece in answer.iter_bytes():
            length += len(piece)
            if length > limit:
                raise TooLarge(limit)
            pieces.append(piece)
    except TooLarge:
        raise
    except Exception as error:  # whatever the SDK's transport raises in the middle of a body
        raise CutOff("the connection ended before the whole answer had come") from error
    return b"".join(pieces)


def _body(question: Question) -> dict[str, Any]:
    body: dict[str, Any] = {"model": question.model, "messages": list(question.messages)}
    if question.temperature is not None:
        body["temperature"] = question.temperature
    if question.max_tokens is not None:
        body["max_tokens"] = question.max_tokens
    if question.schema is not None:
        wanted = response_format(question.schema, question.mode)
        body |= {"response_format": wanted} if wanted else {}
    return {**body, "extra_body": dict(question.options) or None}
