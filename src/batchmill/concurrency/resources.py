"""Resources that nodes keep open between items: connections, clients, sessions. One of each per process.

A resource is made when a node first asks for it and closed when the last run of the process ends, so that a
run leaves nothing behind. A worker process closes what its items opened once it has been idle for a moment.
"""

from __future__ import annotations

import atexit
import threading
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Protocol, TypeVar


class Closable(Protocol):
    """A resource that can be held."""

    def close(self) -> None:
        """Let go of everything; it may be called while an item still uses it, and not again."""


T = TypeVar("T", bound=Closable)


class _Place:
    """The place of one resource, made or being made.

    Concurrency: ``lock`` guards both fields and is held while the resource is made, which may be slow: only
    threads that want this resource wait for it.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.thing: Closable | None = None
        self.closed = False  # nothing is put here any more, for nobody would close it


class _Held:
    """Concurrency: any thread may call any method; ``_lock`` guards ``_places`` and ``_runs`` and is never
    held while a resource is made or closed. Only ``get`` reads ``_places`` without it, and checks again under
    the lock if an entry is missing: a lock in every request would be expensive with many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._places: dict[Hashable, _Place] = {}
        self._runs = 0

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        found = self._places.get(key)
        if found is not None and found.thing is not None:
            return found.thing  # type: ignore[return-value]  # what was made for this key before
        while True:
            with self._lock:
                place = self._places.setdefault(key, _Place())
            with place.lock:
                if place.closed:
                    continue
                if place.thing is None:
                    place.thing = make()
                return place.thing  # type: ignore[return-value]  # what was made for this key before

    @property
    def any(self) -> bool:
        return bool(self._places)  # a stale look costs a moment at most

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
            places = list(self._places.values())
            self._places.clear()
        for place in reversed(places):  # the later ones may stand on the earlier ones
            with place.lock:
                place.closed, thing = True, place.thing
            if thing is not None:
                thing.close()


_held = _Held()
atexit.register(_held.close)


def process_resource(key: Hashable, make: Callable[[], T]) -> T:
    """The resource called ``key``, made by ``make`` if there is none."""
    return _held.get(key, make)


def anything_held() -> bool:
    """Whether there is something to close."""
    return _held.any


def close_resources() -> None:
    """Close everything that is held now."""
    _held.close()


@contextmanager
def resource_scope() -> Iterator[None]:
    """While any thread is inside, what nodes open stays open."""
    _held.enter()
    try:
        yield
    finally:
        _held.leave()
