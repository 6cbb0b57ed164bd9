"""The provider ``openai``: calls any server with OpenAI's chat interface, through its SDK."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from batchmill.concurrency.deadline import deadline
from batchmill.errors import AttemptTimeout, NodeError
from batchmill.nodes.access.policy import OPEN, Access
from batchmill.nodes.llm.clients import client_for, leaving_now, sdk_awaited
from batchmill.nodes.llm.completion import reply_of
from batchmill.nodes.llm.faults import AnswerTooLarge, CutOff, Moved, refusal_within, unanswered
from batchmill.nodes.llm.question import ModelReply, ModelRequest, Provider, Question, Unanswered
from batchmill.nodes.llm.stream import EVENT_STREAM, PartialAnswer, PartialChat, gathered
from batchmill.nodes.llm.structured import response_format
from batchmill.nodes.llm.telling import Telling


class ServerProvider(Provider):
    """Sends ``key`` to ``base_url``, OpenAI's own if None; ``limit`` is in bytes of the answer. With ``raw``
    replies hold the whole answer, with ``stream`` it comes part by part."""

    name = "openai"
    endpoint = "/v1/chat/completions"  # what the batch API calls it

    def __init__(
        self,
        base_url: str | None,
        key: str,
        limit: int,
        *,
        access: Access = OPEN,
        raw: bool = False,
        stream: bool = False,
    ) -> None:
        self.access = access
        self._raw = raw
        self._stream = stream
        self.base_url = base_url
        self.key = key
        self._limit = limit

    async def ask(self, request: ModelRequest) -> ModelReply:
        question, module = request.question, await sdk_awaited()
        asked = client_for(module, self.base_url, self.key, self.access)
        client, place = await asked.begin(request.attempt)
        leaving_now.set(request.leaving)
        try:
            create = self.create(client)  # before the time runs: the SDK imports what it needs for this
            left = request.attempt.within(request.seconds)
            overdue = f"the call of the model {question.model!r} did not end within {left or 0:.3g} s"
            async with (
                deadline(left, overdue),
                create(**self.body(question), timeout=request.seconds) as answer,
            ):
                content, began = await self._content(answer, request.telling)
        except AttemptTimeout as error:
            raise Unanswered(error, paid=True) from error
        except NodeError as error:  # of the way there: that host is not to be asked
            raise Unanswered(error, paid=False) from error
        except (module.OpenAIError, Moved, CutOff, AnswerTooLarge) as error:
            raise unanswered(module, error, self.key) from error
        finally:
            asked.end(place)
        reply = self.reply(content, question)
        if reply.fault and (refusal := refusal_within(content, self.key)) is not None:
            raise Unanswered(refusal, paid=reply.paid or began)
        return reply

    async def _content(self, answer: Any, telling: Telling | None) -> tuple[bytes, bool]:
        """The whole body; of an answer that is a stream what it would be without, and whether it had begun to
        answer.

        Raises :class:`AnswerTooLarge` and :class:`CutOff`.
        """
        async with aclosing(pieces_of(answer, self._limit)) as pieces:
            if self._stream and EVENT_STREAM in answer.headers.get("content-type", ""):
                gathering = self.gathering(telling)
                return await gathered(pieces, gathering), gathering.began
            return b"".join([piece async for piece in pieces]), False

    def gathering(self, telling: Telling | None) -> PartialAnswer:
        """The collector that assembles a streamed answer."""
        return PartialChat(telling)

    def create(self, client: Any) -> Any:
        """The function of the SDK's ``client`` that makes the call."""
        return client.chat.completions.with_streaming_response.create

    def body(self, question: Question) -> dict[str, Any]:
        """The body of the request."""
        streamed = {"stream": True, "stream_options": {"include_usage": True}} if self._stream else {}
        return {**_body(question), **streamed}

    def reply(self, content: bytes, question: Question) -> ModelReply:
        """The reply in the body of an answer with status 200."""
        return reply_of(content, raw=self._raw)


async def pieces_of(answer: Any, limit: int | None = None) -> AsyncGenerator[bytes, None]:
    """The body. Raises :class:`AnswerTooLarge` and :class:`CutOff`."""
    length = 0
    pieces = answer.iter_bytes()
    while True:
        try:
            piece = await anext(pieces, None)
        except Exception as error:  # whatever the SDK's transport raises in the middle of a body
            raise CutOff("the connection ended before the whole answer had come") from error
        if piece is None:
            return
        length += len(piece)
        if limit is not None and length > limit:
            raise AnswerTooLarge(limit)
        yield piece


def _body(question: Question) -> dict[str, object]:
    body: dict[str, Any] = {"model": question.model, "messages": list(question.messages)}
    if question.temperature is not None:
        body["temperature"] = question.temperature
    if question.max_tokens is not None:
        body["max_tokens"] = question.max_tokens
    if question.schema is not None:
        wanted = response_format(question.schema, question.mode)
        body |= {"response_format": wanted} if wanted else {}
    return {**body, "extra_body": dict(question.options) or None}
