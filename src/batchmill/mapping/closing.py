"""Closing what was dropped without being closed, in a thread of its own.

A collector of garbage may run at any allocation, in any thread, inside a lock too. Closing a batch takes
locks and waits, so a dropped stream must not be closed by whoever happens to collect it: that thread may
be one of the batch's own workers with the batch's lock in its hands.
"""

from __future__ import annotations

import queue
import threading
import weakref
from collections.abc import Callable, Generator
from typing import Any

_dropped: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()  # its put may be called anywhere
_lock = threading.Lock()
_closer: threading.Thread | None = None


def close_when_dropped(owner: object, running: Generator[Any, Any, Any]) -> weakref.finalize[..., object]:
    """Have ``running`` closed in the background once ``owner``, which it must not refer to, is gone.

    Detach what is returned when ``running`` has ended in another way. Until then ``running`` is kept
    alive, so that it is never itself collected.
    """
    _start_closer()
    kept = weakref.finalize(owner, _dropped.put, running.close)
    kept.atexit = False
    return kept


def _start_closer() -> None:
    """Start the thread if there is none: not yet, or not in this process since it was forked."""
    global _closer
    with _lock:
        if _closer is None or not _closer.is_alive():
            _closer = threading.Thread(target=_close_dropped, name="batchmill-pool-closer", daemon=True)
            _closer.start()


def _close_dropped() -> None:
    while True:
        _dropped.get()()
