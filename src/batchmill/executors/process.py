"""The process executor: worker processes that are kept, one loky executor with one worker each.

    Channel --take--> Driver thread ---order---> worker process        (one pair per slot)
       ^                                              | results in shared memory
       +------deliver/give_back---- callback <--reply-+

A driver thread per slot takes chunks and sends them; loky's manager thread of that slot brings the
replies and settles them. While items are short a second chunk waits at the worker, so that it never
idles for a round trip. When a worker dies the shared area tells what it had finished (kept), what it
was on (that one attempt is lost) and what it had not begun (given back).
"""

from __future__ import annotations

import hashlib
import pickle
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future

import loky
import psutil
from loky.process_executor import BrokenProcessPool

from batchmill.cancel import CancelToken
from batchmill.errors import ExecutorUnavailable, InternalError, NotPicklable
from batchmill.executors import child, frames, pickling, pool
from batchmill.executors.cells import RUNNING, SEQ, STARTED
from batchmill.executors.chunking import ChunkSizer
from batchmill.executors.contract import Channel, Chunk, ExecutorSettings, Task
from batchmill.executors.describe import describe
from batchmill.executors.parcel import Parcel, discard, wrap
from batchmill.executors.runner import Job, lost_attempt
from batchmill.executors.slot import Death, Slot
from batchmill.executors.surroundings import Surroundings
from batchmill.outcome import Block, ErrorInfo, Outcome, cancelled

CHUNK_SECONDS = 0.01
MOST_PER_CHUNK = 2048
SHORT_SECONDS = 0.02  # items up to this long are sent ahead of need
GRACE_SECONDS = 0.5  # for a node that honours its deadline to report the timeout itself
WATCH_SECONDS = 0.05
CLOSE_SECONDS = 1.0
STILLBIRTHS = 3  # workers that die before they take a chunk, one after another, before we give up

CANCELLED, TIMED_OUT, TOO_LARGE = "cancelled", "timed out", "over its memory limit"


class ProcessExecutor:
    """Runs items in up to ``max_concurrent`` worker processes, as many as usable cores by default."""

    name = "process"

    def workers(self, settings: ExecutorSettings) -> int:
        return settings.max_concurrent or loky.cpu_count()

    def run(
        self, task: Task, channel: Channel, settings: ExecutorSettings, cancel: CancelToken
    ) -> Iterator[Block]:
        job = Job(task, settings.retry, settings.timeout, settings.stop_on_failure)
        try:
            shipment = Shipment(job)
        except NotPicklable as refusal:
            _refuse_all(channel, describe(refusal))
            yield from channel.blocks()
            return
        crew = Crew(job, shipment, channel, settings, cancel, self.workers(settings))
        crew.start()
        try:
            yield from channel.blocks()
        finally:
            crew.close()


def _refuse_all(channel: Channel, error: ErrorInfo) -> None:
    """A task that cannot travel fails every item, like any other reason why an item cannot run."""
    while (chunk := channel.take(1, MOST_PER_CHUNK)) is not None:
        channel.deliver(Block.of(Outcome(chunk.start, error=error), chunk.items[0]))


class Shipment:
    """A job pickled once per batch, and its digest, by which workers keep it.

    Raises :class:`NotPicklable` naming the attribute at fault.
    """

    def __init__(self, job: Job) -> None:
        buffers: list[pickle.PickleBuffer] = []
        try:
            stream = pickling.dumps(job, buffers)
        except Exception as fault:
            raise pickling.refusal(job.task, fault, "task") from fault
        around = pickling.dumps(Surroundings.here(), [])
        digest = hashlib.blake2b(stream, digest_size=16)
        for buffer in buffers:
            digest.update(buffer)
        own = digest.digest()
        packed = pool.shared_pool().publish(own, lambda: _wrap(stream, buffers, None))
        digest.update(around)
        self.digest = digest.digest()
        outer = pickling.dumps((pickling.loads(around), packed), [])
        self.parcel = pool.shared_pool().publish(self.digest, lambda: _wrap(outer, [], None))


def _wrap(stream: bytes, buffers: list[pickle.PickleBuffer], region: memoryview | None) -> Parcel:
    return wrap(stream, buffers, pool.shared_pool().folders, region)


