"""A question to a model, and the reply, in the form that all providers share."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from batchmill.attempt import Attempt
from batchmill.errors import BatchmillError
from batchmill.nodes.llm.telling import Telling

Message = dict[str, Any]
JSON_SCHEMA, JSON_OBJECT, PROMPT = MODES = ("json_schema", "json_object", "prompt")


@dataclass(frozen=True, slots=True)
class Question:
    """``messages`` are as in the chat interface; ``schema`` is that of the answer, if any. ``options`` go
    into the request unchanged. ``mode`` is the way to pass the schema to the server."""

    model: str
    messages: tuple[Message, ...]
    temperature: float | None = None
    max_tokens: int | None = None
    schema: Mapping[str, Any] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    mode: str = JSON_SCHEMA

    @property
    def prompt(self) -> str:
        """The text of the last message."""
        content = self.messages[-1].get("content")
        if isinstance(content, str):
            return content
        return "\n".join(str(part.get("text", "")) for part in content or () if part.get("type") == "text")

    def fingerprint(self) -> str:
        """A digest of the question, independent of the provider."""
        told = asdict(self)
        if self.mode == JSON_SCHEMA:  # as it was when there was no other
            del told["mode"]
        text = json.dumps(told, sort_keys=True, ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class ModelReply:
    """An answer.

    - Token counts: None if the provider reported none. ``input_tokens`` include ``cached_tokens`` and
      ``written_tokens``, which the provider has put into its cache; ``output_tokens`` include
      ``reasoning_tokens``. ``total_tokens`` is their sum as reported.
    - ``cost``: US dollars, as reported. ``finish``: why it ended: ``stop``, ``length``, ``content_filter``,
      ...
    - ``tool_calls``: objects with ``id``, ``name`` and ``arguments``. ``reasoning``: what the model thought
      before.
    - ``others``: further answers if several were requested, each with the same fields. ``call``: the id of
      the call, if any.
    - ``logprobs``, ``raw`` (the whole answer): as the provider sent them. ``fault``: why this is no answer.
    """

    text: str
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    finish: str = "stop"
    refusal: str = ""
    total_tokens: int | None = None
    tool_calls: list[dict[str, Any]] = field(default_factory=list)
    reasoning: str = ""
    fault: str = ""
    reasoning_tokens: int | None = None
    others: list[dict[str, Any]] = field(default_factory=list)
    logprobs: Any = None
    raw: Any = None
    call: str = ""
    written_tokens: int | None = None
    cost: float | None = None

    @property
    def paid(self) -> bool:
        """Whether it reports tokens."""
        return bool(self.input_tokens or self.output_tokens or self.total_tokens)

    @property
    def empty(self) -> bool:
        """Whether it has no content."""
        return not (self.text.strip() or self.tool_calls or self.refusal)


class Unanswered(Exception):  # never leaves this room
    """Raised when a question got no reply: ``error`` is the error for the node, ``paid`` says whether the
    provider may charge for the call anyway; ``call`` is the id of the call, if it has one."""

    def __init__(self, error: BatchmillError, *, paid: bool, call: str = "") -> None:
        super().__init__(str(error))
        self.error = error
        self.paid = paid
        self.call = call


Leaving = Callable[[], None]


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """One call that a provider makes for an attempt: a question with ``seconds`` for the answer.

    ``leaving`` is called just before the question is sent: from then on it may be charged; the provider lets
    its exceptions through. ``telling`` takes parts of the answer as they come, if they do.
    """

    question: Question
    attempt: Attempt
    seconds: float
    leaving: Leaving
    telling: Telling | None = None


class Provider:
    """Answers questions. ``name`` appears in the records of calls."""

    name = ""

    def recall(self, question: Question) -> ModelReply | None:
        """The reply that was kept from an earlier call, without asking again.

        Raises :class:`~batchmill.errors.NodeError` if there is none and asking is not allowed.
        """
        return None

    async def ask(self, request: ModelRequest) -> ModelReply:
        """The reply. Raises :class:`Unanswered`."""
        raise NotImplementedError

    def keep(self, question: Question, reply: ModelReply) -> None:
        """Keep a reply to be recalled. Raises :class:`~batchmill.errors.NodeError`."""
