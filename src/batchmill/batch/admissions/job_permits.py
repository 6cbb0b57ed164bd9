"""Permits that the batches of a run share: each running chunk has one.

A worker asks for its permit when it has an item that could start. While it waits for items, for a limit, or
for a slow consumer, it has none.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from batchmill.batch.admissions.contract import Claim
from batchmill.concurrency.semaphore import FairSemaphore, Permit
from batchmill.executors.contract import Chunk
from batchmill.outcome import Waits


class PermitClaim(Claim):
    """A permit for one chunk, until all of its items have ended."""

    def __init__(self, permits: FairSemaphore, stopped: Callable[[], bool]) -> None:
        self._permits = permits
        self._stopped = stopped
        self._permit: Permit | None = None
        self._waited = 0.0  # seconds

    @property
    def waits(self) -> Waits:
        return Waits(permit=self._waited)

    def wait(self) -> bool:
        asked = time.perf_counter()
        self._permit = self._permits.acquire(self._stopped)
        self._waited += time.perf_counter() - asked
        return self._permit is not None

    def admit(self, count: int) -> int:
        self._permits.working_on(self._permit)
        return count

    def give_up(self) -> None:
        self._permits.working_on(None)
        self.settled()

    def settled(self) -> None:
        permit, self._permit = self._permit, None
        if permit is not None:
            self._permits.release(permit)


class JobPermits:
    """An :class:`~batchmill.batch.admissions.contract.Admission`. ``one_by_one`` makes chunks of one item,
    for workers that run the items of a chunk side by side.

    Concurrency: any thread may call any method; ``permits`` guards its own state.
    """

    starts_attempts = False

    def __init__(self, permits: FairSemaphore, *, one_by_one: bool) -> None:
        self._permits = permits
        self._one_by_one = one_by_one

    def most(self) -> int | None:
        return 1 if self._one_by_one else None

    def begin_taking(self) -> None:
        self._permits.working_on(None)

    def claim(self, chunk: Chunk, stopped: Callable[[], bool]) -> Claim:
        return PermitClaim(self._permits, stopped)

    def wake(self) -> None:
        self._permits.wake()
