"""The items worth a look, retries and calls, added up."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import replace

from batchmill.report import text
from batchmill.report.commands import show
from batchmill.report.measured import CallSum, Notable, Retries, RetryCause
from batchmill.report.parts import Run
from batchmill.report.rows import Call, Row

LONGEST_INPUT = 500
MOST_CALL_SUMS = 200
OTHERS = "others"
Describe = Callable[[str, int], str | None]


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

    def retries(self) -> Retries:
        """What was counted, the causes that lost most first."""
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
    """Calls of language models by node and model."""

    def __init__(self) -> None:
        self._sums: dict[tuple[str, str], CallSum] = {}

    def add(self, call: Call) -> None:
        """Count a call."""
        key = (call.node, text.line(call.model, 100))
        if key not in self._sums and len(self._sums) >= MOST_CALL_SUMS:
            key = (OTHERS, OTHERS)
        known = self._sums.get(key) or CallSum(*key, 0, 0, 0, 0, 0.0, 0)
        self._sums[key] = CallSum(
            *key,
            known.calls + 1,
            known.input_tokens + call.input_tokens,
            known.output_tokens + call.output_tokens,
            known.cached_tokens + call.cached_tokens,
            known.cost + (call.cost or 0.0),
            known.unpriced + (call.cost is None),
            known.failed + bool(call.error),
            known.wall + call.wall,
        )

    def sums(self) -> list[CallSum]:
        """What was counted, the dearest first."""
        return sorted(self._sums.values(), key=lambda one: (-one.cost, -one.calls))
