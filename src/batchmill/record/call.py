"""One call of a language model as plain data, and how calls add up."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any

from batchmill.outcome import Spent, nano_usd

ID_BYTES = 8
WRITTEN = "written_tokens"


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens and calls, summed. ``Usage()`` is the neutral element of ``+``.

    ``cost`` is the US dollars of the calls with a known cost, ``unpriced`` the number of the others.
    ``tokens`` are those that count in budgets and limits: reported, else estimated; ``untold`` is the number
    of calls without either. Answers ``kept`` from before are only counted as such, because no service was
    called.
    """

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    cost: float = 0.0
    unpriced: int = 0
    tokens: int = 0
    untold: int = 0
    kept: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.calls + other.calls,
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cached_tokens + other.cached_tokens,
            self.cost + other.cost,
            self.unpriced + other.unpriced,
            self.tokens + other.tokens,
            self.untold + other.untold,
            self.kept + other.kept,
        )

    @staticmethod
    def counts(record: object) -> bool:
        """Whether a record is that of a call: it has tokens."""
        if isinstance(record, Mapping):
            return "input_tokens" in record or "output_tokens" in record
        return isinstance(record, LLMCall)

    @classmethod
    def of(cls, call: Any) -> Usage:
        """The usage of one record: an :class:`LLMCall` or a mapping with the same keys."""
        fields = call if isinstance(call, Mapping) else call.as_json()
        if fields.get("kept"):
            return cls(kept=1)
        told = [fields.get(name) for name in ("input_tokens", "output_tokens", "tokens")]
        sent, answered, tokens = (int(count or 0) for count in told)
        cost = fields.get("cost")
        return cls(
            1,
            sent,
            answered,
            int(fields.get("cached_tokens") or 0),
            float(cost or 0.0),
            int(cost is None),
            tokens if told[2] is not None else sent + answered,
            int(all(count is None for count in told)),
        )

    @classmethod
    def total(cls, calls: Iterable[object]) -> Usage:
        """The sum over ``calls``."""
        return sum(map(cls.of, calls), cls())


@dataclass(frozen=True, slots=True)
class LLMCall:
    """One call that was paid, or may have been, with any outcome; or an answer kept from an earlier one.

    ``model`` is the name in the document, ``provider`` the service. ``prompt`` and ``response`` are
    beginnings of the texts. Token counts are those of the provider, None if it reported none;
    ``cached_tokens`` are among the ``input_tokens``, as are ``written_tokens``, which the provider has put
    into its cache. ``tokens`` is the number that counts: the sum of the reported ones or, if some are
    missing, an estimate, and then ``estimated`` is true. ``cost`` is in US dollars, reported by the provider,
    else by the user's prices and for the same tokens; None without both. ``wall`` is in seconds, ``attempt``
    counts from 1. ``error`` says why the answer was unusable or missing; it is empty for a good one. ``node``
    and ``index`` say who asked. ``kept`` says that the answer was paid for before, so no service was called
    and ``cost`` is 0. ``id`` is unique. ``at`` is the time of the call, in seconds since the epoch; None if
    unknown.
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
    tokens: int | None = None
    estimated: bool = False
    kept: bool = False
    id: str = ""
    at: float | None = None
    written_tokens: int | None = None

    def as_json(self) -> dict[str, Any]:
        """The call as a plain dictionary; with ``written_tokens`` if they were reported."""
        # Every field is a plain value: `asdict`, which copies each of them, takes ten times as long.
        told = dict(zip(_NAMES, _values_of(self), strict=True))
        if self.written_tokens is None:
            del told[WRITTEN]
        return told


_NAMES = tuple(one.name for one in fields(LLMCall))
_values_of = attrgetter(*_NAMES)


def used_by(records: Iterable[object]) -> Spent:
    """The use by the calls among some records; a call with an unknown cost adds none."""
    used = sum((Usage.of(one) for one in records if Usage.counts(one)), Usage())
    return Spent(used.calls, used.tokens, nano_usd(used.cost))


def new_id() -> str:
    """An id for a call."""
    return secrets.token_hex(ID_BYTES)
