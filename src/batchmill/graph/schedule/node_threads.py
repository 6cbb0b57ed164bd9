"""Threads that run ready nodes side by side.

Starting a thread costs more than a short node takes, so there are few at first: more are hired while the
queue does not shrink. A hundred branches of a second each have a hundred threads after some milliseconds; one
or two threads do a thousand branches of some microseconds.
"""

from __future__ import annotations

import contextvars
import threading
from collections import deque
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

TICK_SECONDS = 0.001
NAME = "batchmill-branch"

Work = TypeVar("Work")


class NodeThreads(Generic[Work]):
    """Up to ``most`` threads that call ``do`` with each piece of work; it returns the next work.

    Concurrency: one thread, the owner's, calls :meth:`run`; the threads call ``do`` side by side. ``_lock``
    guards every field. ``_work`` wakes idle threads, ``_changed`` the owner.
    """

    def __init__(
        self, do: Callable[[Work], Iterable[Work]], break_off: Callable[[], None], most: int
    ) -> None:
        self._do = do
        self._break_off = break_off
        self._most = most
        self._lock = threading.Lock()
        self._work = threading.Condition(self._lock)
        self._changed = threading.Condition(self._lock)
        self._queue: deque[Work] = deque()
        self._threads: list[threading.Thread] = []
        self._idle = 0
        self._taken = 0
        self._over = False
        self._fault: BaseException | None = None

    def run(self, work: Iterable[Work]) -> None:
        """Do ``work`` and all work that follows from it. Raises the error of ``do``, once all threads are
        idle.

        In that case, and when the caller's wait is interrupted, for example by Ctrl-C, ``break_off`` is
        called: it must make running work end.
        """
        self._queue.extend(work)
        try:
            self._wait()
        except BaseException as fault:
            self._break(fault)
            raise
        finally:
            self._close()
        if self._fault is not None:
            raise self._fault

    def _wait(self) -> None:
        """Hire threads while work waits; return when none waits and no thread works."""
        burst, seen = 1, -1
        with self._lock:
            while self._queue or self._busy():
                if not self._queue:
                    self._changed.wait()
                    burst = 1
                    continue
                if self._taken == seen or not self._threads:
                    self._hire(burst)
                    burst *= 2
                seen = self._taken
                self._changed.wait(TICK_SECONDS)

    def _busy(self) -> bool:
        return len(self._threads) > self._idle

    def _hire(self, wanted: int) -> None:
        room = self._most - len(self._threads)
        for _ in range(min(wanted, room, len(self._queue))):
            call = contextvars.copy_context().run
            thread = threading.Thread(target=call, args=(self._serve,), name=NAME, daemon=True)
            self._threads.append(thread)
            try:
                thread.start()
            except RuntimeError:  # the system gives no more threads: fewer will do
                self._threads.remove(thread)
                self._most = len(self._threads)
                if not self._threads:
                    raise
                return

    def _serve(self) -> None:
        while (work := self._take()) is not None:
            try:
                following = list(self._do(work))
            except BaseException as fault:  # noqa: BLE001  # raised again in the owner's thread
                following = []
                self._break(fault)
            self._put(following)
            del work, following  # what was done must not be held on to while there is nothing to do

    def _take(self) -> Work | None:
        with self._lock:
            if not self._queue and not self._over:
                self._idle += 1
                if not self._busy():
                    self._changed.notify()
                while not self._queue and not self._over:
                    self._work.wait()
                self._idle -= 1
            if not self._queue:
                return None
            self._taken += 1
            return self._queue.popleft()

    def _put(self, following: list[Work]) -> None:
        if not following:
            return
        with self._lock:
            if self._fault is not None:
                return
            self._queue.extend(following)
            more = len(self._queue) - 1  # this thread takes one of them
            self._work.notify(min(more, self._idle))
            if more > self._idle:
                self._changed.notify()

    def _break(self, fault: BaseException) -> None:
        """Begin nothing more."""
        with self._lock:
            self._fault = self._fault or fault
            self._queue.clear()
        self._break_off()

    def _close(self) -> None:
        """Let the threads end, after what they are at."""
        with self._lock:
            self._over = True
            self._work.notify_all()
            threads = list(self._threads)
        for thread in threads:
            thread.join()
