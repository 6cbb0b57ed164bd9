"""The parent's side of one worker process: takes chunks, sends them, has what comes back settled.

While items are short a second chunk waits at the worker, so that it never idles for a round trip.
"""

from __future__ import annotations

import contextlib
import pickle
import threading
import time
from collections.abc import Callable

import psutil

from batchmill.errors import ExecutorUnavailable, InternalError
from batchmill.executors.contract import Chunk
from batchmill.executors.dispatch.settling import ChunkSettler
from batchmill.executors.pickling import pickler
from batchmill.executors.process import child
from batchmill.executors.process.leases import Leases
from batchmill.executors.process.packed_job import PackedJob
from batchmill.executors.process.payload import Payload, discard, no_room, wrap
from batchmill.executors.process.pool import Pool
from batchmill.executors.process.shared_area import Region
from batchmill.executors.process.slot import TIMED_OUT, TOO_LARGE, Death, Slot, SlotBroken
from batchmill.executors.running.describe import describe
from batchmill.executors.running.progress import Position
from batchmill.outcome import ErrorInfo


class Driver:
    """Feeds one slot. ``share`` is called where it sends several items while others have none; ``worker`` is
    the number of its worker in the batch, which is replaced after ``max_items``.

    Concurrency: its own thread sends, the slot's receiver settles, that of :class:`Sharing` takes back.
    ``_lock`` (through the condition ``_changed``) guards ``_slot``, ``_sent``, ``_driving`` and ``_held``.
    """

    def __init__(
        self,
        shipment: PackedJob,
        settler: ChunkSettler,
        pool: Pool,
        leases: Leases,
        share: Callable[[], None] = lambda: None,
        worker: int = 0,
        max_items: int | None = None,
    ) -> None:
        self._worker = worker
        self._max_items = max_items
        self._share = share
        self._shipment = shipment
        self._settler = settler
        self._pool = pool
        self._leases = leases
        self._channel = settler.channel
        self._sizer = settler.sizer
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._slot: Slot | None = None
        self._sent: dict[int, tuple[Chunk, Payload]] = {}
        self._driving = True  # a thread of the pool's is, or will be, at it
        self._held = False  # the worker was told to begin nothing more of what it has
        self._ended = threading.Event()

    def send_first(self) -> None:
        """Send the first chunk from the caller's thread, which is sooner than waking one; only for items that
        are there without waiting, to a worker that is. :meth:`start` must follow."""
        try:
            self._next()
        except BaseException as fault:  # noqa: BLE001  # raised again where the results are consumed
            self._channel.fail(fault)

    def start(self) -> None:
        """Feed the slot, in a thread of the pool's; no thread is needed where all items have been sent.

        Raises :class:`ExecutorUnavailable` when the system has no thread to give."""
        with self._lock:
            sent = bool(self._sent)
            self._driving = not sent or self._channel.more()
        if not self._driving:
            return
        try:
            self._pool.threads.run(self._drive)
        except RuntimeError as fault:
            self._ended.set()
            raise ExecutorUnavailable(
                f"no thread can be started to feed a worker process: {fault}"
            ) from fault

    def join(self, seconds: float) -> None:
        """Wait for the driver's end; one that is stuck in the source of items is left behind."""
        self._ended.wait(seconds)

    def _drive(self) -> None:
        try:
            while self._next():
                pass
            self._finish()
        except BaseException as fault:  # noqa: BLE001  # a driver's end: the batch must hear of it
            self._channel.fail(fault)
            self._finish()
        finally:
            self._ended.set()

    def _next(self) -> bool:
        """Take a chunk and send it; False when there is none to come."""
        by_attempt = self._settler.job.by_attempt
        self.lend()
        if by_attempt and not self._leases.shared:
            self.warm_up()
        self._wait_for_room()
        most, ahead = self._sizer.next(self._channel.remaining())
        chunk = self._channel.take(most, ahead, seat=_Seat(self) if by_attempt else None)
        if chunk is None:
            return False
        if self._is_held():  # since we began to wait; it may be what was taken back from this very worker
            self._channel.give_back(chunk)
            return True
        try:
            slot = self._healthy_slot()
            if slot is not None:
                chunk = self._within(slot, chunk)
                self._send(slot, chunk)
        except BaseException:
            with self._lock:
                sent = any(one is chunk for one, _ in self._sent.values())
            if not sent:
                self._channel.give_back(chunk)
            raise
        if slot is None:  # the batch has other workers, and no more are to be had
            self._channel.give_back(chunk)
        return slot is not None

    def lend(self) -> None:
        """Give a shared slot back once it has nothing to do: others may be waiting for one."""
        if not self._leases.shared:
            return
        with self._lock:
            while self._sent:
                self._changed.wait()
            slot, self._slot = self._slot, None
        if slot is not None:
            self._leases.release(slot)

    def warm_up(self) -> bool:
        """Have the worker started and the job loaded, by a chunk without items: an item that is allowed to
        start must not wait for that. False where no worker is to be had."""
        slot = self._healthy_slot()
        if slot is None:
            return False
        if self._shipment.digest not in slot.known:
            self._send(slot, Chunk(0, ()))
            with self._lock:
                while self._sent:
                    self._changed.wait()
        return True

    def _wait_for_room(self) -> None:
        depth = 1  # of items that come one by one: a second chunk waits at no worker while others are idle
        if self._channel.instant and not self._settler.job.by_attempt:  # nor when it is allowed to start
            depth = self._sizer.depth(self._channel.remaining())
        with self._lock:
            while len(self._sent) >= (1 if self._held else depth):
                self._changed.wait()

    def _finish(self) -> None:
        """Wait for what is under way, then give the slot back."""
        with self._lock:
            while self._sent:
                self._changed.wait()
            slot, self._slot = self._slot, None
        if slot is not None:
            self._leases.release(slot)

    def _within(self, slot: Slot, chunk: Chunk) -> Chunk:
        """As much of the chunk as the worker may run; the rest is given back."""
        room = len(chunk) if self._max_items is None else self._max_items - slot.served
        if room < len(chunk):
            self._channel.give_back(chunk.part(room))
            chunk = chunk.part(0, room)
        slot.served += len(chunk)
        return chunk

    def _is_worn(self, slot: Slot) -> bool:
        """Whether the worker has run as many items as it may."""
        if self._max_items is None or slot.served < self._max_items:
            return False
        slot.retire()
        return True

    def _healthy_slot(self) -> Slot | None:
        with self._lock:
            slot = self._slot
            if slot is not None and slot.healthy and slot.verdict is None and not self._is_worn(slot):
                return slot
            while self._sent:  # of the broken one: about to be settled
                self._changed.wait()
            self._slot = None
        if slot is not None:
            self._leases.release(slot)
        while True:
            slot = self._leases.lease(lambda: self._channel.stopped)
            if slot is None or not self._is_worn(slot):
                break
            self._leases.release(slot)
        with self._lock:
            self._slot = slot
        return slot

    def _send(self, slot: Slot, chunk: Chunk) -> None:
        self._let_begin(slot)
        seq = slot.next_seq
        items = self._pack(chunk, slot.area.inward(seq))
        if isinstance(items, ErrorInfo):
            self._settler.split(chunk, items)
            return
        digest = self._shipment.digest
        job = None if digest in slot.known else self._shipment.parcel
        patience = self._sizer.patience(len(chunk))
        lost = chunk.attempts, chunk.lost, chunk.tried
        order = child.Order(seq, digest, job, chunk.start, *lost, items, patience)
        with self._lock:
            self._sent[seq] = (chunk, items)
        if self._channel.starving:
            self._share()
        slot.known.add(digest)
        try:
            slot.send(order, lambda end: self._settle(slot, seq, end))
        except SlotBroken:
            self._unsend(seq)

    def _is_held(self) -> bool:
        """Whether the worker would begin nothing that it is sent."""
        with self._lock:
            return self._held and bool(self._sent)

    def _let_begin(self, slot: Slot) -> None:
        """Have the worker begin items again that was held, unless the batch is over."""
        with self._lock:
            if self._held and not self._sent:
                self._held = False
                slot.go_on()
        if self._channel.stopped:
            slot.stop_items()

    def _unsend(self, seq: int) -> None:
        """The worker had died unnoticed, idle: the chunk goes back whole."""
        with self._lock:
            chunk, items = self._sent.pop(seq)
        discard(items)
        self._channel.give_back(chunk)

    def _pack(self, chunk: Chunk, region: Region) -> Payload | ErrorInfo:
        """The items as they travel, or why they cannot."""
        buffers: list[pickle.PickleBuffer] = []
        try:
            stream = pickler.dumps(chunk.items, buffers)
        except BaseException as fault:
            if isinstance(fault, KeyboardInterrupt) and threading.current_thread() is threading.main_thread():
                raise  # it is the user's
            return describe(pickler.refusal(chunk.items[0], fault, "item"))
        try:
            return wrap(stream, buffers, self._pool.folders, region)
        except OSError as fault:
            return describe(no_room("an item", stream, buffers, fault))

    def _settle(self, slot: Slot, seq: int, end: child.Reply | Death) -> None:
        """In the slot's receiver thread: a reply came, or the worker is gone."""
        with self._lock:
            chunk, items = self._sent[seq]
            self._sent[seq] = chunk.part(0, 0), items  # from here on nothing of it can be taken back
        try:
            if isinstance(end, Death):
                self._pool.must_be_open()  # else no item is to blame
                self._settler.death(slot, self._worker, seq, chunk, end)
            else:
                self._settler.reply(slot, self._worker, seq, chunk, end)
        except BaseException as fault:  # noqa: BLE001  # nobody else would hear of it
            self._channel.fail(fault)
            with contextlib.suppress(InternalError):  # where it was settled before the fault
                self._channel.give_back(chunk)
        finally:
            discard(items)
            with self._lock:
                del self._sent[seq]
                self._changed.notify_all()
                alone = not self._sent and not self._driving
                self._driving = self._driving or alone
            if alone:
                self._go_on()

    def _go_on(self) -> None:
        """The only chunk is settled: see whether it left something to do."""
        if self._channel.more():
            self._pool.threads.run(self._drive)
        else:
            self._finish()
            self._ended.set()

    def spare(self) -> bool:
        """Whether the worker has more items than the one it can be on."""
        with self._lock:
            return sum(len(chunk) for chunk, _ in self._sent.values()) > 1

    def at(self) -> Position | None:
        """Which item of which chunk the worker is on; None while it is on none or was held."""
        with self._lock:
            if self._slot is None or self._held:
                return None
            at = self._slot.area.progress.position
            return at if at.seq in self._sent and at.begun else None

    def hold(self) -> None:
        """Let the worker begin nothing more of what it has, so that :meth:`take_back` can have it."""
        with self._lock:
            if self._slot is not None and self._sent:
                self._slot.hold()
                self._held = True

    def take_back(self) -> None:
        """Give back what a worker that was held a little while ago has not begun."""
        with self._lock:
            if self._slot is None or not self._held:
                return
            at, unbegun = self._slot.area.progress.position, []
            for seq, (chunk, items) in self._sent.items():
                begun = at.begun if at.seq == seq else len(chunk) if at.seq > seq else 0
                self._sent[seq] = chunk.part(0, begun), items
                unbegun.append(chunk.part(begun))
        for rest in unbegun:
            self._channel.give_back(rest)

    def stop_items(self) -> None:
        """Let the worker start nothing more of what it has."""
        with self._lock:  # held, so that the slot is not in another batch's hands by then
            if self._slot is not None:
                self._slot.stop_items()

    def kill(self, verdict: str) -> None:
        """End the worker if anything is under way at it."""
        with self._lock:
            if self._slot is not None and self._sent:
                self._slot.kill(verdict)

    def kill_overdue(self, seconds: float) -> None:
        """End the worker if its attempt began more than ``seconds`` ago."""
        with self._lock:
            if self._slot is None:
                return
            progress = self._slot.area.progress
            began = progress.started
            if began and progress.position.seq in self._sent and time.monotonic_ns() - began > seconds * 1e9:
                self._slot.kill(TIMED_OUT)

    def kill_large(self, limit: int) -> None:
        """End the worker if its resident memory exceeds ``limit`` bytes."""
        with self._lock:
            if self._slot is not None and self._sent and _resident(self._slot.pid) > limit:
                self._slot.kill(TOO_LARGE)


class _Seat:
    """A driver's worker as a :class:`~batchmill.executors.contract.Seat`: up, and with the job loaded."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    def get(self) -> bool:
        return self._driver.warm_up()

    def give_back(self) -> None:
        self._driver.lend()


def _resident(pid: int) -> int:
    """Resident memory of a process in bytes; 0 when that cannot be told."""
    try:
        size: int = psutil.Process(pid).memory_info().rss
    except (psutil.Error, OSError):  # its death is on its way to us; or no descriptor left to look with
        return 0
    return size
