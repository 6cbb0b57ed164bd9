"""The ledger: use and cost of recorded calls, by node and model, added up without rounding.

A node inside a sub-workflow that runs for many items is one node. A call without reported usage counts as its
estimate; an answer kept from an earlier call counts as zero.

Costs are added as decimals, each as printed, so the total equals the sum of the printed costs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Context, Decimal
from typing import Any

from batchmill.record.call import Usage

_EXACT = Context(prec=1000)  # digits: more than any sum of floats has
_ITEM = re.compile(r"\[\d+\]")  # in the address of a call: which item it was made for


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """The calls of one node to one model. ``cost`` is in US dollars, without the ``unpriced`` calls; its part
    ``estimated_cost`` is that of the ``estimated`` calls, which did not report their usage. ``tokens`` counts
    all calls, estimates included; the other counts are reported ones. ``kept`` is the number of answers from
    earlier calls; they are in no other sum. ``wall`` is in seconds. Entries add up; the sum of entries of
    several nodes or models names none."""

    node: str = ""
    model: str = ""
    calls: int = 0
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    wall: float = 0.0
    cost: Decimal = Decimal(0)
    unpriced: int = 0
    failed: int = 0
    tokens: int = 0
    estimated: int = 0
    estimated_cost: Decimal = Decimal(0)
    kept: int = 0

    def __add__(self, other: LedgerEntry) -> LedgerEntry:
        return LedgerEntry(
            self.node if self.node == other.node else "",
            self.model if self.model == other.model else "",
            self.calls + other.calls,
            self.input_tokens + other.input_tokens,
            self.cached_tokens + other.cached_tokens,
            self.output_tokens + other.output_tokens,
            self.wall + other.wall,
            _EXACT.add(self.cost, other.cost),
            self.unpriced + other.unpriced,
            self.failed + other.failed,
            self.tokens + other.tokens,
            self.estimated + other.estimated,
            _EXACT.add(self.estimated_cost, other.estimated_cost),
            self.kept + other.kept,
        )

    @classmethod
    def of(cls, call: Mapping[str, Any]) -> LedgerEntry:
        """The entry of one call as plain data; values that it lacks count as zero."""
        node, model = _ITEM.sub("", str(call.get("node") or "")), str(call.get("model") or "")
        if call.get("kept"):
            return cls(node, model, kept=1)
        usage, cost = Usage.of(call), call.get("cost")
        exact = Decimal(0) if cost is None else Decimal(repr(cost))
        estimated = bool(call.get("estimated"))
        return cls(
            node,
            model,
            1,
            usage.input_tokens,
            usage.cached_tokens,
            usage.output_tokens,
            float(call.get("wall") or 0.0),
            exact,
            usage.unpriced,
            int(bool(call.get("error"))),
            usage.tokens,
            int(estimated),
            exact if estimated else Decimal(0),
        )

    def as_json(self) -> dict[str, Any]:
        """Plain data; ``cost`` is None where no call has a price."""
        priced = self.calls > self.unpriced or self.kept > 0
        return {
            "node": self.node,
            "model": self.model,
            "calls": self.calls,
            "failed": self.failed,
            "input_tokens": self.input_tokens,
            "cached_tokens": self.cached_tokens,
            "output_tokens": self.output_tokens,
            "tokens": self.tokens,
            "wall": round(self.wall, 6),
            "cost": float(self.cost) if priced else None,
            "unpriced": self.unpriced,
            "estimated": self.estimated,
            "estimated_cost": float(self.estimated_cost),
            "kept": self.kept,
        }


def ledger(calls: Iterable[Mapping[str, object]]) -> list[LedgerEntry]:
    """An entry for each node and model, in the order in which they are first met."""
    return added(map(LedgerEntry.of, calls))


def added(parts: Iterable[LedgerEntry]) -> list[LedgerEntry]:
    """Entries of the same node and model as one, in the order in which they are first met."""
    entries: dict[tuple[str, str], LedgerEntry] = {}
    for one in parts:
        key = (one.node, one.model)
        entries[key] = entries[key] + one if key in entries else one
    return list(entries.values())


def total(entries: Iterable[LedgerEntry]) -> LedgerEntry:
    """All entries as one, without the name of a node or model."""
    whole = LedgerEntry()
    for entry in entries:
        whole = whole + entry
    return LedgerEntry("", "", *[getattr(whole, name) for name in LedgerEntry.__slots__[2:]])
