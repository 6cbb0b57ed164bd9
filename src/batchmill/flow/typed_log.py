"""Outcomes for the journal with values that keep their types; see :mod:`batchmill.flow.typed_json`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from batchmill.block import Block
from batchmill.flow.publishing import Piece
from batchmill.flow.typed_json import NotTyped, holds, typed, untyped
from batchmill.journal.contract import ItemLog
from batchmill.outcome import Outcome
from batchmill.values import noted


class TypedItemLog:
    """An :class:`~batchmill.journal.contract.ItemLog` that keeps values with their types. ``told`` leaves out
    what was recorded for known results."""

    def __init__(self, log: ItemLog, *, told: bool = False) -> None:
        self._log = log
        self._told = told
        self._closed = False

    @property
    def knows(self) -> bool:
        return self._log.knows

    @property
    def left_out(self) -> int:
        return self._log.left_out

    def match(self, start: int, items: Sequence[Any]) -> dict[int, Outcome]:
        known: dict[int, Outcome] = {}
        for offset, outcome in self._log.match(start, items).items():
            try:
                records = () if self._told else outcome.records
                known[offset] = replace(outcome, value=untyped(outcome.value), records=records)
            except ValueError:  # of another version of ours: made again
                continue
        return known

    def record(self, block: Block) -> None:
        if not block.special and all(map(holds, block.values)):
            self._log.record(block)
            return
        outcomes = [typed_outcome(_without_pieces(one)) for one in block.outcomes()]
        self._log.record(Block.made(block.start, outcomes, block.items))

    def enter(self, index: int, records: Sequence[Any]) -> None:
        self._log.enter(index, [one for one in records if not isinstance(one, Piece)])

    def flush(self) -> None:
        self._log.flush()

    def close(self, total: int | None, *, read: bool = True) -> None:
        if not self._closed:
            self._closed = True
            self._log.close(total, read=read)


class _NotShown:
    """In the place of a value that cannot even be shown."""

    def __init__(self, value: Any) -> None:
        self._type = type(value).__qualname__

    def __repr__(self) -> str:
        return f"<{self._type} that cannot be shown>"


def typed_outcome(outcome: Outcome) -> Outcome:
    """An outcome with its value as JSON; one without such a form as it is, as far as it can be shown."""
    if outcome.error is not None:
        return outcome
    try:
        return replace(outcome, value=typed(outcome.value))
    except NotTyped:
        pass
    try:
        noted(outcome.value)
    except Exception:  # noqa: BLE001  # its own code may raise anything
        return replace(outcome, value=_NotShown(outcome.value))
    return outcome


def _without_pieces(outcome: Outcome) -> Outcome:
    if not any(isinstance(one, Piece) for one in outcome.records):
        return outcome
    return replace(outcome, records=tuple(one for one in outcome.records if not isinstance(one, Piece)))
