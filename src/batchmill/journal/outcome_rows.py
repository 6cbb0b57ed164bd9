"""The rows in which outcomes go from those who record them to the journal's writer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

PlainRow = tuple[int, int, int, str, str, float, float | None, int | None]
"""What the statement ``add_plain_outcome`` writes, an outcome without key and detail: the fields of
:class:`FullRow` as far as ``worker``."""

PLAIN_WIDTH = 8  # fields of a plain row


class FullRow(NamedTuple):
    """The row of the statement ``add_outcome``; ``number`` is that of the pass."""

    id: int
    number: int
    state: int
    item: str | None
    value: str | None
    wall: float
    began: float | None
    worker: int | None
    key: bytes | None
    detail: str | None


@dataclass(slots=True)
class OutcomeRows:
    """The rows of outcomes of different items, which have no order. Those of plain successes stand one behind
    another in ``plain``, :data:`PLAIN_WIDTH` fields each: an object for each row would cost more than its
    fields, mostly by the garbage collector's looks at it.
    """

    plain: list[Any] = field(default_factory=list)
    full: list[FullRow] = field(default_factory=list)

    def add(self, row: PlainRow | FullRow) -> None:
        """Add a row of either kind."""
        if isinstance(row, FullRow):
            self.full.append(row)
        else:
            self.plain += row

    def __len__(self) -> int:
        return len(self.plain) // PLAIN_WIDTH + len(self.full)
