"""The provider that calls a server through its batch API."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from batchmill.errors import NodeError
from batchmill.nodes.llm.batch_api.answers import OK, BatchAnswer
from batchmill.nodes.llm.batch_api.desk import BatchDesk
from batchmill.nodes.llm.batch_api.service import BatchService
from batchmill.nodes.llm.batch_api.settings import BatchApi
from batchmill.nodes.llm.batch_api.shards import Asked
from batchmill.nodes.llm.completion import mapping_of
from batchmill.nodes.llm.estimate import counted
from batchmill.nodes.llm.faults import of_status
from batchmill.nodes.llm.question import ModelReply, ModelRequest, Provider, Question, Unanswered
from batchmill.nodes.llm.server import ServerProvider
from batchmill.record import LLMCall, PriceTable
from batchmill.values.redaction import shortened

NO_DESK = (
    "`batch_api` keeps the ids of its batches in the journal of the run, and there is none here: run it with "
    "a journal, and not inside items of another batch that run in worker processes"
)
GONE = "no item took the answer any more"
_SHOWN_CHARACTERS = 500


class BatchedProvider(Provider):
    """Sends the requests of ``server`` together with others in one file, at ``desk``; ``server`` reads the
    replies. Every call costs the fraction ``settings.price`` of its price in ``prices``."""

    name = "openai"

    def __init__(
        self, server: ServerProvider, settings: BatchApi, desk: BatchDesk | None, prices: PriceTable
    ) -> None:
        self._server = server
        self._settings = settings
        self._desk = desk
        self._prices = prices

    async def ask(self, request: ModelRequest) -> ModelReply:
        """Raises :class:`~batchmill.errors.Waiting` while there is no answer.

        ``request.leaving`` is not called: the call is in the ledger once its answer exists, which can be
        fetched any number of times.
        """
        question, calls = request.question, request.attempt.calls
        if self._desk is None or calls is None:
            raise NodeError(NO_DESK, retryable=False, type_name="NoJournal", outputs={"error": NO_DESK})
        body = body_of(self._server, question)
        asked = Asked(
            BatchService(self._server.base_url, self._server.key, self._server.access),
            self._server.endpoint,
            question.model,
            body,
            digest_of(self._server, body),
            calls.node,
            calls.index,
            self._settings,
            partial(self._bill, question),
        )
        answer = await self._desk.answer(asked)
        if answer.status != OK:
            raise Unanswered(_error(answer), paid=answer.paid, call=answer.call)
        return replace(self._server.reply(answer.body, question), call=answer.call)

    def is_booked(self, question: Question) -> bool:
        """Whether a batch has this question already."""
        body = body_of(self._server, question)
        return self._desk is not None and self._desk.booked(digest_of(self._server, body))

    def _bill(self, question: Question, body: bytes) -> LLMCall:
        """The record of a call whose answer no item took."""
        reply = self._server.reply(body, question)
        count, cost = counted(question, reply), reply.cost
        if cost is None:
            cache = reply.cached_tokens, reply.written_tokens
            cost = self._prices.cost(question.model, count.sent, count.answered, *cache)
        return LLMCall(
            question.model,
            input_tokens=reply.input_tokens,
            output_tokens=reply.output_tokens,
            cached_tokens=reply.cached_tokens,
            provider=self.name,
            cost=cost,
            tokens=count.tokens,
            estimated=count.estimated,
            error=GONE,
        )


def body_of(server: ServerProvider, question: Question) -> dict[str, object]:
    """The body of the request, as the SDK would send it."""
    given = server.body(question)
    extra = given.pop("extra_body", None) or {}
    return {**given, **extra}


def digest_of(server: ServerProvider, body: Mapping[str, object]) -> str:
    """Another for each place and each content."""
    text = json.dumps([server.base_url, server.endpoint, body], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _error(answer: BatchAnswer) -> NodeError:
    """The error of an item whose request has no answer."""
    if not answer.status:
        return NodeError(
            answer.message, type_name=answer.type, outputs={"error": answer.message}, retryable=True
        )
    said = _said(answer.body)
    message = f"the server answered with {answer.status}" + (f": {said}" if said else "")
    return of_status(message, answer.status, False, None)


def _said(body: bytes) -> str:
    try:
        told = mapping_of(json.loads(body))
    except ValueError:
        return shortened(body.decode("utf-8", "replace"), _SHOWN_CHARACTERS)
    error = told.get("error", told)
    said = mapping_of(error).get("message") if isinstance(error, Mapping) else error
    return shortened(" ".join(str(said or "").split()), _SHOWN_CHARACTERS)
