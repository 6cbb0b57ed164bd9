"""The items worth a look, retries and calls, added up."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from batchmill.record.ledger import LedgerEntry
from batchmill.report import text
from batchmill.report.commands import show
from batchmill.report.facts import Describe
from batchmill.report.measured import CallSum, Notable, Retries, RetryCause
from batchmill.report.parts import Run
from batchmill.report.plain import Plain
from batchmill.report.rows import CallRow, Row

LONGEST_INPUT = 500
MOST_CALL_SUMS = 200
OTHERS = "others"


class Highest:
    """The ``most`` rows with the highest measure."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._heap: list[tuple[float, int, Row]] = []
        self._number = 0

    def add(self, measure: float, row: Row) -> None:
        """Consider a row."""
        self._number += 1
        if len(self._heap) < self._most:
            heapq.heappush(self._heap, (measure, -self._number, replace(row, failure=None, tried=())))
        elif measure > self._heap[0][0]:
            heapq.heapreplace(self._heap, (measure, -self._number, replace(row, failure=None, tried=())))

    def add_all(self, measures: Sequence[float], items: Plain) -> None:
        """Consider items by their measures; one of 0 is none."""
        if len(self._heap) < self._most or max(measures) > self._heap[0][0]:
            for position, measure in enumerate(measures):
                if measure and (len(self._heap) < self._most or measure > self._heap[0][0]):
                    self.add(measure, items.row(position))

    def found(self, run: Run, describe: Describe | None) -> list[Notable]:
        """The highest first. ``describe`` gives an item as JSON text by node and position."""
        rows = [row for _, _, row in sorted(self._heap, key=lambda one: (-one[0], -one[1]))]
        found = [
            Notable(
                row.node, row.index, row.place, row.state, row.wall, row.start, row.slot, row.attempts,
                row.cost, command="" if row.address else show(run, row.node, row.index),
            )
            for row in rows
        ]  # fmt: skip
        if describe is None:
            return found
        return [replace(one, input=_described(describe(one.node, one.index))) for one in found]


def _described(value: str | None) -> str | None:
    return None if value is None else text.beginning(value, LONGEST_INPUT)


class RetrySums:
    """Attempts beyond the first: what they took, why they were needed, what they saved."""

    def __init__(self) -> None:
        self._by_attempts: dict[int, tuple[int, int]] = {}
        self._causes: dict[str, RetryCause] = {}
        self._saved = 0
        self._lost = self._waited = 0.0

    def add(self, row: Row) -> None:
        """Count an item that ran."""
        if row.final:
            items, failed = self._by_attempts.get(row.attempts, (0, 0))
            self._by_attempts[row.attempts] = (items + 1, failed + row.failed)
        if row.attempts < 2:
            return
        saved = row.final and not row.failed and row.state != "cancelled"
        self._saved += saved
        causes = set()
        for one, after in zip(row.tried, row.tried[1:], strict=False):
            cause = _cause(one.error, one.kind, one.status)
            known = self._causes.get(cause) or RetryCause(cause, 0, 0.0, 0.0, 0)
            first = cause not in causes
            causes.add(cause)
            self._causes[cause] = RetryCause(
                cause,
                known.attempts + 1,
                known.lost + one.wall,
                known.waited + after.paused,
                known.saved + (saved and first),
            )
            self._waited += after.paused
        self._lost += sum(one.wall for one in row.tried if one.error)

    def add_plain(self, number: int) -> None:
        """Count ``number`` items that were done at the first attempt."""
        items, failed = self._by_attempts.get(1, (0, 0))
        self._by_attempts[1] = (items + number, failed)

    def retries(self) -> Retries:
        """The sums, with the causes that lost the most time first."""
        counts = [(attempts, *self._by_attempts[attempts]) for attempts in sorted(self._by_attempts)]
        causes = sorted(self._causes.values(), key=lambda one: -(one.lost + one.waited))
        return Retries(counts, self._saved, self._lost, self._waited, causes[:20])


def _cause(error: str, kind: str, status: int | None) -> str:
    if status is not None:
        return f"HTTP {status}"
    if kind in ("timeout", "worker_died"):
        return kind.replace("_", " ")
    return text.line(error or "error", 60)


class CallSums:
    """Calls of language models by node and model, added up as the ledger does."""

    def __init__(self) -> None:
        self._sums: dict[tuple[str, str], LedgerEntry] = {}

    def add(self, call: CallRow) -> None:
        """Count a call."""
        key = (call.node, text.line(call.model, 100))
        if key not in self._sums and len(self._sums) >= MOST_CALL_SUMS:
            key = (OTHERS, OTHERS)
        entry = LedgerEntry(
            *key, 1, call.input_tokens, call.cached_tokens, call.output_tokens, call.wall,
            Decimal(0) if call.cost is None else Decimal(repr(call.cost)),
            int(call.cost is None), int(bool(call.error)),
        )  # fmt: skip
        self._sums[key] = self._sums[key] + entry if key in self._sums else entry

    def sums(self) -> list[CallSum]:
        """The sums, the most expensive first."""
        found = [
            CallSum(
                one.node, one.model, one.calls, one.input_tokens, one.output_tokens, one.cached_tokens,
                float(one.cost), one.unpriced, one.failed, one.wall,
            )
            for one in self._sums.values()
        ]  # fmt: skip
        return sorted(found, key=lambda one: (-one.cost, -one.calls))
