"""Rows of services that refuse: how much of what they would take is used by who does not know the limit.

The service stands in this process and works in real time; it answers to a refused call like an HTTP server
with 429 would. Counted is what it accepted after the first seconds, in which the limit is searched for.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks import mappers
from benchmarks.workload import OURS, Figures, Opening, Ready, Side, Target, Workload, expect, figure

LATENCY = 0.1
SEARCH_SECONDS = 5.0
PHASE_SECONDS = 20.0
LIMITS = (50, 20, 80)  # of the service that changes, calls a second, one phase after another


class RefusedError(Exception):
    """Raised to who calls too often, or while too many others do."""

    status_code = 429


class Service:
    """Takes so many calls a second or at once; counts what it accepted and refused, and when.

    Concurrency: ``_lock`` guards every field.
    """

    def __init__(self, *, per_second: Callable[[float], float] | None = None, at_once: int | None = None):
        self._lock = threading.Lock()
        self._per_second, self._at_once = per_second, at_once
        self._recent: deque[float] = deque()
        self._here = 0
        self._began = 0.0
        self._accepted: list[float] = []
        self._refused: list[float] = []

    def begin(self) -> None:
        """Forget what was before."""
        with self._lock:
            self._began = time.monotonic()
            self._recent.clear()
            self._accepted, self._refused = [], []

    def call(self, number: int) -> int:
        """One call, as long as any other. Raises :class:`RefusedError`."""
        with self._lock:
            now = time.monotonic() - self._began
            if not self._takes(now):
                self._refused.append(now)
                raise RefusedError("too many requests")
            self._accepted.append(now)
            self._here += 1
        time.sleep(LATENCY)
        with self._lock:
            self._here -= 1
        return number

    def _takes(self, now: float) -> bool:
        if self._at_once is not None and self._here >= self._at_once:
            return False
        if self._per_second is None:
            return True
        while self._recent and self._recent[0] <= now - 1:
            self._recent.popleft()
        if len(self._recent) >= self._per_second(now):
            return False
        self._recent.append(now)
        return True

    def figures(self) -> Figures:
        """Percent of what was possible that was accepted, and percent of the calls that were refused."""
        end = self._accepted[-1]
        start = SEARCH_SECONDS if end > 2 * SEARCH_SECONDS else 0.0
        accepted = sum(at >= start for at in self._accepted)
        refused = sum(at >= start for at in self._refused)
        possible = self._possible(start, end)
        return {"possible": 100 * accepted / possible, "refused": 100 * refused / (accepted + refused)}

    def _possible(self, start: float, end: float) -> float:
        if self._at_once is not None:
            return max(1.0, (end - start) * self._at_once / LATENCY)
        if self._per_second is None:
            return float("inf")
        steps = 1000
        width = (end - start) / steps
        return max(1.0, sum(self._per_second(start + (step + 0.5) * width) for step in range(steps)) * width)


def _changing(now: float) -> float:
    return LIMITS[int(now / PHASE_SECONDS) % len(LIMITS)]


def _steady(now: float) -> float:
    return LIMITS[0]


def _mapping(make: Callable[[], Service], max_concurrent: int | str) -> Opening:
    @contextmanager
    def opening(n: int) -> Iterator[Ready]:
        service, batch_map = make(), mappers.our_face("map")
        settings: dict[str, Any] = {"max_retries": 10, "error_handling": "continue"}

        def work() -> Figures:
            done = batch_map(
                service.call, range(n), executor="thread", max_concurrent=max_concurrent, **settings
            )
            if max_concurrent == "auto":
                expect(done.error_count, 0, "items that were refused ten times")
            return service.figures()

        yield Ready(work, before=service.begin)

    return opening


def _row(name: str, title: str, make: Callable[[], Service], full: int) -> Workload:
    return Workload(
        name=name,
        title=title,
        measures="of what the service would take, after the first 5 s",
        unit="%",
        better="higher",
        score=figure("possible"),
        sizes={"full": full, "quick": full // 2, "smoke": 20},
        sides=(
            Side(OURS, _mapping(make, "auto"), "ours"),
            Side("always 4 at once", _mapping(make, 4), "peer"),
        ),
        aim=(Target(95.0),),
        least=(Target(90.0),),
        timeout=240.0,
    )


ROWS = (
    _row(
        "auto-a-second", "a service that takes 50 calls a second", lambda: Service(per_second=_steady), 2000
    ),
    _row("auto-at-once", "a service that takes 5 calls at once", lambda: Service(at_once=5), 2000),
    _row(
        "auto-changing",
        "a service that takes 50, then 20, then 80 calls a second",
        lambda: Service(per_second=_changing),
        3000,
    ),
)
