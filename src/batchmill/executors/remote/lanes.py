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
    :func:`time.perf_counter` here."""

    number: int
    host: str
    agent: str
    slot: int
    until: float = -math.inf


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
            lane = self._lanes.get((stay.agent, stay.slot))
            new = lane is None
            if lane is None:
                lane = self._taken_over(stay, behind, workers) or self._opened(stay)
                self._lanes[stay.agent, stay.slot] = lane
                new = lane.until == -math.inf
            # as the difference gets smaller, an order must not seem to begin before the last one ended
            behind = max(behind, lane.until - stay.came)
            lane.until = max(lane.until, stay.left + behind)
        if new and self._tell is not None:
            self._tell(WorkerPlace(lane.number, lane.host, lane.slot, workers))
        return Stint(behind, lane.number)

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
