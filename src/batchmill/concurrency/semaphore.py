"""A fair semaphore: limits how many things of a run may run at once, however they are nested.

A permit belongs to a piece of work, not to a thread. Work that only waits for other work that needs permits
lends its own out meanwhile (:meth:`FairSemaphore.lent`), so a parent never keeps its children from running.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

LOOK_SECONDS = 0.3  # between looks whether the machine has room again


class Permit:
    """Permission for one piece of work. ``held``: it has it now; ``over``: the work is done."""

    __slots__ = ("held", "over")

    def __init__(self) -> None:
        self.held = True
        self.over = False


class FairSemaphore:
    """``count`` permits, granted in the order of the requests. ``full`` says whether there is no room for
    another one now; it is called only while some work holds a permit, so at least one is always running.

    Pickled into another process it becomes a semaphore with one permit of that process, because the work
    there stands for one here.

    Concurrency: any thread may call any method; ``_lock`` guards ``_free``, ``_waiting`` and the fields of
    every permit.
    """

    def __init__(self, count: int, full: Callable[[], bool] | None = None) -> None:
        self.count = count
        self._full = full
        self._lock = threading.Lock()
        self._free = count
        self._waiting: deque[threading.Condition] = deque()
        self._current = threading.local()

    def acquire(self, given_up: Callable[[], bool]) -> Permit | None:
        """Wait for a permit; None once ``given_up`` returns True, which is called again at every
        :meth:`wake`."""
        with self._lock:
            if not self._wait(given_up):
                return None
        return Permit()

    def _wait(self, given_up: Callable[[], bool]) -> bool:
        """Under the lock: take one that is free, in turn."""
        if not self._waiting and self._has_one():
            self._free -= 1
            return True
        turn = threading.Condition(self._lock)
        self._waiting.append(turn)
        try:
            while not (self._waiting[0] is turn and self._has_one()):
                if given_up():
                    return False
                turn.wait(None if self._full is None else LOOK_SECONDS)
            self._free -= 1
            return True
        finally:
            self._waiting.remove(turn)
            self._next()

    def _has_one(self) -> bool:
        """Under the lock: whether one may be given out."""
        if not self._free:
            return False
        return self._full is None or self._free == self.count or not self._full()

    def _next(self) -> None:
        if self._free and self._waiting:
            self._waiting[0].notify()

    def release(self, permit: Permit) -> None:
        """The work is done."""
        with self._lock:
            permit.over = True
            if permit.held:
                permit.held = False
                self._free += 1
            self._next()

    def wake(self) -> None:
        """Make all waiting threads check whether they have given up."""
        with self._lock:
            for turn in self._waiting:
                turn.notify()

    def working_on(self, permit: Permit | None) -> None:
        """Let the calling thread hold this permit from now on."""
        self._current.permit = permit

    @contextmanager
    def lent(self) -> Iterator[None]:
        """Lend the permit of the calling thread's work to others for a while."""
        permit: Permit | None = getattr(self._current, "permit", None)
        if permit is None:
            yield
            return
        self._give(permit)
        try:
            yield
        finally:
            self._take_back(permit)
            self._current.permit = permit

    def _give(self, permit: Permit) -> None:
        with self._lock:
            if permit.held:
                permit.held = False
                self._free += 1
                self._next()

    def _take_back(self, permit: Permit) -> None:
        """Wait for a permit again, but not for work that was given up meanwhile, because it would never be
        released."""
        with self._lock:
            if self._wait(lambda: permit.over):
                permit.held = not permit.over
                self._free += permit.over
                self._next()

    def __deepcopy__(self, memo: dict[int, object]) -> FairSemaphore:
        return self

    def __reduce__(self) -> tuple[object, ...]:
        return FairSemaphore, (1,)
