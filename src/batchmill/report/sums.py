"""Sums over the items of one node."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from batchmill.report.columns import Cells
from batchmill.report.hosts import HostSums
from batchmill.report.parts import ReportNode, Shares
from batchmill.report.plain import Plain
from batchmill.report.rows import CallRow, LimitStep, Row, State
from batchmill.report.slot_time import Attempted, SlotTime
from batchmill.report.tally import Tally, histogram


class NodeSums:
    """Adds up the rows of ``node``. ``slots`` is None for a node inside of items, ``hosts`` for one whose
    items ran on this machine only."""

    __slots__ = (
        "_attempts", "_bytes", "_calls", "_cost", "_counts", "_cpu", "_failed", "_ok", "_priced", "_rss",
        "_untimed", "_waits", "_work", "cells", "hosts", "node", "slots",
    )  # fmt: skip

    def __init__(
        self, node: ReportNode, slots: SlotTime | None, cells: Cells, hosts: HostSums | None = None
    ) -> None:
        self.node, self.slots, self.cells, self.hosts = node, slots, cells, hosts
        self._counts: dict[State, int] = {}
        self._ok, self._failed, self._waits = Tally(), Tally(), Tally()
        self._work = self._cost = 0.0
        self._attempts = self._calls = 0
        self._cpu: float | None = None
        self._rss: int | None = None
        self._bytes: int | None = None
        self._priced = self._untimed = False

    def add(self, row: Row, attempted: Sequence[Attempted]) -> None:
        """Count a row with the attempts that are known to have taken time."""
        if row.final:
            self._counts[row.state] = self._counts.get(row.state, 0) + 1
        if attempted:
            self._work += sum(one[1] for one in attempted)
            if self.slots is not None:
                self.slots.add(row, attempted)
            if self.hosts is not None:
                self.hosts.add(row, attempted)
        if row.state not in ("kept", "skipped", "not run"):
            self._add_effort(row)
            if row.start is None:
                self._untimed = True
                self._work += row.wall

    def add_plain(self, items: Plain) -> None:
        """Count items that are done at the first attempt."""
        self._counts["ok"] = self._counts.get("ok", 0) + len(items)
        self._attempts += len(items)
        self._work += sum(items.walls)
        self._ok.add_all(items.walls)
        if items.waited is not None:
            waits = [one for one in items.waited if one > 0]
            if waits:
                self._waits.add_all(waits)
        if self.slots is not None:
            self.slots.add_plain(items)
        if self.hosts is not None:
            self.hosts.add_plain(items)

    def _add_effort(self, row: Row) -> None:
        self._attempts += row.attempts
        if row.final and row.state != "cancelled":
            (self._failed if row.failed else self._ok).add(row.wall)
        waited = sum(one.waited for one in row.tried) if row.tried else row.waited
        if waited > 0:
            self._waits.add(waited)
        if row.cpu is not None:
            self._cpu = (self._cpu or 0.0) + row.cpu
        if row.rss is not None:
            self._rss = max(self._rss or 0, row.rss)
        if row.bytes_out is not None:
            self._bytes = (self._bytes or 0) + row.bytes_out

    def add_call(self, call: CallRow) -> None:
        """Count a call of a language model."""
        self._calls += 1
        self._cost += call.cost or 0.0
        self._priced |= call.cost is not None

    def finished(self, steps: Sequence[LimitStep]) -> ReportNode:
        """The node with its sums. ``steps`` are those of the limit on its slots."""
        node = self.node
        counts = dict(self._counts)
        if node.total is not None:
            missing = node.total - sum(counts.values())
            if missing > 0:
                counts["not run"] = counts.get("not run", 0) + missing
        return replace(
            node,
            counts=counts,
            work=self._work,
            attempts=self._attempts,
            durations=(self._ok + self._failed).durations(),
            waits=self._waits.durations(),
            histogram=histogram(self._ok, self._failed) if node.batch else None,
            shares=self._shares(steps),
            cpu=self._cpu if node.cpu is None else node.cpu,
            peak_rss=self._rss if node.peak_rss is None else node.peak_rss,
            bytes_out=self._bytes if node.bytes_out is None else node.bytes_out,
            calls=self._calls,
            cost=self._cost if self._priced else None,
            hosts=[] if self.hosts is None else self.hosts.hosts(),
        )

    def _shares(self, steps: Sequence[LimitStep]) -> Shares | None:
        """The slot-second shares; None for a node that is no batch, or if an item has no recorded time."""
        unknown = self._untimed or not (self._attempts or self.node.batch)
        if unknown or self.slots is None or not self.node.visits:
            return None
        return self.slots.shares(steps)
