"""A question to a model, and the reply, as every provider knows them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from batchmill.attempt import Attempt

Message = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Question:
    """``messages`` are as the chat interface has them; ``schema`` is what the answer must meet, if anything.
    ``options`` go into the request as they are."""

    model: str
    messages: tuple[Message, ...]
    temperature: float | None = None
    max_tokens: int | None = None
    schema: Mapping[str, Any] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def prompt(self) -> str:
        """The text of the last message."""
        content = self.messages[-1]["content"]
        if isinstance(content, str):
            return content
        return "\n".join(part["text"] for part in content if part.get("type") == "text")

    def fingerprint(self) -> str:
        """The same for the same question, whoever is asked; another for any other."""
        text = json.dumps(asdict(self), sort_keys=True, ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer. Token counts are None where the provider told none; ``cached_tokens`` are among the
    ``input_tokens``. ``finish`` is why it ended: ``stop``, ``length``, ``content_filter``, ..."""

    text: str
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    finish: str = "stop"
    refusal: str = ""


class Provider(Protocol):
    """Who answers questions."""

    name: str

    def ask(self, question: Question, attempt: Attempt, seconds: float) -> Reply:
        """The reply, within ``seconds``.

        Raises :class:`~batchmill.errors.NodeError` and :class:`~batchmill.errors.AttemptTimeout`.
        """