class Crew:
    """The drivers of one batch.

    Concurrency: ``_lock`` guards ``_drivers`` and ``_stillborn``. Drivers, loky's manager threads,
    the watcher and whoever closes the batch call in.
    """

    def __init__(
        self,
        job: Job,
        shipment: Shipment,
        channel: Channel,
        settings: ExecutorSettings,
        cancel: CancelToken,
        size: int,
    ) -> None:
        self.job = job
        self.shipment = shipment
        self.channel = channel
        self.sizer = ChunkSizer(size, CHUNK_SECONDS, MOST_PER_CHUNK, settings.chunk_size)
        self.memory_limit = settings.memory_limit_bytes
        self._size = size
        self._lock = threading.Lock()
        self._drivers: list[Driver] = []
        self._stillborn = 0
        self._over = threading.Event()
        self._forget = [channel.on_stop(self._stop_items), cancel.on_cancel(self._cancel)]

    def start(self) -> None:
        """Start a driver per slot, as many as there are items for, and the watcher where limits are set."""
        left = self.channel.remaining()
        for _ in range(self._size if left is None else min(self._size, max(1, left))):
            driver = Driver(self)
            with self._lock:
                self._drivers.append(driver)
            driver.start()
        if self.job.timeout is not None or self.memory_limit is not None:
            threading.Thread(target=self._watch, name="batchmill-watcher", daemon=True).start()

    def close(self) -> None:
        """End the batch: running items get a moment to finish, then their workers are killed."""
        self.channel.stop()
        if not self.channel.wait_idle(CLOSE_SECONDS):
            self._cancel()
        self._over.set()
        for forget in self._forget:
            forget()
        for driver in self.drivers():
            driver.join(CLOSE_SECONDS)

    def drivers(self) -> list[Driver]:
        """The drivers, as they are now."""
        with self._lock:
            return list(self._drivers)

    def started(self) -> None:
        """A worker took a chunk: workers can live here."""
        with self._lock:
            self._stillborn = 0

    def died_unborn(self, death: Death) -> None:
        """A worker died before it took any chunk; when that goes on the batch cannot run."""
        with self._lock:
            self._stillborn += 1
            hopeless = self._stillborn >= STILLBIRTHS
        if hopeless:
            reason = f"worker processes end before they can work; the last one {death.reason}"
            self.channel.fail(ExecutorUnavailable(reason))

    def _stop_items(self) -> None:
        for driver in self.drivers():
            driver.stop_items()

    def _cancel(self) -> None:
        self.channel.stop()
        for driver in self.drivers():
            driver.kill(CANCELLED)

    def _watch(self) -> None:
        while not self._over.wait(WATCH_SECONDS):
            for driver in self.drivers():
                if self.job.timeout is not None:
                    driver.kill_overdue(self.job.timeout + GRACE_SECONDS)
                if self.memory_limit is not None:
                    driver.kill_large(self.memory_limit)


