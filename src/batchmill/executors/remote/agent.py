"""The agent on a worker of a cluster: takes orders, runs their items in worker processes of its own.

The process executor runs the items, so one that kills its process, hangs or takes too much memory costs the
same as on one machine. The worker around it, such as a thread of Dask, only waits.
"""

from __future__ import annotations

import multiprocessing
import pickle
import secrets
import socket
import sys
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import partial

from batchmill.block import Block
from batchmill.errors import BatchmillError
from batchmill.executors.contract import Chunk, WorkerDeath
from batchmill.executors.own_time import Effort, Took, own_seconds
from batchmill.executors.pickling import pickler
from batchmill.executors.process import frames
from batchmill.executors.process.executor import ProcessExecutor
from batchmill.executors.process.logs import Logged
from batchmill.executors.process.pool import shared_pool
from batchmill.executors.process.slot import NO_MODULES
from batchmill.executors.remote.contract import WIRE, Ended, Help, RemoteOrder, RemoteReply, Rest, Stay
from batchmill.executors.remote.dask_side import OrderWaiter, who_waits
from batchmill.executors.remote.library import Library
from batchmill.executors.remote.loaded_jobs import LoadedJob, RemoteJob, loaded
from batchmill.executors.remote.order_channel import OrderChannel
from batchmill.executors.remote.running_order import RunningOrder, SlotHold
from batchmill.executors.remote.sealed import SealedItems, SealedRetry, SealedTask
from batchmill.executors.worker_numbers import WorkerNumbers

KEPT_JOBS = 8
REMEMBERED = 256  # batches that were stopped, for orders of theirs that come later
LOOK_SECONDS = 0.1
FORGET_SECONDS = 60.0


