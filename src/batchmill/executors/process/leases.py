"""The worker processes leased to one batch, and its behaviour when the system gives no more.

A batch asks for as many slots as it may have items in flight. If the system gives no more of them (open
files, memory, processes), a batch that has some continues with those, more slowly. A batch that has none
waits a while for another to give one back.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from batchmill.concurrency.semaphore import FairSemaphore, Permit
from batchmill.errors import ExecutorUnavailable
from batchmill.executors.process.link import ProcessLink
from batchmill.executors.process.logs import handle
from batchmill.executors.process.packed_job import PackedJob
from batchmill.executors.process.pool import Pool
from batchmill.executors.process.slot import NO_MODULES, Heard, Slot

PATIENCE_SECONDS = 10.0
LOOK_SECONDS = 0.05


class Leases:
    """A :class:`~batchmill.executors.dispatch.link.Lender`: the slots of one batch out of the pool, each as a
    link for its ``job``.

    ``slots`` limits the number that this batch and others have together; drivers then give theirs back
    between two chunks. ``heard`` gets the log records of the workers.

    Concurrency: the batch's drivers call in from their own threads, and the one that closes it; ``_lock``
    guards ``_held``, ``_asking`` and ``_permits``.
    """

    def __init__(
        self,
        pool: Pool,
        job: PackedJob,
        slots: FairSemaphore | None = None,
        heard: Heard = handle,
        modules: frozenset[str] = NO_MODULES,
    ) -> None:
        self._pool = pool
        self._job = job
        self._heard = heard
        self._modules = modules
        self._slots = slots
        self._permits: dict[Slot, Permit] = {}
        self._lock = threading.Lock()
        self._held: list[Slot] = []
        self._asking = 0

    @property
    def shared(self) -> bool:
        """Whether others wait for workers that this batch does not need."""
        return self._slots is not None

    def wait_for_start(self, given_up: Callable[[], bool]) -> None:
        self._pool.left.wait(self._modules, given_up)

    def leave(self) -> None:
        """The batch is over: workers that it still has will be given back as soon as they can be."""
        with self._lock:
            self._pool.left.add(self._held)

    def lease(self, given_up: Callable[[], bool]) -> ProcessLink | None:
        """A worker; None if none is available and the batch can do without, or ``given_up`` returns True.
        Raises :class:`ExecutorUnavailable` if the batch has no other and gets none."""
        slots = self._slots
        slot = self._leased(given_up) if slots is None else self._permitted(slots, given_up)
        return None if slot is None else ProcessLink(slot, self._job, self._pool, self._release)

    def _permitted(self, slots: FairSemaphore, given_up: Callable[[], bool]) -> Slot | None:
        permit = slots.acquire(given_up)
        if permit is None:
            return None
        slot: Slot | None = None
        try:
            slot = self._leased(given_up)
        finally:
            if slot is None:
                slots.release(permit)
        if slot is not None:
            with self._lock:
                self._permits[slot] = permit
        return slot

    def _leased(self, given_up: Callable[[], bool]) -> Slot | None:
        end = time.monotonic() + PATIENCE_SECONDS
        with self._lock:
            self._asking += 1
        while True:
            slot, refusal = self._ask()
            with self._lock:
                if slot is not None:
                    self._asking -= 1
                    self._held.append(slot)
                    return slot
                if self._held or self._asking > 1 or given_up():
                    self._asking -= 1
                    return None
            if refusal is not None and (time.monotonic() >= end or not self._pool.in_use()):
                with self._lock:
                    self._asking -= 1
                raise refusal
            time.sleep(LOOK_SECONDS)

    def _release(self, slot: Slot) -> None:
        """Give a slot back to the pool."""
        with self._lock:
            self._held.remove(slot)
            permit = self._permits.pop(slot, None)
        self._pool.release(slot)
        if permit is not None and self._slots is not None:
            self._slots.release(permit)

    def _ask(self) -> tuple[Slot | None, ExecutorUnavailable | None]:
        try:
            slot = self._pool.lease(self._modules)
        except ExecutorUnavailable as refusal:
            return None, refusal
        slot.heard = self._heard
        return slot, None
