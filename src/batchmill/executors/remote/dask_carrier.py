"""Orders as tasks of Dask: bytes in, bytes out, by its public interface only."""

from __future__ import annotations

import contextlib
import io
import pickle
import queue
import threading
import time
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import dask
import distributed

from batchmill.errors import ClusterLost, ExecutorUnavailable
from batchmill.executors.remote.calls import FactsCall, OrderCall, RecallCall, StopCall
from batchmill.executors.remote.contract import Done, End, Gone, Lost, RemoteReply, Ticket
from batchmill.executors.remote.dask_client import check_address, client_of, quiet, words
from batchmill.executors.remote.dask_orders import Orders, Sent
from batchmill.executors.remote.dask_workers import known_workers, told_by_workers, within
from batchmill.executors.remote.local import LocalHost
from batchmill.executors.remote.offer import Offer, refuse_wrong_versions
from batchmill.executors.remote.reach import Reached, address_in, check_files, reached, unusable

WORKERS_SECONDS = 60.0  # that the first worker may take to come
CLOSE_SECONDS = 2.0
FETCHING = 8  # replies that are fetched at once
TELL_SECONDS = 1.0  # that the scheduler may take to hear something
LOOK_SECONDS = 1.0  # between looks at who is there
AT_ONCE = Reached(0.0)
SILENT_SECONDS = 30.0  # without a sign of life, after which a worker, or the scheduler, counts as lost


def named_place(place: str) -> str:
    """``place``, else the cluster in Dask's configuration, else a local one."""
    return place or dask.config.get("scheduler-address", None) or "local"


def connect(place: str, wait: float = WORKERS_SECONDS, *, whatever: bool = False) -> DaskCarrier:
    """The carrier to the cluster at ``place``; empty is that of Dask's configuration, or a local one. Its
    first worker has ``wait`` seconds to come. With ``whatever``, workers that could not run anything are
    accepted too.

    Raises :class:`ExecutorUnavailable`.
    """
    quiet()
    place = named_place(place)
    if place.partition(":")[0] != "local":
        return _of_others(place, wait, whatever)
    host = LocalHost(int(place.partition(":")[2] or 0))
    try:
        carrier = DaskCarrier(client_of(host.address, host.security()), host)
        carrier.wait_for_workers(wait)
        return carrier
    except BaseException:
        host.close()
        raise


def _of_others(place: str, wait: float, whatever: bool) -> DaskCarrier:
    """The carrier to a cluster that was started elsewhere. Raises :class:`ExecutorUnavailable`."""
    address = address_in(place)
    check_address(address)
    security = distributed.Security()  # of Dask's configuration
    context = None
    if address.startswith("tls://"):
        files = security.get_tls_config_for_role("client")
        check_files(files)
        try:
            context = security.get_connection_args("client")["ssl_context"]
        except (OSError, ValueError) as fault:  # no certificates are in them, or a key of another
            raise unusable(fault, files) from fault
    found = reached(address, context)
    carrier = DaskCarrier(client_of(place), None, place, found)
    if whatever:
        return carrier
    try:
        carrier.wait_for_workers(wait)
        refuse_wrong_versions(carrier.offer(pickle.dumps(FactsCall(None), 5)))
    except BaseException:
        carrier.close()
        raise
    return carrier


