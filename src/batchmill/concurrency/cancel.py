"""The cancel token: tells all work that must end with a stopped run.

A node that starts a child process or waits on a socket registers a callback; a cancelled run calls it, in
whatever thread the node runs. Pickling a task leaves its token behind: a worker process is ended from
outside, so it gets a token that is never cancelled.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from functools import partial
from typing import Self


class CancelToken:
    """Cancelled once, and every registered callback is called.

    A token ``within`` others counts as cancelled as soon as one of them is, before any callback is called. So
    what a callback ends leaves nothing to others that are about to be ended, too. Its own callbacks are
    called with those of the others between :meth:`follow` and :meth:`leave`, or inside ``with token:``.

    Concurrency: any thread may call any method. ``_lock`` guards ``_callbacks``, ``_unfollow`` and
    ``reason``, which never changes once it is set; callbacks run in the thread that cancels, outside the
    lock, and must not block.
    """

    reason = ""  # why, in words that a run may be listed with; what the first who cancelled gave

    def __init__(self, *within: CancelToken | None) -> None:
        self._within = tuple(token for token in within if token is not None)
        self._unfollow: list[Callable[[], None]] = []
        self._lock = threading.Lock()
        self._event = threading.Event()
        self._callbacks: dict[int, Callable[[], None]] = {}
        self._numbers = itertools.count()

    @property
    def cancelled(self) -> bool:
        return self._event.is_set() or any(token.cancelled for token in self._within)

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until cancelled or until ``seconds`` have passed; True when cancelled."""
        return self._event.wait(seconds)

    def cancel(self, reason: str = "") -> None:
        """Cancel: run every registered callback once. Cancelling twice does nothing more."""
        with self._lock:
            if self._event.is_set():
                return
            self.reason = reason
            self._event.set()
            callbacks = list(self._callbacks.values())
            self._callbacks.clear()
        for callback in callbacks:
            callback()

    def on_cancel(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Have ``callback`` run when cancelled (at once if that has happened); returns its removal."""
        number = next(self._numbers)
        with self._lock:
            late = self._event.is_set()
            if not late:
                self._callbacks[number] = callback
        if late:
            callback()

        def remove() -> None:
            with self._lock:
                self._callbacks.pop(number, None)

        return remove

    def follow(self) -> Self:
        """From now on, cancel this one as soon as a token around it is cancelled, for the same reason."""
        removals = [token.on_cancel(partial(self._cancel_with, token)) for token in self._within]
        with self._lock:
            self._unfollow += removals
        return self

    def _cancel_with(self, outer: CancelToken) -> None:
        self.cancel(outer.reason)

    def leave(self) -> None:
        """Stop following, so that the tokens around this one do not keep it."""
        with self._lock:
            removals, self._unfollow = self._unfollow, []
        for remove in removals:
            remove()

    def __enter__(self) -> Self:
        return self.follow()

    def __exit__(self, *_: object) -> None:
        self.leave()

    def __deepcopy__(self, memo: dict[int, object]) -> CancelToken:
        return self

    def __reduce__(self) -> tuple[object, ...]:
        return CancelToken, ()
