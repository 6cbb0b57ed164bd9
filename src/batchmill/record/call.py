"""One call of a language model as plain data, and how calls add up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens and calls, summed. ``Usage() `` is the neutral element of ``+``."""

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.calls + other.calls,
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
        )

    @classmethod
    def of(cls, call: Any) -> Usage:
        """The usage of one record: an :class:`LLMCall` or a mapping with the same keys."""
        fields = call if isinstance(call, Mapping) else call.as_json()
        return cls(1, int(fields.get("input_tokens") or 0), int(fields.get("output_tokens") or 0))

    @classmethod
    def total(cls, calls: Iterable[Any]) -> Usage:
        """The sum over ``calls``."""
        return sum(map(cls.of, calls), cls())


@dataclass(frozen=True, slots=True)
class LLMCall:
    """One finished call. ``wall`` is in seconds; token counts are as the provider reported them."""

    model: str
    prompt: str = ""
    response: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    wall: float = 0.0
    node: str = ""
    index: int | None = None

    def as_json(self) -> dict[str, Any]:
        """The call as a plain dictionary."""
        return asdict(self)
