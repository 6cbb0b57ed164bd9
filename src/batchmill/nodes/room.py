"""Room for calls of services: as many at once as this process may open connections; the others wait.

One count is for all node types, whether their calls block a thread or are awaited, because all of them take
from the same limit of open files. Idle connections that a node type keeps after its calls are not counted.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from batchmill.attempt import Attempt
from batchmill.concurrency.descriptors import free_descriptors
from batchmill.concurrency.resources import process_resource
from batchmill.errors import AttemptTimeout, Stopped

FEW_FILES = "few-files"
LOOK_SECONDS = 0.2  # between two looks whether the attempt that waits is cancelled


class _Waiter:
    """A call that waits; ``given`` says that a place is its own."""

    __slots__ = ("given", "wake")

    def __init__(self, wake: Callable[[], object]) -> None:
        self.wake = wake
        self.given = False


class Room:
    """Places for ``most`` calls, given in the order in which calls asked.

    Concurrency: any thread may call any method. ``_lock`` guards ``_free``, ``_waiting`` and the waiters in
    it; it is not held while one is woken.
    """

    def __init__(self) -> None:
        self.most = free_descriptors()
        self._lock = threading.Lock()
        self._free = self.most
        self._waiting: deque[_Waiter] = deque()

    def enter(self, attempt: Attempt) -> None:
        """Take a place, which :meth:`leave` gives back. Raises :class:`AttemptTimeout` if none is free before
        the deadline of the attempt, and :class:`Stopped` if it is cancelled."""
        if self._taken():
            return
        self._warn(attempt)
        woken = threading.Event()
        with self._waits(woken.set):
            while not woken.wait(LOOK_SECONDS):
                if attempt.cancel.cancelled:
                    raise Stopped("the run was cancelled")
                if attempt.remaining() == 0:
                    raise AttemptTimeout("no connection was free in time: the limit of open files is too low")

    async def entered(self, attempt: Attempt | None = None) -> None:
        """The same for a call that is awaited, until its task is cancelled."""
        if self._taken():
            return
        if attempt is not None:
            self._warn(attempt)
        loop = asyncio.get_running_loop()
        woken = loop.create_future()
        with self._waits(lambda: loop.call_soon_threadsafe(_settle, woken)):
            await woken

    def leave(self) -> None:
        """The call is over."""
        with self._lock:
            waiter = self._waiting.popleft() if self._waiting else None
            if waiter is None:
                self._free += 1
                return
            waiter.given = True
        waiter.wake()

    def close(self) -> None:
        """Nothing is open."""

    def _taken(self) -> bool:
        with self._lock:
            if self._free == 0:
                return False
            self._free -= 1
            return True

    @contextmanager
    def _waits(self, wake: Callable[[], object]) -> Iterator[None]:
        """Inside, the caller waits until ``wake`` is called; a place that comes too late goes to the next."""
        waiter = _Waiter(wake)
        with self._lock:
            if self._free:  # since it was looked at
                self._free -= 1
                waiter.given = True
            else:
                self._waiting.append(waiter)
        if waiter.given:
            wake()
        try:
            yield
        except BaseException:
            with self._lock:
                if not waiter.given:
                    self._waiting.remove(waiter)
            if waiter.given:
                self.leave()
            raise

    def _warn(self, attempt: Attempt) -> None:
        attempt.warn(
            FEW_FILES,
            f"{self.most:,} calls run at once, as this process may open no more connections",
            "raise the limit of open files before the run, for example with `ulimit -n 16384`",
        )


def _settle(woken: asyncio.Future[None]) -> None:
    if not woken.done():
        woken.set_result(None)


def room() -> Room:
    """That of this process, until the last run in it ends."""
    return process_resource("connection room", Room)


@contextmanager
def room_for(attempt: Attempt) -> Iterator[None]:
    """A place in the room of this process, for a call that blocks its thread."""
    found = room()
    found.enter(attempt)
    try:
        yield
    finally:
        found.leave()
