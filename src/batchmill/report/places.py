"""Which item of its node an outcome of a journal is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from batchmill.journal.records import VisitRecord


def placed(visits: Sequence[VisitRecord]) -> Iterator[tuple[VisitRecord, int, int]]:
    """The visits, with the position of their first item and the number of times that their node ran. If it
    ran several times, as in a loop, positions continue from one visit to the next."""
    turns: dict[str, int] = {}
    for visit in visits:
        turns[visit.address] = turns.get(visit.address, 0) + 1
    begun: dict[str, int] = {}
    for visit in visits:
        base = begun.get(visit.address, 0)
        begun[visit.address] = base + (max(visit.total or 0, visit.done) if visit.is_batch else 1)
        yield visit, base, turns[visit.address]


def place_of(visit: VisitRecord, index: int, turns: int) -> str:
    """The address of an outcome whose position alone is not unique; empty for an item of a batch that exists
    once."""
    if not visit.is_batch:
        return visit.address if turns == 1 else f"{visit.address}, turn {visit.turn + 1}"
    return "" if turns == 1 else f"{visit.address}, turn {visit.turn + 1}, item {index}"
