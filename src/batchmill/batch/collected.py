"""What a batch node's outcomes come to: counts, results, errors and records, not held once they are many."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from batchmill.batch.results import Results
from batchmill.lists import JoinedList, LazyList, Rows
from batchmill.lists.rows import MOST_HELD
from batchmill.outcome import Block, Outcome, cancelled


class Collected:
    """Gathers blocks that come in any order. Used by one thread.

    ``errors`` of every item that was tried are kept with their entries; of items that never started, as
    many as there may be, only those that a worker had taken already.
    """

    def __init__(self, results: Results) -> None:
        self.results = results
        self.count = 0
        self.error_count = 0
        self.cancelled_count = 0
        self._errors = Rows()
        self._records = Rows()
        self._unstarted: dict[int, dict[str, Any]] = {}
        self._rest: Sequence[Any] = ()

    @property
    def success_count(self) -> int:
        return self.count - self.error_count - self.cancelled_count

    def add(self, block: Block) -> None:
        """Count a block, keep its errors and records, and hand it on to the results."""
        self.count = max(self.count, block.start + len(block))
        errors = {}
        for offset in sorted(block.special):
            outcome = block.special[offset]
            if outcome.records:
                self._records.put(outcome.index, outcome.records)
            if outcome.error is not None:
                errors[offset] = self._failed(outcome, block.items[offset])
        self.results.add(block, errors)

    def _failed(self, outcome: Outcome, item: Any) -> dict[str, Any]:
        shown = outcome.as_error(item)
        if shown["kind"] != "cancelled":
            self.error_count += 1
        else:
            self.cancelled_count += 1
        if outcome.attempts or shown["kind"] != "cancelled":
            self._errors.put(outcome.index, shown)
        else:
            self._unstarted[outcome.index] = shown
        return shown

    def add_cancelled(self, items: Sequence[Any]) -> None:
        """Items that were never read by a worker, at the end."""
        self._rest = items
        self.count += len(items)
        self.cancelled_count += len(items)

    @property
    def tried_errors(self) -> Sequence[dict[str, Any]]:
        """The error entries of items that were tried, in index order."""
        return self._errors.listed_present()

    @property
    def errors(self) -> Sequence[dict[str, Any]]:
        """The error entries of all items without a value, in index order."""
        parts: list[Sequence[Any]] = []
        tried, done = self.tried_errors, 0
        for index in sorted(self._unstarted):  # few: a window of them at most
            before = self._errors.before(index)
            parts += [tried[done:before], [self._unstarted[index]]]
            done = before
        whole = JoinedList([*parts, tried if not done else _Tail(tried, done), self._never_read()])
        return whole if len(whole) > MOST_HELD else list(whole)

    def _never_read(self) -> Sequence[dict[str, Any]]:
        return _NeverRead(self.count - len(self._rest), self._rest)

    def recorded(self) -> Iterator[tuple[int, Any]]:
        """What the items recorded, each with its item's index, in item order."""
        for index, records in self._records.items():
            for record in records:
                yield index, record
