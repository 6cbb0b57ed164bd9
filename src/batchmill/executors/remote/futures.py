"""The most general carrier: any :class:`concurrent.futures.Executor` that takes calls to where batchmill is
installed."""

from __future__ import annotations

import io
import pickle
import threading
from collections.abc import Collection
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future, ThreadPoolExecutor
from typing import Any

from batchmill.errors import ClusterLost
from batchmill.executors.cores import usable_cores
from batchmill.executors.remote import agent
from batchmill.executors.remote.calls import OrderCall
from batchmill.executors.remote.contract import Done, Gone, Lost, Ticket
from batchmill.executors.remote.offer import Offer, OfferedWorker

SEATS = (
    "seats",
    "_max_workers",
    "max_workers",
)  # attributes of executors that say how many calls run at once
ANSWER_SECONDS = 60.0  # that an executor may take to run a first call: some start workers for it


class FuturesCarrier:
    """Sends orders as calls of ``executor``. It cannot announce the end of a batch: running orders then run
    to their end, or their timeout.

    Concurrency: any thread may set ``gone``, which is never reset.
    """

    here = False
    gone = False
    exposed = False  # what the executor sends, and how, is its own

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        told = (getattr(executor, name, None) for name in SEATS)
        self._seats = next((one for one in told if isinstance(one, int) and one > 0), None) or usable_cores()

    def seats(self, without: Collection[str] = ()) -> int:
        return int(self._seats)

    def offer(self, call: bytes) -> Offer:
        try:
            told = self._executor.submit(pickle.load, io.BytesIO(call)).result(ANSWER_SECONDS)
            facts, fault = told, ""
        except Exception as raised:  # noqa: BLE001  # what executors raise is their own
            facts, fault = None, f"{type(raised).__name__}: {raised}"
        name = type(self._executor).__name__
        return Offer(name, [OfferedWorker(name, self.seats(), facts=facts, fault=fault)])

    def send(self, order: bytes, done: Done, without: Collection[str] = ()) -> FutureTicket:
        try:
            future = self._executor.submit(pickle.load, io.BytesIO(pickle.dumps(OrderCall(order), 5)))
        except Exception as fault:
            self.gone = True  # broken or shut down
            raise ClusterLost(f"{type(fault).__name__}: {fault}") from fault
        future.add_done_callback(lambda one: self._ended(one, done))
        return FutureTicket(future)

    def beside(self, ticket: Ticket, order: bytes, done: Done) -> Ticket | None:
        """Sends nothing: it is not known who has which order."""
        return None

    def _ended(self, future: Future[Any], done: Done) -> None:
        try:
            done(future.result())
        except CancelledError:
            done(Gone("its executor was shut down"))  # nobody hears it of an order that was dropped
        except BrokenExecutor as fault:
            self._give_up(done, f"{type(fault).__name__}: {fault}")
        except ImportError as fault:
            done(Gone(f"batchmill cannot be imported there: {fault}"))
        except Exception as fault:  # noqa: BLE001  # what executors raise where a worker is lost is their own
            self._lost(fault, done)

    def _lost(self, fault: Exception, done: Done) -> None:
        """A worker is lost, or all of them. Some executors report the same for every later call, which must
        cost no item: an executor that runs another call has workers."""
        words = f"{type(fault).__name__}: {fault}"

        def answered(probe: Future[Any]) -> None:
            if probe.cancelled() or probe.exception() is not None:
                self._give_up(done, words)
            else:
                done(Lost(f"one of {type(fault).__name__}"))

        try:
            self._executor.submit(pickle.load, io.BytesIO(pickle.dumps(0))).add_done_callback(answered)
        except Exception:  # noqa: BLE001  # as above
            self._give_up(done, words)

    def _give_up(self, done: Done, reason: str) -> None:
        self.gone = True  # the next batch has another one made
        done(Gone(reason))

    def stop(self, batch: str) -> None:
        """Does nothing: workers of other executors cannot be notified."""

    def cancel(self, batch: str) -> None:
        """The same."""

    def close(self) -> None:
        try:
            self._executor.shutdown(wait=True, cancel_futures=True)
        except TypeError:  # some, such as loky's, cannot cancel calls that wait
            self._executor.shutdown(wait=True)


class FutureTicket:
    """An order that is a future."""

    def __init__(self, future: Future[Any]) -> None:
        self._future = future

    def drop(self) -> None:
        self._future.cancel()


class LoopCarrier(FuturesCarrier):
    """A cluster of threads in this process: agents as on other machines, without a network between.

    Concurrency: ``_lock`` guards ``_kept``.
    """

    here = True

    def __init__(self, seats: int) -> None:
        self._lock = threading.Lock()
        super().__init__(ThreadPoolExecutor(seats, thread_name_prefix="batchmill-pool-loop"))

    def beside(self, ticket: Ticket, order: bytes, done: Done) -> Ticket | None:
        return FuturesCarrier.send(self, order, done)

    def stop(self, batch: str) -> None:
        agent.stop(batch, cancel=False)

    def cancel(self, batch: str) -> None:
        agent.stop(batch, cancel=True)
