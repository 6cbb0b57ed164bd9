"""A question to a model, and the reply, as every provider knows them."""

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
    """``messages`` are as the chat interface has them; ``schema`` is what the answer must meet, if anything.
    ``options`` go into the request as they are. ``mode`` is how a server is told of the schema."""

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
        """The same for the same question, whoever is asked; another for any other."""
        told = asdict(self)
        if self.mode == JSON_SCHEMA:  # as it was when there was no other
            del told["mode"]
        text = json.dumps(told, sort_keys=True, ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer. Token counts are None where the provider told none; ``cached_tokens`` are among the
    ``input_tokens``, as are ``written_tokens``, which the provider has put into its cache; ``cost`` is in US
    dollars, as the provider told it; ``total_tokens`` is their sum as the provider told it. ``finish`` is why
    it ended: ``stop``, ``length``, ``content_filter``, ... ``tool_calls`` are objects with ``id``, ``name``
    and ``arguments``, ``reasoning`` is what the model thought before, ``reasoning_tokens`` are among the
    ``output_tokens``. ``others`` are the further answers where several were asked for, each with what is said
    of this one. ``call`` is the id of the call where it has one already. ``logprobs`` and the whole answer,
    ``raw``, are as the provider told them. ``fault`` says why this is none.
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
        """Whether it tells of tokens."""
        return bool(self.input_tokens or self.output_tokens or self.total_tokens)

    @property
    def empty(self) -> bool:
        """Whether it says nothing at all."""
        return not (self.text.strip() or self.tool_calls or self.refusal)


class Unanswered(Exception):  # never leaves this room
    """Raised where a question got no reply: ``error`` is what the node raises, ``paid`` says whether the
    provider may charge for the call all the same."""

    def __init__(self, error: BatchmillError, *, paid: bool) -> None:
        super().__init__(str(error))
        self.error = error
        self.paid = paid


Leaving = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Request:
    """One call that a provider makes for an attempt: a question that is to be answered within ``seconds``.

    ``leaving`` is called when everything is ready and the question is about to leave: from then on it may be
    paid; what it raises is raised by the provider. ``telling`` takes parts of the answer as they come, if
    they do.
    """

    question: Question
    attempt: Attempt
    seconds: float
    leaving: Leaving
    telling: Telling | None = None


class Provider:
    """Who answers questions. ``name`` stands in the records of calls."""

    name = ""

    def recall(self, question: Question) -> Reply | None:
        """The reply that was kept from an earlier call, for which nobody is asked.

        Raises :class:`~batchmill.errors.NodeError` where there is none and nobody may be asked.
        """
        return None

    async def ask(self, request: Request) -> Reply:
        """The reply. Raises :class:`Unanswered`."""
        raise NotImplementedError

    def keep(self, question: Question, reply: Reply) -> None:
        """Keep a reply to be recalled. Raises :class:`~batchmill.errors.NodeError`."""
