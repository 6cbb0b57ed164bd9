"""Closes dropped objects that were not closed, in a thread of its own.

The garbage collector may run at any allocation, in any thread, even inside a lock. Closing a batch takes
locks and waits, so the thread that collects a dropped stream must not close it: it may be one of the batch's
own workers that holds the batch's lock.
"""

from __future__ import annotations

import logging
import queue
import threading
import weakref
from collections.abc import Callable, Generator
from typing import Any

_log = logging.getLogger("batchmill.mapping")
_dropped: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()  # its put may be called anywhere
_lock = threading.Lock()
_closer: threading.Thread | None = None


def close_when_dropped(owner: object, running: Generator[Any, Any, Any]) -> weakref.finalize[..., object]:
    """Close ``running`` in the background once ``owner``, which it must not refer to, is gone.

    Detach the returned object when ``running`` has ended in another way. Until then it keeps ``running``
    alive, so ``running`` itself is never collected.
    """
    _start_closer()
    kept = weakref.finalize(owner, _dropped.put, running.close)
    kept.atexit = False
    return kept


def _start_closer() -> None:
    """Start the thread if this process has none, for example because it was just forked."""
    global _closer
    with _lock:
        if _closer is None or not _closer.is_alive():
            _closer = threading.Thread(target=_close_dropped, name="batchmill-pool-closer", daemon=True)
            _closer.start()


def _close_dropped() -> None:
    while True:
        close = _dropped.get()
        try:
            close()
        except Exception:  # noqa: BLE001  # its owner is gone, and the next ones are to be closed as well
            _log.warning("a dropped batch could not be closed", exc_info=True)
        del close  # it holds on to the batch
