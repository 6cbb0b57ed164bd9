"""An agent's requests to the Dask worker around it: whether an order is still awaited, and a way to return
results when the worker is asked to leave.

Dask removes such a worker at once, before its tasks have ended, and discards their later results. So the
reply goes as an event, on the connection that the worker has to its scheduler until the very end; only the
client that sent the order listens to its topic.
"""

from __future__ import annotations

import asyncio
import importlib
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

LEAVING_SECONDS = 20.0  # that items have to end on a worker that is asked to leave
LOOK_SECONDS = 0.02
PLUGIN = "batchmill"
PREFIX = "batchmill-"  # of what Dask calls orders

_lock = threading.Lock()
_told: set[str] = set()  # workers of this process that are told when they leave


class RunningOrders(Protocol):
    """Has running orders; see :class:`~batchmill.executors.remote.agent.Agent`."""

    def leave(self) -> None:
        """Begin nothing more."""

    def serving(self) -> list[str]:
        """Dask's names for the running orders."""

    def here(self) -> tuple[list[str], dict[str, bytes]]:
        """The same, and the replies to the orders that have ended and that Dask still has a task for, both at
        one instant."""

    def end(self) -> None:
        """End what is."""


class OrderWaiter:
    """The waiter for an order, which Dask calls ``key``; this one, for other carriers, always waits."""

    key = ""

    def wanted(self) -> bool:
        """Whether anybody waits for it."""
        return True

    def leaving(self) -> bool:
        """Whether the worker is asked to leave: then no more items may begin."""
        return False

    def kept(self) -> bool:
        """Whether the reply may still be fetched after it was returned."""
        return False

    def hand_in(self, reply: bytes) -> None:
        """Send the reply where returning it would be of no use."""


class DaskOrderWaiter(OrderWaiter):
    """The same for a task of Dask's."""

    def __init__(self, worker: Any, key: str) -> None:
        self._worker = worker
        self.key = key

    def _status(self) -> str:
        return str(getattr(self._worker.status, "name", "running"))

    def wanted(self) -> bool:
        if self._status() == "closing":  # then it may know nothing of its tasks any more
            return self._connected()
        task = self._worker.state.tasks.get(self.key)
        if task is None or task.state == "cancelled":
            return self.leaving() and self._connected()
        return self._status() in ("running", "paused", "closing_gracefully")

    def leaving(self) -> bool:
        return self._status() in ("closing_gracefully", "closing")

    def kept(self) -> bool:
        return self.key in self._worker.state.tasks

    def _connected(self) -> bool:
        comm = getattr(getattr(self._worker, "batched_stream", None), "comm", None)
        return comm is not None and not comm.closed()

    def hand_in(self, reply: bytes) -> None:
        if self.leaving():
            self._worker.log_event(topic_of(self.key), {"order": self.key, "reply": reply})


def topic_of(order: str) -> str:
    """The topic for the orders of one carrier."""
    return order.rpartition("-")[0]


def who_waits(at_work: RunningOrders) -> OrderWaiter:
    """The waiter for the order of this thread. Makes the worker around it call ``at_work`` when it is asked
    to leave."""
    if "distributed" not in sys.modules:
        return OrderWaiter()
    distributed = importlib.import_module("distributed")
    try:
        worker = distributed.get_worker()
        key = worker.get_current_task()
    except ValueError:  # not a worker's thread
        return OrderWaiter()
    with _lock:
        new = worker.id not in _told
        _told.add(worker.id)
    if new:
        plugin = type("Leaving", (distributed.WorkerPlugin,), {"teardown": _teardown(at_work)})()
        worker.loop.add_callback(worker.plugin_add, plugin=plugin, name=PLUGIN)
    return DaskOrderWaiter(worker, str(key))


def _teardown(at_work: RunningOrders) -> Callable[[Any, Any], Any]:
    async def teardown(self: Any, worker: Any) -> None:
        """Let what runs end, and its replies be sent, before the worker closes its connections."""
        at_work.leave()
        begun, replies = at_work.here()
        for key in map(str, list(worker.state.tasks)):
            # An order with a reply may have ended after the scheduler removed this worker, and before this
            # worker learned of it. Orders without one never begin.
            if key.startswith(PREFIX) and (key in replies or key not in begun):
                worker.log_event(topic_of(key), {"order": key, "reply": replies.get(key)})
        for seconds in (LEAVING_SECONDS, 1.0):
            end = time.monotonic() + seconds
            while at_work.serving() and time.monotonic() < end:
                await asyncio.sleep(LOOK_SECONDS)
            at_work.end()

    return teardown