class Agent:
    """The agent of this process, with a ``name`` that no other one has.

    Concurrency: orders come from several threads, and so do stops; ``_lock`` guards all fields but ``name``
    and ``_slots``, which never change and have a lock of their own.
    """

    def __init__(self) -> None:
        self.name = secrets.token_hex(8)
        self._slots = WorkerNumbers()
        self._lock = threading.Lock()
        self._jobs: OrderedDict[bytes, LoadedJob] = OrderedDict()
        self._library = Library()
        self._at_work: list[RunningOrder] = []
        self._stopped: deque[str] = deque(maxlen=REMEMBERED)
        self._watching = False
        self._serving: list[str] = []
        self._recalled: deque[str] = deque(maxlen=REMEMBERED)
        self._replies: dict[str, tuple[OrderWaiter, bytes]] = {}  # that may still be asked for

    def serve(self, order: RemoteOrder | Help, came: float) -> bytes:
        """Run an order that ``came`` at that second; returns the pickle of its :class:`RemoteReply`."""
        waiting = who_waits(self)
        hold = SlotHold(self._slots.acquire())
        with self._lock:
            recalled = waiting.key in self._recalled
            self._serving.append(waiting.key)
        try:
            if isinstance(order, Help):
                reply = RemoteReply(
                    "done", socket.gethostname(), helped=not recalled and self._help(order, hold)
                )
            else:
                reply = _unbegun(order) if recalled else self.run(order, waiting, hold)
            stay = Stay(reply.host, self.name, hold.slot, came, time.perf_counter())
            packed = pickle.dumps(reply._replace(stay=stay), 5)
            with self._lock:
                self._forget_replies()
                if waiting.kept():
                    self._replies[waiting.key] = waiting, packed
            waiting.hand_in(packed)
            return packed
        finally:
            with self._lock:
                self._serving.remove(waiting.key)
            self._slots.release(hold.slot)

    def _help(self, help_: Help, hold: SlotHold) -> bool:
        wanted = help_.batch, help_.start
        found = next((one for one in self._now() if (one.batch, one.start) == wanted), None)
        return found is not None and found.help(hold, help_.seconds)

    def run(self, order: RemoteOrder, waiting: OrderWaiter, hold: SlotHold) -> RemoteReply:
        """Run an order for the caller that waits for it, in the slot that it holds."""
        host = socket.gethostname()
        try:
            known = self._job(order)
            if known is None:
                return RemoteReply("no_job", host)
            _allow_children()
            with nullcontext() if known.copy is None else self._library.holding(known.copy):
                return self._run(order, known, waiting, hold, host)
        except (BatchmillError, OSError) as fault:
            return RemoteReply("unable", host, reason=f"{type(fault).__name__}: {fault}")

    def _job(self, order: RemoteOrder) -> LoadedJob | None:
        place = shared_pool().folders[-1]
        with self._lock:
            found = self._jobs.get(order.digest)
            if found is not None and found.is_whole(place):
                self._jobs.move_to_end(order.digest)
                return found
        if order.job is None:
            return None
        job: RemoteJob = pickle.loads(order.job)  # noqa: S301  # from who may have us run anything
        found = loaded(job, place, self._library)
        with self._lock:
            self._jobs[order.digest] = found
            while len(self._jobs) > KEPT_JOBS:
                self._jobs.popitem(last=False)
        return found

    def _run(
        self, order: RemoteOrder, known: LoadedJob, waiting: OrderWaiter, hold: SlotHold, host: str
    ) -> RemoteReply:
        job = known.job
        deaths: list[WorkerDeath] = []
        retry = SealedRetry(job.retry, job.settings.retry)
        sealed = SealedItems(order.items, 0, order.n_items)
        items = pickler.loads(order.items) if order.plain else sealed
        channel = OrderChannel(
            Chunk(order.start, items, order.attempts, order.lost, wait=order.wait),
            order.seconds,
            alone=job.settings.stop_on_failure or job.settings.judges_failures,
            by_attempt=job.settings.by_attempt,
        )
        at_work = RunningOrder(order.batch, order.start, channel, waiting, hold)
        numbers = at_work.numbers
        settings = replace(job.settings, retry=retry, on_death=deaths.append, worker_numbers=numbers)
        logs: list[bytes] = []
        files = NO_MODULES if job.modules is None else job.modules.files
        heard = partial(_keep, logs)
        # All items in one chunk: their number was chosen for it, and each part of sealed items carries all.
        executor = ProcessExecutor(known.around, heard, files, order.seconds, sys.maxsize, at_work.begun)
        done: list[Block] = []
        with self._entered(at_work, hold):
            done.extend(executor.run(SealedTask(job.task), channel, settings, at_work.cancel))
        done += channel.finished()
        seconds = sum(own_seconds(_took(block)) for block in done)
        ended = tuple(_ended(_placed(block, host)) for block in done)
        rest = tuple(map(Rest.of, channel.rest()))
        return RemoteReply("done", host, ended, rest, seconds, tuple(logs), deaths=tuple(deaths))

    @contextmanager
    def _entered(self, at_work: RunningOrder, hold: SlotHold) -> Iterator[None]:
        with self._lock:
            self._at_work.append(at_work)
            stopped = at_work.batch in self._stopped
            watch = not self._watching
            self._watching = True
        if stopped or at_work.waiting.leaving():
            at_work.channel.stop()
        if watch:
            threading.Thread(target=self._watch, name="batchmill-pool-agent", daemon=True).start()
        try:
            yield
        finally:
            at_work.end(hold)
            with self._lock:
                self._at_work.remove(at_work)

    def _watch(self) -> None:
        """While orders run, end those that no longer have a waiter, and drop jobs, with their secrets, that
        were not used for a while."""
        last = time.monotonic()
        while True:
            time.sleep(LOOK_SECONDS)
            with self._lock:
                self._forget_replies()
                now = list(self._at_work)
                last = time.monotonic() if now else last
                if time.monotonic() - last > FORGET_SECONDS:
                    self._jobs.clear()
                    self._watching = False
                    return
            for one in now:
                if not one.waiting.wanted():
                    one.cancel.cancel()
                elif one.waiting.leaving():
                    one.channel.stop()

    def leave(self) -> None:
        """Begin nothing more of the orders that are here."""
        for one in self._now():
            one.channel.stop()

    def end(self) -> None:
        """End what runs."""
        for one in self._now():
            one.cancel.cancel()

    def serving(self) -> list[str]:
        """Dask's names for the orders here, "" for those of other carriers."""
        with self._lock:
            return list(self._serving)

    def here(self) -> tuple[list[str], dict[str, bytes]]:
        """See :class:`~batchmill.executors.remote.dask_side.RunningOrders`."""
        with self._lock:
            self._forget_replies()
            return list(self._serving), {key: reply for key, (_, reply) in self._replies.items()}

    def recall(self, keys: Sequence[str], most: int) -> list[str]:
        """Take back the first ``most`` of these orders that have not begun: they never run here."""
        with self._lock:
            idle = [key for key in keys if key not in self._serving and key not in self._replies][:most]
            self._recalled.extend(idle)
            return idle

    def _forget_replies(self) -> None:
        """Drop the replies that have arrived. Call it with the lock."""
        for key in [key for key, (waiting, _) in self._replies.items() if not waiting.kept()]:
            del self._replies[key]

    def _now(self) -> list[RunningOrder]:
        with self._lock:
            return list(self._at_work)

    def stop(self, batch: str, *, cancel: bool) -> None:
        """Let nothing more of a batch start; ``cancel`` ends what runs of it."""
        with self._lock:
            self._stopped.append(batch)
            now = [one for one in self._at_work if one.batch == batch]
        for one in now:
            one.channel.stop()
            if cancel:
                one.cancel.cancel()


