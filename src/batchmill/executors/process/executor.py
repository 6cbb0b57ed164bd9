"""The process executor: worker processes that are kept.

    Channel --take--> Driver thread ---order---> worker process        (one pair per slot)
       ^                                              | results in shared memory
       +------deliver/give_back---- ChunkSettler <--reply--+

A driver thread per slot takes chunks and sends them; the receiver's thread of that slot gets the reply, or
sees that the worker died, and settles the chunk.
"""

from __future__ import annotations

import multiprocessing
import threading
import time
from collections.abc import Callable, Iterator, Sequence

from batchmill.block import Block
from batchmill.concurrency.cancel import CancelToken
from batchmill.concurrency.steps import do_all
from batchmill.errors import ExecutorUnavailable, NotPicklable
from batchmill.executors.contract import Channel, ExecutorSettings, Task
from batchmill.executors.cores import usable_cores
from batchmill.executors.describe import describe
from batchmill.executors.dispatch.chunk_sizes import BYTES_PER_CHUNK, ChunkSizer
from batchmill.executors.dispatch.driver import Driver
from batchmill.executors.dispatch.in_flight import InFlight
from batchmill.executors.dispatch.link import CANCELLED, no_thread
from batchmill.executors.dispatch.settling import ChunkSettler
from batchmill.executors.dispatch.stealing import WorkStealer
from batchmill.executors.process.leases import Leases
from batchmill.executors.process.logs import handle
from batchmill.executors.process.packed_job import PackedJob
from batchmill.executors.process.pool import Pool, shared_pool
from batchmill.executors.process.slot import GRACE_SECONDS as CANCEL_SECONDS
from batchmill.executors.process.slot import NO_MODULES, Heard
from batchmill.executors.running.attempts import Job
from batchmill.outcome import ErrorInfo, Outcome
from batchmill.policy.concurrency import MOST_CONCURRENT

CHUNK_SECONDS = 0.06  # a chunk takes parent and worker 0.45 ms besides the items: 0.75 % of that
HAND_OVER_SECONDS = 0.0002  # from sending a chunk until its reply is settled, beside the items themselves
MOST_PER_CHUNK = 2048
GRACE_SECONDS = 0.5  # for a node that honours its deadline to report the timeout itself
WATCH_SECONDS = 0.05
CLOSE_SECONDS = 1.0


class ProcessExecutor:
    """Runs items in up to ``max_concurrent`` worker processes, by default one per usable core.

    ``around`` is the pickle of the environment for the items, None for that of this process; ``heard`` gets
    their log records. ``modules`` are the files of the user's modules that came with the task, with their
    content: workers that may have imported others do not run it. Chunks are meant to take
    ``chunk_seconds`` and to travel as ``chunk_bytes``. ``begun`` gets the batch once it has begun.
    """

    name = "process"

    def __init__(
        self,
        around: bytes | None = None,
        heard: Heard = handle,
        modules: frozenset[str] = NO_MODULES,
        chunk_seconds: float = CHUNK_SECONDS,
        chunk_bytes: int = BYTES_PER_CHUNK,
        begun: Callable[[ProcessBatch], None] = lambda batch: None,
    ) -> None:
        self._around = around
        self._heard = heard
        self._modules = modules
        self._chunk = chunk_seconds, chunk_bytes
        self._begun = begun

    def workers(self, settings: ExecutorSettings) -> int:
        return min(settings.max_concurrent or usable_cores(), MOST_CONCURRENT)

    def run(
        self, task: Task, channel: Channel, settings: ExecutorSettings, cancel: CancelToken
    ) -> Iterator[Block]:
        job = Job.of(task, settings)
        _check_parenthood()
        pool = shared_pool()
        try:
            shipment = PackedJob(job, pool, self.workers(settings), self._around)
        except NotPicklable as refusal:
            yield from refuse_all(channel, describe(refusal))
            return
        try:
            leases = Leases(pool, shipment, settings.slots, self._heard, self._modules)
            size = self.workers(settings)
            crew = ProcessBatch(job, shipment, pool, leases, channel, settings, cancel, size, *self._chunk)
            try:
                crew.start()
                self._begun(crew)
                yield from channel.blocks()
            finally:
                crew.close()
        finally:
            shipment.withdraw()


