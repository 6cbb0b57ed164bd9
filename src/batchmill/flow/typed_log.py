"""Outcomes for the journal with values that keep their types; see :mod:`batchmill.flow.typed_json`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from batchmill.block import Block
from batchmill.flow.publishing import Piece
from batchmill.flow.typed_json import NotTyped, holds, typed, untyped
from batchmill.journal.contract import ItemLog
from batchmill.journal.log_around import LogAround
from batchmill.outcome import Outcome
from batchmill.values import noted


class TypedItemLog(LogAround):
    """An :class:`~batchmill.journal.contract.ItemLog` that keeps values with their types. ``told`` leaves out
    the records of known results."""

    def __init__(self, log: ItemLog, *, told: bool = False) -> None:
        super().__init__(log)
        self._told = told
        self._closed = False

    def match(self, start: int, items: Sequence[object]) -> Mapping[int, Outcome]:
        known: dict[int, Outcome] = {}
        for offset, outcome in super().match(start, items).items():
            try:
                records = () if self._told else outcome.records
                known[offset] = replace(outcome, value=untyped(outcome.value), records=records)
            except ValueError:  # of another version of ours: made again
                continue
        return known

    def record(self, block: Block) -> None:
        if not block.special and all(map(holds, block.values)):
            super().record(block)
            return
        outcomes = [typed_outcome(_without_pieces(one)) for one in block.outcomes()]
        super().record(Block.made(block.start, outcomes, block.items))

    def enter(self, index: int, records: Sequence[object]) -> None:
        super().enter(index, [one for one in records if not isinstance(one, Piece)])

    def close(self, total: int | None, *, read: bool = True) -> None:
        if not self._closed:
            self._closed = True
            super().close(total, read=read)


class _NotShown:
    """In the place of a value that cannot even be shown."""

    def __init__(self, value: object) -> None:
        self._type = type(value).__qualname__

    def __repr__(self) -> str:
        return f"<{self._type} that cannot be shown>"


def typed_outcome(outcome: Outcome) -> Outcome:
    """An outcome with its value as JSON; an outcome without such a form unchanged, as far as it can
    be shown."""
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
