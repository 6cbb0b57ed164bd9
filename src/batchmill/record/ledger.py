"""The ledger: what recorded calls used and cost, by node and model, added up without rounding.

A node inside a sub-workflow that is run for many items is one node.

Costs are added as decimals, each as it is printed, so that the total is what adding the printed costs of
the calls by hand gives.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Context, Decimal
from typing import Any

_EXACT = Context(prec=1000)  # digits: more than any sum of floats has
_ITEM = re.compile(r"\[\d+\]")  # in the address of a call: which item it was made for


@dataclass(frozen=True, slots=True)
class Entry:
    """The calls of one node to one model. ``cost`` is in US dollars and has the ``unpriced`` calls left out;
    ``wall`` is in seconds. Entries add up; the sum of entries of several nodes or models names none."""

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

    def __add__(self, other: Entry) -> Entry:
        return Entry(
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
        )

    @classmethod
    def of(cls, call: Mapping[str, Any]) -> Entry:
        """The entry of one call as plain data; what it does not tell counts as nothing."""
        cost = call.get("cost")
        return cls(
            _ITEM.sub("", str(call.get("node") or "")),
            str(call.get("model") or ""),
            1,
            int(call.get("input_tokens") or 0),
            int(call.get("cached_tokens") or 0),
            int(call.get("output_tokens") or 0),
            float(call.get("wall") or 0.0),
            Decimal(0) if cost is None else Decimal(repr(cost)),
            int(cost is None),
            int(bool(call.get("error"))),
        )

    def as_json(self) -> dict[str, Any]:
        """Plain data; ``cost`` is None where no call has a price."""
        priced = self.calls > self.unpriced
        return {
            "node": self.node,
            "model": self.model,
            "calls": self.calls,
            "failed": self.failed,
            "input_tokens": self.input_tokens,
            "cached_tokens": self.cached_tokens,
            "output_tokens": self.output_tokens,
            "wall": round(self.wall, 6),
            "cost": float(self.cost) if priced else None,
            "unpriced": self.unpriced,
        }


def ledger(calls: Iterable[Mapping[str, Any]]) -> list[Entry]:
    """An entry for each node and model, in the order in which they are first met."""
    entries: dict[tuple[str, str], Entry] = {}
    for call in calls:
        one = Entry.of(call)
        key = (one.node, one.model)
        entries[key] = entries[key] + one if key in entries else one
    return list(entries.values())


def total(entries: Iterable[Entry]) -> Entry:
    """All entries as one, without the name of a node or model."""
    whole = Entry()
    for entry in entries:
        whole = whole + entry
    return Entry("", "", *[getattr(whole, name) for name in Entry.__slots__[2:]])
