"""Orders as tasks of Dask: bytes in, bytes out, by its public interface only."""

from __future__ import annotations

import contextlib
import io
import itertools
import logging
import pickle
import queue
import secrets
import sys
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import dask
import distributed

from batchmill.errors import ClusterLost, ExecutorUnavailable
from batchmill.executors.remote.agent import Call, StopCall
from batchmill.executors.remote.contract import Done, End, Gone, Lost
from batchmill.executors.remote.local import LocalHost

CONNECT_SECONDS = 15.0
WORKERS_SECONDS = 60.0  # that the first worker may take to come
CLOSE_SECONDS = 2.0
LOOK_SECONDS = 1.0  # between looks at who is there


def connect(place: str) -> DaskCarrier:
    """The carrier to the cluster at ``place``: empty is that of Dask's configuration, or a local one.

    Raises :class:`ExecutorUnavailable`.
    """
    _quiet()
    place = place or dask.config.get("scheduler-address", None) or "local"
    if place.partition(":")[0] != "local":
        return DaskCarrier(_client(place), None)
    host = LocalHost(int(place.partition(":")[2] or 0))
    try:
        return DaskCarrier(_client(host.address, host.security()), host)
    except BaseException:
        host.close()
        raise


def _quiet() -> None:
    """Dask sets up handlers when it is imported, which write onto our stderr whatever happens to a worker."""
    for name in ("distributed", "distributed.client", "bokeh", "tornado"):
        logger = logging.getLogger(name)
        for handler in list(logger.handlers):
            logger.removeHandler(handler)
        logger.propagate = False
        logger.addHandler(logging.NullHandler())


def _client(address: str, security: Any = None) -> Any:
    where = {"scheduler_file": address} if address.endswith(".json") else {"address": address}
    given = {} if security is None else {"security": security}
    try:
        return distributed.Client(
            **where, **given, set_as_default=False, timeout=CONNECT_SECONDS, heartbeat_interval="1s"
        )
    except Exception as fault:
        raise ExecutorUnavailable(
            f"the cluster at {address} cannot be reached: {_words(fault)}; check that its scheduler runs, "
            "and the certificates that Dask's configuration names under `distributed.comm.tls`"
        ) from fault


def _words(fault: BaseException) -> str:
    return f"{type(fault).__name__}: {fault}"


