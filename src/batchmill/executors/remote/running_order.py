"""An order that runs at an agent, and the slots of the agent that work on it.

An order has the slot of the thread that brought it. Another thread of the agent can lend its slot as well:
the items that nobody has begun are then shared among the worker processes of both. So there are never more
items at once than threads that were sent here to run some.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

from batchmill.concurrency.cancel import CancelToken
from batchmill.executors.process.executor import ProcessBatch
from batchmill.executors.remote.dask_side import OrderWaiter
from batchmill.executors.remote.order_channel import OrderChannel
from batchmill.executors.worker_numbers import WorkerNumbers

LOOK_SECONDS = 0.1  # between looks whether an order is late


@dataclass(slots=True)
class SlotHold:
    """The ``slot`` that a thread of an agent holds. Threads that work on one order swap theirs, because it is
    chance whose worker process ends first."""

    slot: int


class RunningOrder:
    """The order of a ``batch`` whose first item is ``start``, for the caller that waits for it.

    Concurrency: any thread may call any method; ``_lock`` guards ``_holds``, with the slots in them, and
    ``_crew``, the process executor's part.
    """

    def __init__(
        self, batch: str, start: int, channel: OrderChannel, waiting: OrderWaiter, hold: SlotHold
    ) -> None:
        self.batch = batch
        self.start = start
        self.channel = channel
        self.waiting = waiting
        self.cancel = CancelToken()
        self.numbers = WorkerNumbers([hold.slot])
        self._lock = threading.Lock()
        self._holds = [hold]
        self._crew: ProcessBatch | None = None

    def begun(self, crew: ProcessBatch) -> None:
        """From now on others can help."""
        with self._lock:
            self._crew = crew

    def end(self, hold: SlotHold) -> None:
        """It is over: the caller's slot is free."""
        with self._lock:
            self._crew = None
            self._holds.remove(hold)

    def help(self, hold: SlotHold, seconds: float) -> bool:
        """Lend it the slot of ``hold`` while that is of use. For some ``seconds`` it begins items which it
        would else have handed in unbegun. Returns False, at once, if all its items have begun."""
        with self._lock:
            crew = self._crew
            if crew is None:
                return False
            self._holds.append(hold)  # first: a worker without items may begin some as soon as it can
            self._resize(crew)
            if not self.channel.extend(seconds):
                self._holds.remove(hold)
                self._resize(crew)
                return False
            helped = crew.unbegun
        if helped:
            crew.share()
        while not self._left(crew, hold):
            pass
        return helped

    def _resize(self, crew: ProcessBatch) -> None:
        """Under the lock: the slots are those of the holds."""
        if self._holds:
            crew.resize([one.slot for one in self._holds])

    def _left(self, crew: ProcessBatch, hold: SlotHold) -> bool:
        """Wait a moment until there are more slots than items to run, and leave with a slot that has none."""
        with self._lock:
            most = len(self._holds)
        self.channel.wait_until_fewer(most, LOOK_SECONDS)
        with self._lock:
            if not self.channel.wait_until_fewer(len(self._holds), 0.0):
                return False
            busy = crew.busy()
            other = next((one for one in self._holds if one.slot not in busy), hold)
            hold.slot, other.slot = other.slot, hold.slot
            self._holds.remove(hold)
            self._resize(crew)
            return True
