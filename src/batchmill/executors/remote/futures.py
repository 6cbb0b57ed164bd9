"""The lowest common carrier: any :class:`concurrent.futures.Executor` that takes calls to where batchmill is
installed."""

from __future__ import annotations

import io
import pickle
import threading
from concurrent.futures import CancelledError, Executor, Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from batchmill.errors import ClusterLost
from batchmill.executors.cores import usable_cores
from batchmill.executors.remote import agent
from batchmill.executors.remote.agent import Call
from batchmill.executors.remote.contract import Done, Gone, Lost
from batchmill.executors.remote.offer import Offer, Worker

ANSWER_SECONDS = 60.0  # that an executor may take to run a first call: some start workers for it


class FuturesCarrier:
    """Sends orders as calls of ``executor``. It cannot be told that a batch is over: what runs
    there then runs to its end, or its timeout.

    Concurrency: it has no state of its own.
    """

    here = False
    gone = False
    exposed = False  # what the executor sends, and how, is its own

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._seats = getattr(executor, "_max_workers", None) or usable_cores()

    def seats(self) -> int:
        return int(self._seats)

    def offer(self, call: bytes) -> Offer:
        try:
            told = self._executor.submit(pickle.load, io.BytesIO(call)).result(ANSWER_SECONDS)
            facts, fault = told, ""
        except Exception as raised:  # noqa: BLE001  # what executors raise is their own
            facts, fault = None, f"{type(raised).__name__}: {raised}"
        name = type(self._executor).__name__
        return Offer(name, [Worker(name, self.seats(), facts=facts, fault=fault)])

    def send(self, order: bytes, done: Done) -> FutureTicket:
        try:
            future = self._executor.submit(pickle.load, io.BytesIO(pickle.dumps(Call(order), 5)))
        except Exception as fault:
            self.gone = True  # broken or shut down
            raise ClusterLost(f"{type(fault).__name__}: {fault}") from fault
        future.add_done_callback(lambda one: _ended(one, done))
        return FutureTicket(future)

    def stop(self, batch: str) -> None:
        """There is no way to tell a worker."""

    def cancel(self, batch: str) -> None:
        """The same."""

    def close(self) -> None:
        self._executor.shutdown(wait=True, cancel_futures=True)


class FutureTicket:
    """An order that is a future."""

    def __init__(self, future: Future[Any]) -> None:
        self._future = future

    def drop(self) -> None:
        self._future.cancel()


def _ended(future: Future[Any], done: Done) -> None:
    try:
        done(future.result())
    except CancelledError:
        done(Gone("its executor was shut down"))
    except BrokenProcessPool as fault:
        done(Gone(f"{type(fault).__name__}: {fault}"))
    except ImportError as fault:
        done(Gone(f"batchmill cannot be imported there: {fault}"))
    except Exception as fault:  # noqa: BLE001  # what executors raise where a worker is lost is their own
        done(Lost(f"one of {type(fault).__name__}"))


class LoopCarrier(FuturesCarrier):
    """A cluster of threads in this process: agents as they are elsewhere, without anything in between.

    Concurrency: ``_lock`` guards ``_kept``.
    """

    here = True

    def __init__(self, seats: int) -> None:
        self._lock = threading.Lock()
        super().__init__(ThreadPoolExecutor(seats, thread_name_prefix="batchmill-pool-loop"))

    def stop(self, batch: str) -> None:
        agent.stop(batch, cancel=False)

    def cancel(self, batch: str) -> None:
        agent.stop(batch, cancel=True)
