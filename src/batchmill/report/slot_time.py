"""The uses of a node's slot-seconds: what its slots did, and why they were empty. The shares add up to the
whole.

A slot is busy while an attempt runs on it. Empty time before its first attempt began, or began to wait, and
after its last one is counted first. The rest is attributed in this order, for as long as items waited: to
limits, to permits of the run, to pauses before another attempt, to the start of workers that replace dead
ones. If several items waited at once, only as many count as there were empty slots."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import pairwise

from batchmill.report.parts import Shares, Visit
from batchmill.report.plain import Plain
from batchmill.report.rows import LimitStep, Row

DIED = "worker_died"
Attempted = tuple[float, float, bool, int | None]  # start, wall, whether it failed, slot


def attempts_of(row: Row) -> Iterator[Attempted]:
    """The attempts of a row that are known to have taken time."""
    if row.start is None:
        return
    if not row.tried:
        yield row.start, row.wall, row.failed, row.slot
        return
    for one in row.tried:
        yield one.at, one.wall, bool(one.error), row.slot if one.slot is None else one.slot


class _VisitTime:
    """One visit: sums over its attempts, and the first and last moment each slot was busy."""

    __slots__ = ("failed", "first", "last", "visit", "work")

    def __init__(self, visit: Visit) -> None:
        self.visit = visit
        self.work = self.failed = 0.0
        self.first: dict[int, float] = {}
        self.last: dict[int, float] = {}

    def add(self, at: float, wall: float, failed: bool, slot: int | None, waited: float) -> None:
        if failed:
            self.failed += wall
        else:
            self.work += wall
        if slot is None:
            return
        if at - waited < self.first.get(slot, at + 1):
            self.first[slot] = at - waited
        if at + wall > self.last.get(slot, -1.0):
            self.last[slot] = at + wall

    def add_plain(self, items: Plain) -> None:
        self.work += sum(items.walls)
        for slot, (came, _, ends) in items.by_slot().items():
            self.first[slot] = min(self.first.get(slot, came[0]), min(came))
            self.last[slot] = max(self.last.get(slot, -1.0), max(ends))

    def edges(self, slots: int) -> tuple[float, float]:
        """Slot-seconds before the first and behind the last attempt; of slots that had none, behind."""
        if not self.first:
            return slots * self.visit.wall, 0.0
        begin, end = self.visit.at, self.visit.at + self.visit.wall
        before = sum(max(0.0, at - begin) for at in self.first.values())
        behind = sum(max(0.0, end - at) for at in self.last.values())
        return before, behind + max(0, slots - len(self.first)) * self.visit.wall


class SlotTime:
    """Uses of the slot-seconds of a node. ``streams`` says that its items come from a node before it."""

    def __init__(self, visits: Sequence[Visit], *, streams: bool = False) -> None:
        self._visits = [_VisitTime(visit) for visit in sorted(visits, key=lambda visit: visit.at)]
        self._begins = [one.visit.at for one in self._visits]
        self._streams = streams
        self._waited = self._queued = self._paused = self._restarted = 0.0

    def add(self, row: Row, attempted: Sequence[Attempted]) -> None:
        """Count a row with its attempts."""
        waits = [one.waited for one in row.tried] or [row.waited]
        self._waited += sum(waits)
        for before, one in pairwise(row.tried):
            if before.kind == DIED:
                self._restarted += one.paused
            else:
                self._paused += one.paused
        waits[0] += row.queued
        self._queued += row.queued
        for (at, wall, failed, slot), waited in zip(attempted, waits, strict=False):
            if self._visits:
                number = max(0, bisect_right(self._begins, at) - 1)
                self._visits[number].add(at, wall, failed, slot, waited)

    def add_plain(self, items: Plain) -> None:
        """Count items."""
        self._waited += sum(items.waited or ())
        self._queued += sum(items.queued or ())
        if self._visits:
            numbers = {max(0, bisect_right(self._begins, at) - 1) for at in _extremes(items.starts)}
            if len(numbers) == 1:
                self._visits[numbers.pop()].add_plain(items)
                return
            for row in items.rows():
                number = max(0, bisect_right(self._begins, row.start or 0.0) - 1)
                self._visits[number].add(row.start or 0.0, row.wall, False, row.slot, row.waited + row.queued)

    def shares(self, steps: Sequence[LimitStep] = ()) -> Shares:
        """The shares. ``steps`` are those of an adaptive limit on the number of slots."""
        total = Shares()
        waited, queued, paused, restarted = self._waited, self._queued, self._paused, self._restarted
        for one in self._visits:
            shares, again = self._of(one, steps, waited, queued, paused, restarted)
            restarted -= again
            waited -= shares.limit_waits
            queued -= shares.permit_waits
            paused -= shares.retry_waits
            total = total + shares
        return total

    def _of(
        self,
        one: _VisitTime,
        steps: Sequence[LimitStep],
        waited: float,
        queued: float,
        paused: float,
        restarted: float,
    ) -> tuple[Shares, float]:
        """The shares of a visit, with the seconds spent on replacing dead workers."""
        visit, busy = one.visit, one.work + one.failed
        capacity = max(busy, _capacity(visit, steps))
        empty = capacity - busy
        # An adaptive limit may have closed a slot long before the end. So for empty slots at the end, the
        # items that waited say more about what held them back.
        first = min(empty, max(0.0, waited)) if steps else 0.0
        empty -= first
        before, behind = one.edges(visit.slots)
        if before + behind > empty:  # as slots that a limit had not yet opened, or had closed
            part = empty / (before + behind)
            before, behind = before * part, behind * part
        rest = max(0.0, empty - before - behind)
        limit = min(rest, max(0.0, waited - first))
        permit = min(rest - limit, max(0.0, queued))
        retry = min(rest - limit - permit, max(0.0, paused))
        again = min(rest - limit - permit - retry, max(0.0, restarted))
        rest -= limit + permit + retry + again
        limit += first
        before += again
        told = (0.0, rest) if not self._streams else (rest, 0.0)
        shares = Shares(capacity, one.work, one.failed, limit, permit, retry, *told, behind, before)
        return shares, again


def _extremes(values: Sequence[float]) -> tuple[float, float]:
    return min(values), max(values)


def _capacity(visit: Visit, steps: Sequence[LimitStep]) -> float:
    """Slot-seconds there were: the integral of the limit in force, of ``slots`` without one."""
    begin, end = visit.at, visit.at + visit.wall
    current: float = visit.slots
    at, total = begin, 0.0
    for step in steps:
        if step.limit is None:
            continue
        moment = min(end, max(at, step.at))
        total += current * (moment - at)
        at, current = moment, min(visit.slots, step.limit)
    return total + current * (end - at)
