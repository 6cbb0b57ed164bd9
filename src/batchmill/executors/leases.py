"""The slots that one batch has on lease, and what it does when there are no more to be had.

A batch asks for as many slots as it may have items in flight. Where the system gives no more of them
(open files, memory, processes) a batch that has some goes on with those: it is slower, and done all the
same. A batch that has none waits a while for another to give one back.
"""

from __future__ import annotations

import threading
import time

from batchmill.errors import ExecutorUnavailable
from batchmill.executors.pool import Pool
from batchmill.executors.slot import Slot

PATIENCE_SECONDS = 10.0
LOOK_SECONDS = 0.05


class Leases:
    """What one batch has out of the pool.

    Concurrency: the batch's drivers call in from their own threads; ``_lock`` guards ``_held`` and
    ``_asking``.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._lock = threading.Lock()
        self._held = 0
        self._asking = 0

    def lease(self) -> Slot | None:
        """A slot; None when there is none to be had and the batch can do without.

        Raises :class:`ExecutorUnavailable` when the batch has no other and gets none.
        """
        end = time.monotonic() + PATIENCE_SECONDS
        with self._lock:
            self._asking += 1
        while True:
            slot, refusal = self._ask()
            with self._lock:
                if slot is not None:
                    self._asking -= 1
                    self._held += 1
                    return slot
                if self._held or self._asking > 1:
                    self._asking -= 1
                    return None
            if refusal is not None and (time.monotonic() >= end or not self._pool.in_use()):
                with self._lock:
                    self._asking -= 1
                raise refusal
            time.sleep(LOOK_SECONDS)

    def release(self, slot: Slot) -> None:
        """Give a slot back to the pool."""
        with self._lock:
            self._held -= 1
        self._pool.release(slot)

    def _ask(self) -> tuple[Slot | None, ExecutorUnavailable | None]:
        try:
            return self._pool.lease(), None
        except ExecutorUnavailable as refusal:
            return None, refusal