class DaskCarrier:
    """See the module. ``host`` is the local cluster that ends with the carrier, None for one of others.

    Concurrency: any thread calls in, Dask's call back; ``_lock`` guards ``_out``, ``_seats``, ``_closed`` and
    ``gone``. One thread, fed by ``_tasks``, talks to
    the scheduler of anything but orders.
    """

    def __init__(self, client: Any, host: LocalHost | None) -> None:
        self._client = client
        self._host = host
        self._lock = threading.Lock()
        self._out: dict[str, _Sent] = {}
        self._names = (f"batchmill-{secrets.token_hex(16)}-{number}" for number in itertools.count())
        self._closed = False
        self.gone = False
        self._tasks: queue.SimpleQueue[Callable[[], Any] | None] = queue.SimpleQueue()
        try:
            self._seats = self._first_seats()
            client.subscribe_topic("all", self._heard)
        except BaseException:
            client.close(timeout=CLOSE_SECONDS)
            raise
        threading.Thread(target=self._serve, name="batchmill-pool-cluster", daemon=True).start()

    @property
    def here(self) -> bool:
        return self._host is not None

    def _first_seats(self) -> int:
        try:
            self._client.wait_for_workers(1, timeout=WORKERS_SECONDS)
        except Exception as fault:
            raise ExecutorUnavailable(
                f"the cluster has no workers after {WORKERS_SECONDS:g} s ({_words(fault)}); start some"
            ) from fault
        found = self._client.get_versions().get("workers", {})
        ours = ".".join(map(str, sys.version_info[:2]))
        others = {
            f"{address} has Python {theirs}"
            for address, one in found.items()
            if not (theirs := str(one["host"]["python"])).startswith(f"{ours}.")
        }
        if others:
            raise ExecutorUnavailable(
                f"items travel only between the same versions of Python, and here is {ours}: "
                f"{'; '.join(sorted(others))}"
            )
        return sum(self._client.nthreads().values())

    def seats(self) -> int:
        with self._lock:
            return self._seats

    def send(self, order: bytes, done: Done) -> _Sent:
        with self._lock:
            if self._closed or self.gone:
                raise ClusterLost("the cluster is lost: its connection is closed")
            name = next(self._names)
            sent = self._out[name] = _Sent(self, name, done)
        try:
            # what workers and dashboards show of a task is its repr, which says nothing of a file
            call = io.BytesIO(pickle.dumps(Call(order), 5))
            future = self._client.submit(pickle.load, call, key=name, pure=False, retries=0)
        except Exception as fault:
            self._take(name)
            raise ClusterLost(f"the cluster is lost: {_words(fault)}") from fault
        sent.future = future
        future.add_done_callback(lambda one: self._ended(name, one))
        return sent

    def stop(self, batch: str) -> None:
        self._tell(StopCall(batch, cancel=False))

    def cancel(self, batch: str) -> None:
        self._tell(StopCall(batch, cancel=True))

    def _tell(self, call: StopCall) -> None:
        """Have it run by all workers, which do so while their threads are at work."""
        told = pickle.dumps(call, 5)
        self._tasks.put(lambda: self._client.run(pickle.loads, told, on_error="ignore"))

    def forget(self, name: str, future: Any) -> None:
        """Nobody waits for an order any more; its worker sees that its task is cancelled, and ends it."""
        self._take(name)
        if future is not None:
            self._tasks.put(partial(future.cancel, force=True))

    def close(self) -> None:
        with self._lock:
            closed, self._closed = self._closed, True
        if closed:
            return
        self._tasks.put(None)
        with contextlib.suppress(Exception):  # it is lost, or about to be: nobody needs it any more
            self._client.close(timeout=CLOSE_SECONDS)
        if self._host is not None:
            self._host.close()

    def _take(self, name: str) -> _Sent | None:
        with self._lock:
            return self._out.pop(name, None)

    def _ended(self, name: str, future: Any) -> None:
        """In a thread of the client's: a task has ended, whichever way; by us, where it was dropped."""
        sent = self._take(name)
        if sent is not None:
            sent.done(self._end_of(future))
        future.release()

    def _end_of(self, future: Any) -> End:
        if future.status == "finished":
            try:
                reply: bytes = future.result(timeout=CONNECT_SECONDS)
                return reply
            except Exception as fault:  # noqa: BLE001  # the worker that held it is gone
                return Lost(_words(fault))
        if future.status == "error":
            raised = future.exception()
            if isinstance(raised, distributed.scheduler.KilledWorker):
                return Lost(getattr(raised.last_worker, "address", "?"))
            if isinstance(raised, ImportError):
                return Gone(f"batchmill cannot be imported by its workers ({raised}): install it there")
            return Gone(f"its workers cannot run what they are sent: {_words(raised)}")
        if future.status != "cancelled":  # it had ended, and its result went with the worker before we had it
            return Lost("one that had a result")
        self._lose()
        return Gone("its scheduler is not there any more")

    def _lose(self) -> None:
        with self._lock:
            self.gone = True

    def _heard(self, event: Any) -> None:
        """An event of the scheduler's; of interest is a worker that went, and what it had."""
        _, told = event
        if not isinstance(told, dict) or told.get("action") != "remove-worker":
            return
        if told.get("expected"):  # asked to leave: Dask moves what it had
            return
        worker = str(told.get("worker", "?"))
        for name in told.get("processing-tasks") or ():
            sent = self._take(str(name))
            if sent is not None:
                sent.drop()
                sent.done(Lost(worker))

    def _serve(self) -> None:
        while True:
            try:
                call = self._tasks.get(timeout=LOOK_SECONDS)
            except queue.Empty:
                self._count_seats()
                continue
            if call is None:
                return
            with contextlib.suppress(Exception):  # of a cluster that is lost, which others find out
                call()

    def _count_seats(self) -> None:
        try:
            seats = sum(self._client.nthreads().values())
        except Exception:  # noqa: BLE001  # of a cluster that is lost, which the orders find out
            return
        with self._lock:
            self._seats = seats


class _Sent:
    """An order that is a task of Dask's."""

    def __init__(self, carrier: DaskCarrier, name: str, done: Done) -> None:
        self._carrier = carrier
        self._name = name
        self.done = done
        self.future: Any = None

    def drop(self) -> None:
        self._carrier.forget(self._name, self.future)
