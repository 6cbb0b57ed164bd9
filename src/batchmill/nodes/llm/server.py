"""The provider ``openai``: any server that speaks OpenAI's chat interface, through its SDK.

The SDK is imported when the first question is asked, which takes half a second, and its own retries are
off: attempts are counted, waited for and recorded in one place for all nodes.
"""

from __future__ import annotations

import hashlib
from contextvars import ContextVar
from typing import Any

from batchmill.attempt import Attempt
from batchmill.concurrency.event_loop import BackgroundLoop, background
from batchmill.concurrency.resources import process_resource
from batchmill.errors import BatchmillError, MissingExtra
from batchmill.nodes.llm.completion import reply_of
from batchmill.nodes.llm.faults import CutOff, Moved, TooLarge, refusal_within, unanswered
from batchmill.nodes.llm.question import Leaving, Provider, Question, Reply, Unanswered
from batchmill.nodes.llm.structured import response_format

NO_KEY = "none"  # what is sent to a server that asks for no key; the SDK insists on one
_BECOME_GET = frozenset({301, 302, 303})
_FIRST_BYTE = "send_request_headers.started"  # how the events of httpcore end, behind the kind of connection


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
        hooks = {"request": [_watch], "response": [_stay_a_post]}
        transport = module.DefaultAsyncHttpxClient(event_hooks=hooks)
        self.client = module.AsyncOpenAI(api_key=key, base_url=base_url, max_retries=0, http_client=transport)

    def close(self) -> None:
        self._loop.settle(self.client.close)


_leaving: ContextVar[Leaving] = ContextVar("leaving")  # of the question whose task this is


async def _watch(request: Any) -> None:
    """Have the transport tell of the moment before a request's first byte: there is a connection then."""
    leaving = _leaving.get()

    async def trace(event: str, info: Any) -> None:
        if event.endswith(_FIRST_BYTE):
            leaving()

    request.extensions = {**request.extensions, "trace": trace}


async def _stay_a_post(response: Any) -> None:
    """Redirects of these kinds turn a POST into a GET, as browsers do it: a question would arrive empty."""
    _leaving.get()()  # late, where a transport does not tell
    if response.status_code in _BECOME_GET and response.request.method == "POST":
        raise Moved(response.status_code, response.headers.get("location", ""))


class ServerProvider(Provider):
    """``key`` is sent to ``base_url``, OpenAI's own where it is None; ``limit`` is in bytes of the answer.
    With ``raw`` replies hold the whole answer."""

    name = "openai"

    def __init__(self, base_url: str | None, key: str, limit: int, *, raw: bool = False) -> None:
        self._raw = raw
        self._base_url = base_url
        self._key = key
        self._limit = limit

    def ask(self, question: Question, attempt: Attempt, seconds: float, leaving: Leaving) -> Reply:
        module, loop = sdk(), background()
        client = self._client(module, loop).client
        body = self.body(question)

        async def ask() -> bytes:
            _leaving.set(leaving)
            asking = self.create(client)(**body, timeout=seconds)
            async with asking as answer:
                return await _read(answer, self._limit)

        what = f"the call of the model {question.model!r}"
        try:
            content = loop.call(ask, attempt.cancel, attempt.within(seconds), what)
        except BatchmillError as error:  # overdue, or the run is ending
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

    def _client(self, module: Any, loop: BackgroundLoop) -> _Client:
        key = self._key or NO_KEY
        name = ("llm client", self._base_url, hashlib.sha256(key.encode()).hexdigest())
        return process_resource(name, lambda: _Client(module, loop, self._base_url, key))


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