class DaskCarrier:
    """See the module. ``host`` is the local cluster that ends with the carrier, None for a cluster of others.

    Concurrency: any thread calls in, Dask's call back; ``_lock`` guards ``_closed`` and ``gone``. One thread,
    fed by ``_tasks``, handles all other talk with the scheduler; it alone uses ``_seen``, the last sign of
    each worker.
    """

    def __init__(
        self, client: Any, host: LocalHost | None, place: str = "", reached: Reached = AT_ONCE
    ) -> None:
        self._place = place
        self._reached = reached
        self._client = client
        self._host = host
        self._lock = threading.Lock()
        self._orders = Orders()
        self._closed = False
        self._seen: dict[str, tuple[Any, float]] = {}
        self.gone = False
        self._fetching = ThreadPoolExecutor(FETCHING, thread_name_prefix="batchmill-pool-cluster-replies")
        self._tasks: queue.SimpleQueue[Callable[[], Any] | None] = queue.SimpleQueue()
        try:
            self._look()
            client.subscribe_topic("all", self._heard)
            client.subscribe_topic(self._orders.topic, self._handed_in)
        except BaseException:
            client.close(timeout=CLOSE_SECONDS)
            raise
        threading.Thread(target=self._serve, name="batchmill-pool-cluster", daemon=True).start()

    @property
    def here(self) -> bool:
        return self._host is not None

    @property
    def exposed(self) -> bool:
        return self._host is None and str(self._client.scheduler.address).startswith("tcp://")

    def wait_for_workers(self, seconds: float) -> None:
        """Until there is one. Raises :class:`ExecutorUnavailable`."""
        try:
            self._client.wait_for_workers(1, timeout=seconds)
        except Exception as fault:
            raise ExecutorUnavailable(
                f"the cluster has no workers after {seconds:g} s ({words(fault)}); start some"
            ) from fault
        self._look()

    def offer(self, call: bytes) -> Offer:
        try:
            workers = told_by_workers(self._client, call)
        except Exception as fault:
            raise ExecutorUnavailable(
                f"the cluster at {self._place or 'this machine'} does not answer: {words(fault)}"
            ) from fault
        return Offer(
            self._place or "local",
            workers,
            self._reached.milliseconds,
            self._reached.tls,
            not self.exposed,
            self._reached.expires_days,
            distributed.__version__,
        )

    def seats(self, without: Collection[str] = ()) -> int:
        return self._orders.seats(without)

    def send(self, order: bytes, done: Done, without: Collection[str] = ()) -> Sent:
        with self._lock:
            if self._closed or self.gone:
                raise ClusterLost("the cluster is lost: its connection is closed")
            sent = self._orders.new(done, self._forget, without)
        return self._submitted(sent, order)

    def beside(self, ticket: Ticket, order: bytes, done: Done) -> Sent | None:
        with self._lock:
            if self._closed or self.gone:
                raise ClusterLost("the cluster is lost: its connection is closed")
            sent = self._orders.beside(ticket, done, self._forget)
        return None if sent is None else self._submitted(sent, order)

    def _submitted(self, sent: Sent, order: bytes) -> Sent:
        where = {"workers": [sent.worker], "allow_other_workers": False} if sent.worker else {}
        try:
            # workers and dashboards show the repr of a task, which says nothing about a file
            call = io.BytesIO(pickle.dumps(OrderCall(order), 5))
            future = self._client.submit(pickle.load, call, key=sent.name, pure=False, retries=0, **where)
        except Exception as fault:
            self._orders.take(sent.name)
            raise ClusterLost(f"the cluster is lost: {words(fault)}") from fault
        sent.future = future
        future.add_done_callback(lambda one: self._ended(sent.name, one))
        return sent

    def stop(self, batch: str) -> None:
        self._tell(StopCall(batch, cancel=False))

    def cancel(self, batch: str) -> None:
        self._tell(StopCall(batch, cancel=True))

    def _tell(self, call: StopCall) -> None:
        """Have it run by all workers, which do so while their threads are at work."""
        told = pickle.dumps(call, 5)
        self._tasks.put(lambda: within(partial(self._client.run, pickle.loads, told, on_error="ignore"), 0.0))

    def _recall(self) -> None:
        """Take back orders that a busy worker has not begun, while other workers are idle."""
        found = self._orders.waiting()
        if found is None:
            return
        worker, names, most = found
        call = pickle.dumps(RecallCall(names, most), 5)
        ask = partial(self._client.run, pickle.loads, call, workers=[worker], on_error="ignore")
        with contextlib.suppress(
            TimeoutError
        ):  # it is asked again; what it gives back meanwhile comes as a reply
            for idle in within(ask, TELL_SECONDS).values():
                self._lose_orders(idle, Lost(worker, expected=True))

    def _forget(self, sent: Sent) -> None:
        """Give up an order; its worker sees that its task is cancelled, and ends it."""
        self._orders.take(sent.name)
        future = sent.future
        if future is not None:
            self._tasks.put(lambda: within(partial(future.cancel, force=True), TELL_SECONDS))

    def close(self) -> None:
        with self._lock:
            closed, self._closed = self._closed, True
        if closed:
            return
        self._tasks.put(None)
        self._fetching.shutdown(wait=False, cancel_futures=True)
        with contextlib.suppress(Exception):  # it is lost, or about to be: nobody needs it any more
            self._client.close(timeout=CLOSE_SECONDS)
        self._lose_orders(self._orders.all(), Gone("its connection was closed"))
        if self._host is not None:
            self._host.close()

    def _ended(self, name: str, future: Any) -> None:
        """In the client's only thread for this: a task has ended in some way, or was dropped and so cancelled
        by us. Its result is fetched in other threads, because a worker may keep us waiting for it."""
        with contextlib.suppress(RuntimeError):  # closed meanwhile
            self._fetching.submit(self._fetch, name, future)

    def _fetch(self, name: str, future: Any) -> None:
        reply: bytes | Lost | None = None
        if future.status == "finished":
            # It stays out until it is here: a worker that leaves before it was fetched hands it in.
            self._orders.ended(name)
            reply = self._result(future)
        sent = self._orders.take(name)
        if sent is not None:
            sent.done(self._end_of(future, sent.worker) if reply is None else reply, sent.worker)
        future.release()

    def _result(self, future: Any) -> bytes | Lost:
        try:
            reply: bytes = future.result(timeout=SILENT_SECONDS)
            return reply
        except Exception as fault:  # noqa: BLE001  # the worker that held it is gone, or has handed it in
            return Lost(words(fault))

    def _end_of(self, future: Any, worker: str) -> End:
        if future.status == "error":
            raised = future.exception()
            if isinstance(raised, distributed.scheduler.KilledWorker):
                return Lost(getattr(raised.last_worker, "address", "?"))
            reason = f"it cannot run what it is sent: {words(raised)}"
            if isinstance(raised, ImportError):
                reason = f"batchmill cannot be imported there ({raised}): install it"
            return pickle.dumps(RemoteReply("unable", worker, reason=reason), 5)
        if future.status != "cancelled":  # it had ended, and its result went with the worker before we had it
            return Lost("one that had a result")
        self._lose()
        return Gone("its scheduler is not there any more")

    def _lose(self) -> None:
        with self._lock:
            self.gone = True

    def _heard(self, event: Any) -> None:
        """An event of the scheduler; relevant are workers that left, with their orders."""
        _, told = event
        if not isinstance(told, dict) or told.get("action") != "remove-worker":
            return
        worker = str(told.get("worker", "?"))
        lost = ("processing-tasks", "lost-computed-tasks")
        had = [str(key) for name in lost for key in told.get(name) or ()]
        names = self._orders.gone(worker, had, expected=bool(told.get("expected")))
        self._lose_orders(names, Lost(worker))

    def _handed_in(self, event: Any) -> None:
        """The results so far of a worker that leaves, for an order; None if it has not begun it."""
        _, told = event
        sent = self._orders.take(str(told["order"]))
        if sent is None:
            return
        sent.drop()
        reply: bytes | None = told["reply"]
        end = Lost(sent.worker, expected=True) if reply is None else reply
        with contextlib.suppress(RuntimeError):  # closed meanwhile
            self._fetching.submit(sent.done, end)

    def _lose_orders(self, names: Iterable[str], end: Lost | Gone) -> None:
        for name in names:
            sent = self._orders.take(name)
            if sent is not None:
                sent.drop()
                sent.done(end)

    def _serve(self) -> None:
        while True:
            try:
                call = self._tasks.get(timeout=LOOK_SECONDS)
            except queue.Empty:
                call = self._look
            if call is None:
                return
            with contextlib.suppress(Exception):  # of a cluster that is lost, which others find out
                call()

    def _look(self) -> None:
        """Check which workers are there; one that was silent for too long is lost with its orders."""
        try:
            known = within(partial(known_workers, self._client), SILENT_SECONDS)
        except TimeoutError:
            reason = f"its scheduler has not answered for {SILENT_SECONDS:g} s"
            self._lose()
            self._lose_orders(self._orders.all(), Gone(reason))
            return
        now = time.monotonic()
        self._seen = {
            address: before if (before := self._seen.get(address)) and before[0] == seen else (seen, now)
            for address, one in known.items()
            for seen in (one.get("last_seen"),)
        }
        silent = [address for address, (_, since) in self._seen.items() if now - since > SILENT_SECONDS]
        seats = {address: one["nthreads"] for address, one in known.items() if address not in silent}
        for sent in self._orders.there(seats, known):
            self._lose_orders([sent.name], Lost(sent.worker, expected=True))
        self._recall()
        if silent:
            for address, names in within(lambda: self._client.processing(workers=silent)).items():
                self._lose_orders(map(str, names), Lost(f"{address}, silent for {SILENT_SECONDS:g} s"))
