"""The workers that batches of one run share if several of them may run at once."""

from __future__ import annotations

import threading

from batchmill.concurrency.semaphore import FairSemaphore
from batchmill.executors.cores import usable_cores


class WorkerQuota:
    """The workers of one run, with all its branches and sub-workflows.

    With a number of ``jobs`` (1 to 1000) at most that many nodes and items run at once, and there are at most
    that many worker processes. Without, a batch gets what it asks for; batches that ask for no number of
    processes share one per usable core.

    Concurrency: any thread may call any method; ``_lock`` guards ``_slots``.
    """

    def __init__(self, jobs: int | None) -> None:
        self.permits = None if jobs is None else FairSemaphore(jobs)
        self._jobs = jobs
        self._lock = threading.Lock()
        self._slots: FairSemaphore | None = None

    def slots(self, asked: bool) -> FairSemaphore | None:
        """The worker processes that batches share; None for a batch that has its own because it ``asked`` for
        a number."""
        if asked and self._jobs is None:
            return None
        with self._lock:
            if self._slots is None:
                self._slots = FairSemaphore(self._jobs or usable_cores())
            return self._slots
