"""The bus: hands each event to every listener, one event at a time."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable

from batchmill.events.happened import Event

Listener = Callable[[Event], object]
Mask = Callable[[Event], Event]
_log = logging.getLogger("batchmill.events")


class Bus:
    """Takes events from any thread and calls the listeners in the order they were added.

    A listener that raises does not break the run: its first error is logged with the traceback, later ones
    are ignored, and it is still called. ``mask`` removes secrets from each event first.

    Concurrency: any thread may call any method. ``_lock`` guards ``_listeners`` and ``_reported`` and is held
    while listeners run, so a listener sees one event at a time and needs no lock against itself. It is
    re-entrant: a listener may emit. A listener must not wait for another thread that emits.
    """

    def __init__(self, listeners: Iterable[Listener] = (), mask: Mask | None = None) -> None:
        self._lock = threading.RLock()
        self._listeners: list[Listener] = list(listeners)
        self._reported: set[int] = set()
        self._mask = mask

    @property
    def heard(self) -> bool:
        """Whether anybody listens; lets a hot loop skip making events."""
        return bool(self._listeners)

    @property
    def detailed(self) -> bool:
        """Whether a listener wants to hear of every block of items."""
        with self._lock:
            return any(getattr(listener, "wants_items", False) for listener in self._listeners)

    def add(self, listener: Listener) -> Callable[[], None]:
        """Have ``listener`` called with every event from now on; returns its removal."""
        with self._lock:
            self._listeners.append(listener)

        def remove() -> None:
            with self._lock:
                if listener in self._listeners:
                    self._listeners.remove(listener)
                    self._reported.discard(id(listener))

        return remove

    def emit(self, event: Event) -> None:
        """Pass ``event`` to every listener. Exceptions of listeners are not raised."""
        if not self._listeners:
            return
        if self._mask is not None:
            event = self._mask(event)
        with self._lock:
            for listener in tuple(self._listeners):
                self._call(listener, event)

    def _call(self, listener: Listener, event: Event) -> None:
        try:
            listener(event)
        except Exception:  # noqa: BLE001  # whatever a listener raises, the run goes on
            if id(listener) not in self._reported:
                self._reported.add(id(listener))
                _log.exception("a listener failed on %s and may have missed it", type(event).__name__)
