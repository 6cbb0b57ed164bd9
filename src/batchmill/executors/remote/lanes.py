"""The workers of a batch on a cluster: their numbers, their host and slot, and their times by the clock here.

Machines do not agree on the time, and :func:`time.perf_counter` counts from another moment on each. So each
reply says when its order came and when the reply left, by the clock there; we know when we sent the order and
when the reply came. Nothing arrives before it leaves, so this bounds the difference of the clocks from both
sides. Replies travel at once, while orders may wait for a free thread there: the quickest reply of each agent
gives the difference.
"""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass
from typing import NamedTuple

from batchmill.executors.contract import ExecutorSettings, WorkerPlace
from batchmill.executors.remote.contract import Stay


@dataclass(slots=True)
class Lane:
    """Worker ``number`` of the batch: the ``slot`` of an ``agent`` on ``host``, busy ``until`` a second of
    :func:`time.perf_counter` here, which was the second ``left`` there."""

    number: int
    host: str
    agent: str
    slot: int
    until: float = -math.inf
    left: float = -math.inf


class Stint(NamedTuple):
    """The worker that ran the items of a reply: worker ``number``, whose clock is ``behind`` ours by so many
    seconds."""

    behind: float
    number: int


class Lanes:
    """The lanes of one batch. ``same_clock`` says that the workers have the clock of this process.

    Concurrency: any thread may call any method; ``_lock`` guards ``_lanes`` and ``_behind``, the seconds by
    which the clock of each agent is behind ours.
    """

    def __init__(self, settings: ExecutorSettings, *, same_clock: bool) -> None:
        self._numbers, self._tell = settings.worker_numbers, settings.on_worker
        self._same_clock = same_clock
        self._lock = threading.Lock()
        self._lanes: dict[tuple[str, int], Lane] = {}
        self._behind: dict[str, float] = {}

    def stint(self, stay: Stay, sent: float, received: float, workers: int) -> Stint:
        """The worker whose reply came for an order: ``sent`` and ``received`` are seconds of
        :func:`time.perf_counter`, ``workers`` is how many orders may run now."""
        with self._lock:
            behind = self._difference(stay, sent, received)
            lane, new = self._lane(stay, behind, workers)
            # As the difference gets smaller, an order must not seem to begin before the last one ended. One
            # that was helped may have swapped slots with its helper, and began before that one left.
            if stay.came >= lane.left:
                behind = max(behind, lane.until - stay.came)
            lane.until = max(lane.until, stay.left + behind)
            lane.left = max(lane.left, stay.left)
        self._announce(lane, new, workers)
        return Stint(behind, lane.number)

    def beside(self, stay: Stay, stint: Stint, workers: int, slot: int | None) -> Stint:
        """The worker at a ``slot`` that ran items of the order with this ``stay`` and ``stint``; None for
        items that none ran."""
        if slot is None or slot == stay.slot:
            return stint
        with self._lock:
            lane, new = self._lane(stay._replace(slot=slot), stint.behind, workers)
        self._announce(lane, new, workers)
        return Stint(stint.behind, lane.number)

    def _lane(self, stay: Stay, behind: float, workers: int) -> tuple[Lane, bool]:
        """Under the lock: the lane of a stay, and whether nobody was told of it."""
        lane = self._lanes.get((stay.agent, stay.slot))
        if lane is not None:
            return lane, False
        over = self._taken_over(stay, behind, workers)
        lane = self._lanes[stay.agent, stay.slot] = over or self._opened(stay)
        return lane, over is None

    def _announce(self, lane: Lane, new: bool, workers: int) -> None:
        if new and self._tell is not None:
            self._tell(WorkerPlace(lane.number, lane.host, lane.slot, workers))

    def _difference(self, stay: Stay, sent: float, received: float) -> float:
        if self._same_clock:
            return 0.0
        known = self._behind.get(stay.agent, math.inf)
        found = self._behind[stay.agent] = max(min(known, received - stay.left), sent - stay.came)
        return found

    def _taken_over(self, stay: Stay, behind: float, workers: int) -> Lane | None:
        """The lane of an agent on the same host that is gone: there are not more workers than lanes."""
        lanes = set(map(id, self._lanes.values()))
        if len(lanes) < workers:
            return None
        for known, lane in self._lanes.items():
            over = lane.until <= stay.came + behind
            if lane.host == stay.host and lane.agent != stay.agent and over:
                del self._lanes[known]
                lane.agent = stay.agent
                return lane
        return None

    def _opened(self, stay: Stay) -> Lane:
        slot = sum(lane.host == stay.host for lane in self._lanes.values())
        return Lane(self._numbers.acquire(), stay.host, stay.agent, slot)

    def close(self) -> None:
        """The batch has ended: others may have the numbers."""
        with self._lock:
            lanes, self._lanes = list(self._lanes.values()), {}
        for lane in lanes:
            self._numbers.release(lane.number)
