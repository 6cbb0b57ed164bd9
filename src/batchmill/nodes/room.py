"""Room for calls of services: as many at once as this process may open connections; the others wait.

One count is for all node types, whether their calls block a thread or are awaited, because all of them take
from the same limit of open files. Connections that stay open after their calls have places too. They are
closed when calls wait.
"""

from __future__ import annotations

import asyncio
import errno
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from batchmill.attempt import Attempt
from batchmill.concurrency.descriptors import free_descriptors
from batchmill.concurrency.resources import process_resource
from batchmill.errors import AttemptTimeout, Stopped
from batchmill.values.words import count

FEW_FILES = "few-files"
LOOK_SECONDS = 0.2  # between two looks whether the attempt that waits is cancelled


_FULL = (errno.EMFILE, errno.ENFILE)


class Keeper(Protocol):
    """Keeps connections open after their calls."""

    def make_way(self, count: int) -> None:
        """Close up to ``count`` idle connections now or soon, and tell the room how many are left. Any thread
        may call it."""


class _Waiter:
    """A call that waits; ``given`` says that a place is its own."""

    __slots__ = ("given", "keeper", "wake")

    def __init__(self, wake: Callable[[], object], keeper: Keeper | None) -> None:
        self.wake = wake
        self.keeper = keeper
        self.given = False


class Room:
    """Places for ``most`` calls and idle connections, given in the order in which calls asked.

    A call whose keeper has an idle connection takes over the place of that connection.

    Concurrency: any thread may call any method. ``_lock`` guards ``_free``, ``_idle``, ``_waiting`` and the
    waiters in it; it is not held while one is woken or a keeper is asked to make way. ``_free`` is below 0
    for a moment when a connection is told to be idle before its call has left.
    """

    def __init__(self) -> None:
        self.most = free_descriptors()
        self._lock = threading.Lock()
        self._free = self.most
        self._idle: dict[Keeper, int] = {}
        self._waiting: deque[_Waiter] = deque()

    def enter(self, attempt: Attempt, keeper: Keeper | None = None) -> None:
        """Take a place, which :meth:`leave` gives back. Raises :class:`AttemptTimeout` if none is free before
        the deadline of the attempt, and :class:`Stopped` if it is cancelled."""
        if self._taken(keeper):
            return
        self._warn(attempt)
        woken = threading.Event()
        with self._waits(woken.set, keeper):
            woke = False
            while not woke:
                woke = woken.wait(LOOK_SECONDS)
                if attempt.cancel.cancelled:  # a place may come from a call that was ended just now
                    raise Stopped("the run was cancelled")
                if not woke and attempt.remaining() == 0:
                    raise AttemptTimeout("no connection was free in time: the limit of open files is too low")

    async def entered(self, attempt: Attempt | None = None, keeper: Keeper | None = None) -> None:
        """The same for a call that is awaited, until its task is cancelled."""
        if self._taken(keeper):
            return
        if attempt is not None:
            self._warn(attempt)
        loop = asyncio.get_running_loop()
        woken = loop.create_future()
        with self._waits(lambda: loop.call_soon_threadsafe(_settle, woken), keeper):
            await woken

    def leave(self) -> None:
        """The call is over."""
        with self._lock:
            self._free += 1
            waits = bool(self._waiting)
        if waits:
            self._give()

    def keeps(self, keeper: Keeper, count: int) -> None:
        """``keeper`` has so many idle connections now."""
        with self._lock:
            self._free += self._idle.pop(keeper, 0) - count
            if count:
                self._idle[keeper] = count
            waits = bool(self._waiting)
        if waits:
            self._give()

    def make_way(self) -> None:
        """Have all idle connections closed: no file can be opened."""
        with self._lock:
            keepers = list(self._idle)
        for keeper in keepers:
            keeper.make_way(self.most)

    @property
    def overdrawn(self) -> bool:
        """Whether more connections are open, or may be opened by calls that have a place, than there are
        places."""
        return self._free < 0  # a stale look costs one idle connection at most

    def close(self) -> None:
        """Nothing is open."""

    def _taken(self, keeper: Keeper | None) -> bool:
        with self._lock:
            return not self._waiting and self._takes(keeper)

    def _takes(self, keeper: Keeper | None) -> bool:
        """Under the lock: a place for a call, rather that of a connection that it can use."""
        if self._free < 0:  # a call has such a place, and its connection is still told to be idle
            return False
        idle = 0 if keeper is None else self._idle.get(keeper, 0)
        if keeper is not None and idle:
            self._idle[keeper] = idle - 1
            return True
        if self._free <= 0:
            return False
        self._free -= 1
        return True

    def _give(self) -> None:
        """Give places to those who wait. If there are not enough, idle connections have to make way."""
        given = []
        with self._lock:
            while self._waiting and self._takes(self._waiting[0].keeper):
                waiter = self._waiting.popleft()
                waiter.given = True
                given.append(waiter)
            short = len(self._waiting)
            keepers = [keeper for keeper, idle in self._idle.items() if idle] if short else []
        for waiter in given:
            waiter.wake()
        for keeper in keepers:
            keeper.make_way(short)

    @contextmanager
    def _waits(self, wake: Callable[[], object], keeper: Keeper | None) -> Iterator[None]:
        """Inside, the caller waits until ``wake`` is called; a place that comes too late goes to the next."""
        waiter = _Waiter(wake, keeper)
        with self._lock:
            self._waiting.append(waiter)
        self._give()
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
        with self._lock:
            if self._free + sum(self._idle.values()) > 0:  # as soon as idle connections have made way
                return
        attempt.warn(
            FEW_FILES,
            f"{count(self.most, 'call')} at once, as this process may open no more connections",
            "raise the limit of open files before the run, for example with `ulimit -n 16384`",
        )


def _settle(woken: asyncio.Future[None]) -> None:
    if not woken.done():
        woken.set_result(None)


def room() -> Room:
    """That of this process, until the last run in it ends."""
    return process_resource("connection room", Room)


def is_full(error: BaseException | None) -> bool:
    """Whether ``error``, or what it was raised for, is that no more files can be opened."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in _FULL:
            return True
        error = error.__cause__ or error.__context__
    return False


class room_for:  # noqa: N801  # used like a function; a generator takes five times as long
    """A place in the room of this process, for a call that blocks its thread."""

    __slots__ = ("_attempt", "_keeper", "_room")

    def __init__(self, attempt: Attempt, keeper: Keeper | None = None) -> None:
        self._attempt, self._keeper = attempt, keeper

    def __enter__(self) -> None:
        self._room = room()
        self._room.enter(self._attempt, self._keeper)

    def __exit__(self, *_: object) -> None:
        self._room.leave()
