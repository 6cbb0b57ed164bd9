"""The outcomes of a batch node as counts, results, errors and records; large lists go to disk."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from batchmill.batch.results.sinks import Results, is_unstarted
from batchmill.block import Block
from batchmill.lists import ABSENT, JoinedList, LazyList, Rows
from batchmill.lists.rows import MOST_HELD
from batchmill.outcome import Outcome, cancelled


class ResultCollector:
    """Collects blocks that arrive in any order. Used by one thread.

    It keeps the error entries of all items that were tried. There may be as many never-started items as
    items: those that no worker had taken stay in their source.
    """

    def __init__(self, results: Results) -> None:
        self.results = results
        self.count = 0
        self._settled = 0  # items of blocks: fewer than come before the last one if the batch broke off
        self.error_count = 0
        self.cancelled_count = 0
        self.waiting_count = 0  # of those that were cancelled
        self.skipped_count: int | None = None  # where items have no condition
        self.first_failed: Outcome | None = None  # that of the lowest index among those that failed
        self._errors = Rows()
        self._records = Rows()
        self._unstarted: dict[int, dict[str, object]] = {}
        self._rest: Sequence[object] = ()

    @property
    def complete(self) -> bool:
        """Whether every item has a value."""
        return self._settled == self.count and not (self.error_count or self.cancelled_count)

    @property
    def success_count(self) -> int:
        unstarted = self.cancelled_count - len(self._rest)
        return self._settled - self.error_count - unstarted - (self.skipped_count or 0)

    def note_skipped(self, count: int) -> None:
        """So many of the items that are added next did not run, because their condition is false."""
        self.skipped_count = count + (self.skipped_count or 0)

    def add(self, block: Block) -> None:
        """Count a block, keep its errors and records, and hand it on to the results."""
        self.count = max(self.count, block.start + len(block))
        self._settled += len(block)
        errors: dict[int, dict[str, Any]] = {}
        records: dict[int, Any] = {}
        for offset, outcome in block.special.items():
            if outcome.records:
                records[offset] = (outcome.index, outcome.records)
            if outcome.error is not None:
                errors[offset] = self._counted(outcome, block.items[offset])
        _put(self._records, block.start, records)
        _put(self._errors, block.start, {k: one for k, one in errors.items() if not is_unstarted(one)})
        self.results.add(block, errors)

    def _counted(self, outcome: Outcome, item: object) -> dict[str, object]:
        shown = outcome.as_error(item)
        if shown["kind"] == "cancelled":
            self.cancelled_count += 1
        else:
            self.error_count += 1
            if self.first_failed is None or outcome.index < self.first_failed.index:
                self.first_failed = outcome
        if outcome.error is not None and outcome.error.waiting:
            self.waiting_count += 1  # there may be as many as there are items: they are no errors to be told
        elif is_unstarted(shown):
            self._unstarted[outcome.index] = shown
        return shown

    def add_cancelled(self, items: Sequence[object], start: int) -> None:
        """Items that no worker had taken, at the end; the first one has the index ``start``."""
        self._rest = items
        self.count = max(self.count, start) + len(items)
        self.cancelled_count += len(items)

    @property
    def tried_errors(self) -> Sequence[dict[str, object]]:
        """The error entries of items that were tried, in index order."""
        return self._errors.listed_present()

    @property
    def errors(self) -> Sequence[dict[str, Any]]:
        """The error entries of all items without a value, in index order."""
        tried = self.tried_errors
        if not self._unstarted and not len(self._rest):
            return tried
        parts: list[Sequence[Any]] = []
        done = 0
        for index in sorted(self._unstarted):  # few: what the workers had taken
            before = self._errors.before(index)
            parts += [tried[done:before], [self._unstarted[index]]]
            done = before
        never_taken = _NeverTaken(self.count - len(self._rest), self._rest)
        whole = JoinedList([*parts, tried[done:], never_taken])
        return whole if len(whole) > MOST_HELD else list(whole)

    def recorded(self) -> Sequence[tuple[int, tuple[Any, ...]]]:
        """The records of all items that have any, each with its index, in item order."""
        return self._records.listed_present()


def _put(rows: Rows, start: int, values: dict[int, object]) -> None:
    """Put values by their offset from ``start``, all of them at once."""
    if values:
        first, last = min(values), max(values)
        rows.put_run(start + first, [values.get(offset, ABSENT) for offset in range(first, last + 1)])


class _NeverTaken(LazyList):
    """The entries of the items at the end of a source, from index ``first``."""

    __slots__ = ("_first", "_items")

    def __init__(self, first: int, items: Sequence[object]) -> None:
        self._first = first
        self._items = items

    def __len__(self) -> int:
        return len(self._items)

    def part(self, start: int, stop: int) -> list[Any]:
        numbered = enumerate(self._items[start:stop], self._first + start)
        return [cancelled(index).as_error(item) for index, item in numbered]
