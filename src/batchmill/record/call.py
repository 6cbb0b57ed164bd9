"""One call of a language model as plain data, and how calls add up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens and calls, summed. ``Usage()`` is the neutral element of ``+``.

    ``cost`` is the US dollars of the calls whose cost is known, ``unpriced`` the number of the others.
    """

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    cost: float = 0.0
    unpriced: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.calls + other.calls,
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cached_tokens + other.cached_tokens,
            self.cost + other.cost,
            self.unpriced + other.unpriced,
        )

    @staticmethod
    def counts(record: Any) -> bool:
        """Whether a record is that of a call: it tells of tokens."""
        if isinstance(record, Mapping):
            return "input_tokens" in record or "output_tokens" in record
        return isinstance(record, LLMCall)

    @classmethod
    def of(cls, call: Any) -> Usage:
        """The usage of one record: an :class:`LLMCall` or a mapping with the same keys."""
        fields = call if isinstance(call, Mapping) else call.as_json()
        sent, answered, cached = (
            int(fields.get(name) or 0) for name in ("input_tokens", "output_tokens", "cached_tokens")
        )
        cost = fields.get("cost")
        return cls(1, sent, answered, cached, float(cost or 0.0), int(cost is None))

    @classmethod
    def total(cls, calls: Iterable[Any]) -> Usage:
        """The sum over ``calls``."""
        return sum(map(cls.of, calls), cls())


@dataclass(frozen=True, slots=True)
class LLMCall:
    """One call that was answered, whatever became of the answer.

    ``model`` is the name the document gives, ``provider`` who was asked. ``prompt`` and ``response`` are
    beginnings of the texts. Token counts are as the provider told them, None where it told none;
    ``cached_tokens`` are among the ``input_tokens``. ``cost`` is in US dollars after the user's prices,
    None without a price or a count. ``wall`` is in seconds, ``attempt`` counts from 1. ``error`` says why
    the answer was of no use, empty where it was. ``node`` and ``index`` tell who asked.
    """

    model: str
    prompt: str = ""
    response: str = ""
    input_tokens: int | None = 0
    output_tokens: int | None = 0
    wall: float = 0.0
    node: str = ""
    index: int | None = None
    provider: str = ""
    cached_tokens: int | None = 0
    cost: float | None = None
    attempt: int = 1
    error: str = ""

    def as_json(self) -> dict[str, Any]:
        """The call as a plain dictionary."""
        return asdict(self)
