"""Visits of nodes: the known ones of earlier passes, and those of which only the calls are saved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import NamedTuple

from batchmill.block import Block
from batchmill.journal.calls import VisitLedger
from batchmill.journal.contract import ContentKey
from batchmill.journal.encoding import decode
from batchmill.outcome import Outcome

ITEMS = "its items"  # what changed, where no part of the visit's key did


def gone_files(first: str, number: int = 1) -> str:
    """A description of the change if ``number`` results have lost a file that they had written."""
    more = f" (and those of {number - 1:,} more)" if number > 1 else ""
    return f"the file {first} that it wrote, which is gone{more}"


class Before(NamedTuple):
    """A visit of an earlier pass; ``parts`` is JSON, None under a key of the first format."""

    id: int
    turn: int
    key: bytes
    parts: str | None

    def changes(self, key: ContentKey) -> list[str]:
        """The names in which the keys differ; empty if unknown."""
        if self.parts is None or self.key == key.digest:
            return []
        parts = decode(self.parts)
        return [name for name in {**parts, **key.parts} if parts.get(name) != key.parts.get(name)]


class Older:
    """A key as the first format made it, computed when it is first needed."""

    def __init__(self, key: ContentKey) -> None:
        self._key = key

    @cached_property
    def digest(self) -> bytes | None:
        return self._key.older()

    def is_key_of(self, visit: Before) -> bool:
        return self.digest is not None and visit.key == self.digest


class CallsOnly:
    """The log of a visit whose outcomes cannot be matched again: it saves only the calls, as they are paid.
    See :class:`~batchmill.journal.contract.ItemLog` and :class:`~batchmill.journal.contract.SingleLog`."""

    knows = False
    left_out = 0
    known = None

    def __init__(self, ledger: VisitLedger) -> None:
        self._ledger = ledger

    def match(self, start: int, items: Sequence[object]) -> Mapping[int, Outcome]:
        return {}

    def run_again(self, count: int) -> None:
        """None was given."""

    def record(self, outcomes: Block | Outcome, action: str = "") -> None:
        if isinstance(outcomes, Block):
            self._ledger.enter_block(outcomes)
        else:
            self._ledger.enter(0, outcomes.records)

    def enter(self, index: int, records: Sequence[object]) -> None:
        self._ledger.enter(index, records)

    def flush(self) -> None:
        """Calls are on disk before they are made."""

    def close(self, total: int | None, *, read: bool = True) -> None:
        """Nothing to do: their number is unknown."""