class Driver:
    """Feeds one slot.

    Concurrency: its own thread sends, loky's manager thread settles. ``_lock`` (through the condition
    ``_changed``) guards ``_slot``, ``_sent`` and ``_dead``.
    """

    def __init__(self, crew: Crew) -> None:
        self._crew = crew
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._slot: Slot | None = None
        self._sent: dict[int, tuple[Chunk, Parcel]] = {}
        self._thread = threading.Thread(target=self._drive, name="batchmill-driver", daemon=True)

    def start(self) -> None:
        """Start the driver's thread."""
        self._thread.start()

    def join(self, seconds: float) -> None:
        """Wait for the driver's end; one that is stuck in the source of items is left behind."""
        self._thread.join(seconds)

    def _drive(self) -> None:
        crew = self._crew
        try:
            while self._wait_for_room():
                chunk = crew.channel.take(*crew.sizer.next(crew.channel.remaining()))
                if chunk is None:
                    break
                self._send(chunk)
        except BaseException as fault:  # noqa: BLE001  # a driver's end: the batch must hear of it
            crew.channel.fail(fault)
        self._finish()

    def _wait_for_room(self) -> bool:
        mean = self._crew.sizer.mean_seconds
        depth = 2 if 0 < mean < SHORT_SECONDS else 1
        with self._lock:
            while len(self._sent) >= depth:
                self._changed.wait()
        return True

    def _finish(self) -> None:
        """Wait for what is under way, then give the slot back."""
        with self._lock:
            while self._sent:
                self._changed.wait()
            slot, self._slot = self._slot, None
        if slot is not None:
            pool.shared_pool().release(slot)

    def _healthy_slot(self) -> Slot:
        with self._lock:
            slot = self._slot
            if slot is not None and slot.healthy and slot.verdict is None:
                return slot
            while self._sent:  # of the broken one: about to be settled
                self._changed.wait()
            self._slot = None
        if slot is not None:
            pool.shared_pool().release(slot)
        slot = pool.shared_pool().lease()
        with self._lock:
            self._slot = slot
        return slot

    def _send(self, chunk: Chunk) -> None:
        try:
            slot = self._healthy_slot()
        except BaseException:
            self._crew.channel.give_back(chunk)
            raise
        if self._crew.channel.stopped:
            slot.stop_items()
        seq = slot.next_seq()
        items = self._pack(chunk, slot.area.inward(seq))
        if items is None:
            return
        digest = self._crew.shipment.digest
        job = None if digest in slot.known else self._crew.shipment.parcel
        order = child.Order(seq, digest, job, chunk.start, chunk.attempts, chunk.lost, items)
        with self._lock:
            self._sent[seq] = (chunk, items)
        try:
            future = slot.send(order)
        except (BrokenProcessPool, RuntimeError):
            self._unsend(seq)
            return
        slot.known.add(digest)
        future.add_done_callback(lambda done: self._settle(slot, seq, done))

    def _unsend(self, seq: int) -> None:
        """The worker had died unnoticed, idle: the chunk goes back whole."""
        with self._lock:
            chunk, items = self._sent.pop(seq)
        discard(items)
        self._crew.channel.give_back(chunk)

    def _pack(self, chunk: Chunk, region: memoryview) -> Parcel | None:
        """The items as they travel; None when they cannot, which is settled here."""
        buffers: list[pickle.PickleBuffer] = []
        try:
            return _wrap(pickling.dumps(chunk.items, buffers), buffers, region)
        except Exception as fault:  # noqa: BLE001  # whatever __reduce__ raises is that item's error
            self._split(chunk, describe(pickling.refusal(chunk.items[0], fault, "item")))
            return None

    def _split(self, chunk: Chunk, error: ErrorInfo) -> None:
        """Give back a chunk's items one by one, or charge ``error`` to the one it holds."""
        if len(chunk) == 1:
            self._crew.channel.deliver(Block.of(Outcome(chunk.start, error=error), chunk.items[0]))
            return
        for offset in range(len(chunk)):
            self._crew.channel.give_back(chunk.part(offset, offset + 1))

    def _settle(self, slot: Slot, seq: int, future: Future[child.Reply]) -> None:
        """In loky's manager thread: a reply came, or the worker is gone."""
        with self._lock:
            chunk, items = self._sent[seq]
        try:
            self._settle_chunk(slot, seq, chunk, future)
        except BaseException as fault:  # noqa: BLE001  # nobody else would hear of it
            self._crew.channel.fail(fault)
            self._crew.channel.give_back(chunk)
        finally:
            discard(items)
            with self._lock:
                del self._sent[seq]
                self._changed.notify_all()

    def _settle_chunk(self, slot: Slot, seq: int, chunk: Chunk, future: Future[child.Reply]) -> None:
        fault = future.exception()
        if fault is None:
            self._settle_reply(slot, seq, chunk, future.result())
        elif isinstance(fault, BrokenProcessPool):
            self._settle_death(slot, seq, chunk, slot.death())
        else:
            raise InternalError(f"a worker failed outside any item: {fault!r}") from fault

    def _settle_reply(self, slot: Slot, seq: int, chunk: Chunk, reply: child.Reply) -> None:
        crew = self._crew
        crew.started()
        if reply.status == "no_job":  # a worker that loky renewed
            slot.known.clear()
            crew.channel.give_back(chunk)
        elif reply.status == "unreadable" and reply.error is not None:
            self._split(chunk, _unreadable(reply.error))
        else:
            block, n_bytes = self._read(slot, seq, chunk, reply.kept)
            crew.sizer.observe(len(block), reply.seconds, n_bytes)
            self._deliver(chunk, block)

    def _read(self, slot: Slot, seq: int, chunk: Chunk, kept: int) -> tuple[Block, int]:
        return frames.read(slot.area.outward(seq), kept, chunk.start)

    def _deliver(self, chunk: Chunk, block: Block) -> None:
        done = len(block)
        block.items = chunk.items[:done]
        if done:
            self._crew.channel.deliver(block)
        if done < len(chunk):
            self._crew.channel.give_back(chunk.part(done) if done else chunk)

    def _settle_death(self, slot: Slot, seq: int, chunk: Chunk, death: Death) -> None:
        channel = self._crew.channel
        if death.seq != seq:
            if death.seq == 0 and slot.verdict is None:
                self._crew.died_unborn(death)
            channel.give_back(chunk)
            return
        self._crew.started()
        block, _ = self._read(slot, seq, chunk, death.kept)
        done = block.items = chunk.items[: len(block)]
        if done:
            channel.deliver(block)
        rest = chunk.part(len(done)) if done else chunk
        offset = death.offset - len(done)
        if death.phase != RUNNING and len(rest) > 1:
            self._split(rest, _worker_died(death))
        elif len(rest):
            self._lose(rest, offset if death.phase == RUNNING else 0, slot, death)

    def _lose(self, rest: Chunk, offset: int, slot: Slot, death: Death) -> None:
        """One attempt is gone with the worker; the items around it are given back."""
        channel = self._crew.channel
        if offset:
            channel.give_back(rest.part(0, offset))
        channel.give_back(rest.part(offset + 1))
        attempts = max(death.attempt, rest.attempts + 1)
        settled = self._verdict(rest, offset, attempts, slot, death)
        if isinstance(settled, Chunk):
            channel.give_back(settled)
        else:
            channel.deliver(Block.of(settled, rest.items[offset]))

    def _verdict(self, rest: Chunk, offset: int, attempts: int, slot: Slot, death: Death) -> Chunk | Outcome:
        verdict = slot.verdict
        if verdict == CANCELLED:
            return cancelled(rest.start + offset, attempts)
        if verdict == TIMED_OUT:
            message = f"no result within {self._crew.job.timeout:g} s; worker process {death.pid} was killed"
            error = ErrorInfo("AttemptTimeout", message, "timeout")
        else:
            error = _worker_died(death, verdict)
        return lost_attempt(self._crew.job, rest, offset, attempts, error)

    def stop_items(self) -> None:
        """Let the worker start nothing more of what it has."""
        with self._lock:
            slot = self._slot
        if slot is not None:
            slot.stop_items()

    def kill(self, verdict: str) -> None:
        """End the worker if anything is under way at it."""
        with self._lock:
            slot = self._slot if self._sent else None
        if slot is not None:
            slot.kill(verdict)

    def kill_overdue(self, seconds: float) -> None:
        """End the worker if its attempt began more than ``seconds`` ago."""
        with self._lock:
            slot, busy = self._slot, list(self._sent)
        if slot is None:
            return
        began = slot.area.cells[STARTED]
        if began and slot.area.cells[SEQ] in busy and time.monotonic_ns() - began > seconds * 1e9:
            slot.kill(TIMED_OUT)

    def kill_large(self, limit: int) -> None:
        """End the worker if its resident memory exceeds ``limit`` bytes."""
        with self._lock:
            slot = self._slot if self._sent else None
        if slot is None:
            return
        try:
            size = psutil.Process(slot.pid).memory_info().rss
        except psutil.NoSuchProcess:  # its death is on its way to us
            return
        if size > limit:
            slot.kill(TOO_LARGE)


def _worker_died(death: Death, verdict: str | None = None) -> ErrorInfo:
    cause = f"was {verdict}" if verdict == TOO_LARGE else death.reason
    return ErrorInfo("WorkerDied", f"worker process {death.pid} {cause}", "worker_died")


def _unreadable(error: ErrorInfo) -> ErrorInfo:
    message = f"the item or task does not unpickle in a worker process: {error.type}: {error.message}"
    return ErrorInfo("NotPicklable", message, "not_picklable", error.traceback)
