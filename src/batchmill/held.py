"""What nodes keep open between items: connections, clients, sessions. One of each in a process.

It is made when a node first asks for it and closed when the last run of the process ends, so that a run
leaves nothing behind. A worker process closes what its items opened once it has had nothing to do for a
moment.
"""

from __future__ import annotations

import atexit
import threading
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Protocol, TypeVar


class Closable(Protocol):
    """What can be held."""

    def close(self) -> None:
        """Let go of everything; it may be called while an item still uses it, and not again."""


T = TypeVar("T", bound=Closable)


class _Held:
    """Concurrency: any thread may call any method; ``_lock`` guards ``_things`` and ``_runs``. Things are
    made under the lock, so that there is one of each: making one must be quick and not ask for another."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._things: dict[Hashable, Closable] = {}
        self._runs = 0

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        with self._lock:
            found = self._things.get(key)
            if found is None:
                found = self._things[key] = make()
            return found  # type: ignore[return-value]  # what was made for this key before

    @property
    def any(self) -> bool:
        return bool(self._things)  # a stale look costs a moment at most

    def enter(self) -> None:
        with self._lock:
            self._runs += 1

    def leave(self) -> None:
        with self._lock:
            self._runs -= 1
            if self._runs:
                return
        self.close()

    def close(self) -> None:
        with self._lock:
            things = list(self._things.values())
            self._things.clear()
        for thing in reversed(things):  # the later ones may stand on the earlier ones
            thing.close()


_held = _Held()
atexit.register(_held.close)


def held(key: Hashable, make: Callable[[], T]) -> T:
    """The thing called ``key``, made by ``make`` where there is none yet."""
    return _held.get(key, make)


def anything_held() -> bool:
    """Whether there is something to close."""
    return _held.any


def close_held() -> None:
    """Close everything that is held now."""
    _held.close()


@contextmanager
def holding() -> Iterator[None]:
    """While any thread is inside, what nodes open stays open."""
    _held.enter()
    try:
        yield
    finally:
        _held.leave()