def _check_parenthood() -> None:
    """Raise :class:`ExecutorUnavailable` in a process that may not have children."""
    if multiprocessing.current_process().daemon:
        raise ExecutorUnavailable(
            "no worker process can be started: this process is itself a daemonic worker, of Celery or of "
            "multiprocessing.Pool say, and those may not have children; use executor 'thread', or 'auto', "
            "which takes threads there"
        )


def refuse_all(channel: Channel, error: ErrorInfo) -> Iterator[Block]:
    """A task that cannot travel fails every item, like any other reason why an item cannot run."""
    while (chunk := channel.take(1, 1, consumes=True)) is not None:
        if len(chunk):
            channel.deliver(Block.of(Outcome(chunk.start, error=error), chunk.items[0]))
        yield from channel.ready()
    yield from channel.blocks()


class ProcessBatch:
    """The drivers of one batch.

    Concurrency: ``_lock`` guards ``_drivers``, ``_taken``, ``_given`` and ``_size``. The watcher, and the
    threads that stop, cancel or close the batch, call in from their own threads.
    """

    def __init__(
        self,
        job: Job,
        shipment: PackedJob,
        pool: Pool,
        leases: Leases,
        channel: Channel,
        settings: ExecutorSettings,
        cancel: CancelToken,
        size: int,
        chunk_seconds: float,
        chunk_bytes: int,
    ) -> None:
        self._sizer = ChunkSizer(
            size,
            chunk_seconds,
            MOST_PER_CHUNK,
            settings.chunk_size,
            least=HAND_OVER_SECONDS,
            most_bytes=chunk_bytes,
            known=shipment.pace,
        )
        self._settler = ChunkSettler(job, channel, self._sizer, settings.on_death)
        self._shipment = shipment
        self._pool = pool
        self._slots = settings.slots
        self._leases = leases
        self._channel = channel
        self._timeout = job.timeout
        self._memory_limit = settings.memory_limit_bytes
        self._max_items = settings.max_items_per_worker
        self._size = size
        self._lock = threading.Lock()
        self._drivers: list[Driver] = []
        self._numbers = settings.worker_numbers
        self._taken: list[int] = []  # of them
        self._given: list[int] = []  # that workers have instead, see `resize`
        self._sharing = WorkStealer(
            channel, pool.watch, self._in_flight, self._several, self._widen, self._has_idle
        )
        channel.on_idle(self._sharing.begin)
        self._over = threading.Event()
        self._forget = [channel.on_stop(self._stop_items), cancel.on_cancel(self._cancel)]

    def start(self) -> None:
        """Start a driver per slot, as many as there are items for, and the watcher where limits are set."""
        left = self._channel.remaining()
        for number in range(self._size if left is None else min(self._size, max(1, left))):
            if number and not self._channel.more():
                break
            if (driver := self._add_driver()) is None:
                break
            if self._channel.instant and not self._leases.shared and self._pool.idle() > 0:
                driver.send_first()
        for driver in self._now():
            driver.start()
        if not self._channel.more():
            self._sharing.begin()  # where all is sent, nobody may come to ask for more
        if self._timeout is not None or self._memory_limit is not None:
            watch = threading.Thread(target=self._watch, name="batchmill-watcher", daemon=True)
            try:
                watch.start()
            except RuntimeError as fault:
                raise no_thread(fault) from fault

    def _add_driver(self) -> Driver | None:
        """One driver more; None if there are as many as there may be."""
        with self._lock:
            if len(self._drivers) >= self._size:
                return None
            number = self._number()
            driver = Driver(
                self._settler,
                self._leases,
                self._pool.threads.run,
                self._sharing.begin,
                number,
                self._max_items,
                self._go_on,
            )
            self._drivers.append(driver)
        return driver

    def _number(self) -> int:
        """Under the lock: the number of one more worker."""
        if not self._given:
            self._taken.append(number := self._numbers.acquire())
            return number
        others = {driver.worker for driver in self._drivers}
        return next((number for number in self._given if number not in others), self._given[0])

    def resize(self, numbers: Sequence[int]) -> None:
        """From now on workers with items have these ``numbers``, and there are no more of them. The caller
        sees to it that no more items may run at once; a worker without items may have another's number."""
        with self._lock:
            self._given, self._size = list(numbers), len(numbers)
            drivers = [driver for driver in self._drivers if not driver.over]
            keep = [driver for driver in drivers if driver.in_flight.busy and driver.worker in self._given]
            kept = {driver.worker for driver in keep}
            free = iter([number for number in self._given if number not in kept])
            for driver in drivers:
                if driver not in keep:
                    driver.worker = next(free, self._given[0])
        self._sizer.share(len(numbers))

    def share(self) -> None:
        """Have what no worker has begun run by as many workers as there may be now."""
        self._sharing.share()

    @property
    def unbegun(self) -> bool:
        """Whether there are items that no worker has begun."""
        return self._channel.more() or any(chunks.spare() for chunks in self._in_flight())

    def busy(self) -> set[int]:
        """The numbers of the workers that have items."""
        return {driver.worker for driver in self._now() if driver.in_flight.busy}

    def _several(self) -> bool:
        return self._size > 1 and any(chunks.spare() for chunks in self._in_flight())

    def _has_idle(self) -> bool:
        """Whether a worker that is up has nothing to do, or could be leased."""
        now = [driver.in_flight for driver in self._now() if not driver.over]
        return any(chunks.idle for chunks in now) or (len(now) < self._size and self._pool.idle() > 0)

    def _widen(self) -> None:
        """Add drivers for returned items, if fewer are working than allowed: they replace drivers that ended
        for lack of work."""
        with self._lock:
            over = [driver for driver in self._drivers if driver.over]
            self._drivers = [driver for driver in self._drivers if driver not in over]
            ended = [] if self._given else [driver.worker for driver in over]
            for number in ended:
                self._taken.remove(number)
        for number in ended:
            self._numbers.release(number)
        while self._channel.more() and (driver := self._add_driver()) is not None:
            try:
                driver.start()
            except ExecutorUnavailable as fault:  # no thread to be had: those at work do it, if there are any
                if self._all_over():
                    self._channel.fail(fault)
                return

    def _go_on(self) -> None:
        """A driver has ended. One that got no worker leaves its items to those that have one, and those may
        be about to end: so the last one that ends looks whether items are left."""
        if self._channel.more() and self._all_over():
            self._widen()

    def _all_over(self) -> bool:
        return all(driver.over for driver in self._now())

    def close(self) -> None:
        """End the batch: running items get a moment to finish, then their workers are killed."""
        ends = self._over.set, self._sharing.end, *self._forget
        do_all((self._quiet, *ends, self._join, self._leases.leave, self._return_numbers))
        self._shipment.pace = self._sizer.pace

    def _quiet(self) -> None:
        self._channel.stop()
        if not self._channel.wait_idle(CLOSE_SECONDS):
            self._cancel()

    def _join(self) -> None:
        """Wait for the drivers. A worker that still unpickles items which others have run by now may hang in
        that, and is killed after a moment: nobody else would ever look at it."""
        if not self._joined(CLOSE_SECONDS):
            for chunks in self._in_flight():
                if not chunks.emptied:  # else it starts, and will be of use
                    chunks.kill(CANCELLED)
            self._joined(CANCEL_SECONDS)

    def _joined(self, seconds: float) -> bool:
        """Whether all drivers have ended, or need not, within so many seconds."""
        end = time.monotonic() + seconds
        return all(driver.join(max(0.0, end - time.monotonic())) for driver in self._now())

    def _return_numbers(self) -> None:
        with self._lock:
            taken, self._taken = self._taken, []
        for number in taken:
            self._numbers.release(number)

    def _now(self) -> list[Driver]:
        with self._lock:
            return list(self._drivers)

    def _in_flight(self) -> list[InFlight]:
        return [driver.in_flight for driver in self._now()]

    def _stop_items(self) -> None:
        if self._slots is not None:
            self._slots.wake()
        self._pool.left.wake()
        for chunks in self._in_flight():
            chunks.stop_items()

    def _cancel(self) -> None:
        self._channel.stop()
        for chunks in self._in_flight():
            chunks.kill(CANCELLED)

    def _watch(self) -> None:
        try:
            self._end_what_exceeds_limits()
        except BaseException as fault:  # noqa: BLE001  # the watch's end: without it a batch might never end
            self._channel.fail(fault)

    def _end_what_exceeds_limits(self) -> None:
        while not self._over.wait(WATCH_SECONDS):
            for chunks in self._in_flight():
                if self._timeout is not None:
                    chunks.kill_overdue(self._timeout + GRACE_SECONDS)
                if self._memory_limit is not None:
                    chunks.kill_large(self._memory_limit)