_agent = Agent()


def run(packed: bytes) -> bytes:
    """Run a pickled :class:`RemoteOrder`; the pickled :class:`RemoteReply`."""
    came = time.perf_counter()
    order: RemoteOrder | Help = pickle.loads(packed)  # noqa: S301  # from who may have us run anything
    if order[0] != WIRE:
        reason = (
            f"batchmill there expects orders of form {WIRE}, not {order[0]}: install the same version of it, "
            "for the same minor version of Python"
        )
        return pickle.dumps(RemoteReply("unable", socket.gethostname(), reason=reason), 5)
    return _agent.serve(order, came)


def stop(batch: str, cancel: bool) -> None:
    """See :meth:`Agent.stop`."""
    _agent.stop(batch, cancel=cancel)


def recall(keys: Sequence[str], most: int) -> list[str]:
    """See :meth:`Agent.recall`."""
    return _agent.recall(keys, most)


def _took(block: Block) -> Took:
    return Took(len(block), sum(block.walls), Effort(block.cpu or 0.0, None, 0.0), block.longer)


def _unbegun(order: RemoteOrder) -> RemoteReply:
    items = SealedItems(order.items, 0, order.n_items)
    rest = Rest.of(Chunk(order.start, items, order.attempts, order.lost, wait=order.wait))
    return RemoteReply("done", socket.gethostname(), rest=(rest,))


def _allow_children() -> None:
    """Workers of Dask are daemonic processes. Those may have no children, as they would outlive them; ours
    end with the process that started them."""
    multiprocessing.current_process()._config["daemon"] = False  # type: ignore[attr-defined]  # no other way


def _placed(block: Block, host: str) -> Block:
    """The block, with the host added to workers that died."""
    for offset, outcome in block.special.items():
        error = outcome.error
        if error is not None and error.kind == "worker_died":
            told = replace(error, message=f"{error.message} on {host}")
            block.special[offset] = replace(outcome, error=told)
    return block


def _ended(block: Block) -> Ended:
    return Ended(block.start, frames.packed(block), block.cpu, block.peak, block.worker)


def _keep(logs: list[bytes], logged: Logged) -> None:
    logs.append(pickle.dumps(logged, 5))
