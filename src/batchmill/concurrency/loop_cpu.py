"""The CPU time of an event loop's thread, divided among the users of the loop.

To read the CPU time of a thread costs more than many a step of a coroutine, so it is read about ten times a
second, not at each step. For an item the loop runs more than the steps of its coroutine: it reads and writes
sockets in callbacks, and needs time itself. So its whole time is divided. A single user gets all of it.
Several get parts by the number of ended items, weighted with the CPU time of the steps of some of them.

Blocking calls from other threads are users with one item each, and their time is added up for the calling
thread.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Coroutine, Generator
from typing import Any, Generic, TypeVar

EVERY_SECONDS = 0.1
ONE_IN = 16  # items whose steps are measured where several use the loop

T = TypeVar("T")


class _Calls(threading.local):
    seconds = 0.0


_calls = _Calls()


def called_seconds() -> float:
    """CPU seconds that loops spent on calls of this thread, so far."""
    return _calls.seconds


def add_called(seconds: float) -> None:
    """A loop spent so many CPU seconds on a call of this thread."""
    _calls.seconds += seconds


class MeteredCoroutine(Generic[T]):
    """Awaits a coroutine; ``cpu`` is the CPU seconds of its steps."""

    __slots__ = ("_coroutine", "cpu")

    def __init__(self, coroutine: Coroutine[Any, Any, T]) -> None:
        self._coroutine = coroutine
        self.cpu = 0.0

    async def steps(self) -> T:
        """The same as a coroutine."""
        return await self

    def close(self) -> None:
        """End a coroutine that was never begun."""
        self._coroutine.close()

    def __await__(self) -> Generator[Any, Any, T]:
        coroutine, error = self._coroutine, None
        while True:
            began = time.thread_time()
            try:
                waits_for = coroutine.send(None) if error is None else coroutine.throw(error)
            except StopIteration as end:
                value: T = end.value
                return value
            finally:
                self.cpu += time.thread_time() - began
            error = None
            try:
                yield waits_for
            except GeneratorExit:
                coroutine.close()
                raise
            except BaseException as thrown:  # noqa: BLE001  # into the coroutine, as without us
                error = thrown


class LoopShare:
    """One user's part of a loop's CPU time. Used by the loop's thread alone."""

    __slots__ = ("_meter", "_sampled", "_seconds", "ended", "owed")

    def __init__(self, meter: LoopCpu) -> None:
        self._meter = meter
        self.ended = 0  # items since the time was divided last
        self.owed = 0.0  # seconds
        self._sampled, self._seconds = 0, 0.0

    @property
    def samples(self) -> bool:
        """Whether to measure the steps of the item that begins now, and pass them to :meth:`sample`."""
        return self._meter.samples()

    async def sampled(self, item: Coroutine[Any, Any, T]) -> T:
        """Await an item and measure its steps."""
        measured = MeteredCoroutine(item)
        value = await measured
        self.sample(measured.cpu)
        return value

    def sample(self, seconds: float) -> None:
        """The steps of an item took so many CPU seconds."""
        self._sampled += 1
        self._seconds += seconds

    @property
    def mean(self) -> float | None:
        """CPU seconds of the steps of an item; None if unknown so far."""
        return self._seconds / self._sampled if self._sampled else None

    def end_items(self, count: int, now: float, *, last: bool = False) -> float | None:
        """So many items ended by that second of :func:`time.perf_counter`. Returns the CPU seconds of this
        user's items that are due now, None for none. The ``last`` ones return the rest."""
        self.ended += count
        self._meter.ended(self, now, last)
        if not self.owed:
            return None
        seconds, self.owed = self.owed, 0.0
        return seconds

    def leave(self) -> None:
        """No more items come."""
        self._meter.leave(self)


class LoopCpu:
    """Divides the CPU time of the thread that calls; used by the loop's thread alone."""

    def __init__(self) -> None:
        self._users = 0
        self._waiting: dict[LoopShare, None] = {}  # those with items that ended
        self._last = 0.0
        self._due = 0.0
        self._begun = 0

    def samples(self) -> bool:
        """Whether to measure the steps of an item that begins: of some, while there are several users."""
        self._begun += 1
        return self._users > 1 and self._begun % ONE_IN == 1

    def join(self) -> LoopShare:
        """Add a user. Time that the loop used before it had one is not counted."""
        if not self._users:
            self._last = time.thread_time()
        self._users += 1
        return LoopShare(self)

    def leave(self, share: LoopShare) -> None:
        self._users -= 1
        self._waiting.pop(share, None)

    def ended(self, share: LoopShare, now: float, at_once: bool) -> None:
        """An item of ``share`` ended."""
        self._waiting[share] = None
        if now >= self._due or at_once:
            self._due = now + EVERY_SECONDS
            self._divide()

    def _divide(self) -> None:
        now = time.thread_time()
        spent, self._last = now - self._last, now
        known = [one.mean for one in self._waiting]
        means = [mean for mean in known if mean]
        usual = sum(means) / len(means) if means else 1.0
        weights = {one: one.ended * (mean or usual) for one, mean in zip(self._waiting, known, strict=True)}
        whole = sum(weights.values())
        for one, weight in weights.items():
            one.owed += spent * weight / whole
            one.ended = 0
        self._waiting.clear()
