"""A worker process as dispatching sees it: items are pickled here, results are read here."""

from __future__ import annotations

import pickle
import threading
import time
from collections.abc import Callable

from batchmill.block import Block
from batchmill.errors import InternalError
from batchmill.executors.contract import Chunk
from batchmill.executors.describe import describe
from batchmill.executors.dispatch.link import (
    CannotTravel,
    Death,
    End,
    Ended,
    Failure,
    Refusal,
    Results,
    Send,
)
from batchmill.executors.pickling import pickler
from batchmill.executors.process import frames
from batchmill.executors.process.family import resident_bytes
from batchmill.executors.process.orders import Order, Reply
from batchmill.executors.process.packed_job import PackedJob
from batchmill.executors.process.payload import Payload, discard, no_room, wrap
from batchmill.executors.process.pool import Pool
from batchmill.executors.process.slot import Remains, Slot
from batchmill.executors.running.progress import PACKING, RUNNING, Position
from batchmill.executors.running.runner import second_of


class ProcessLink:
    """A :class:`~batchmill.executors.dispatch.link.WorkerLink`: a ``slot`` while it is leased to the batch of
    a ``job``; ``release`` takes it back.

    Concurrency: as in the protocol. It has no state of its own; the slot has its own lock.
    """

    def __init__(self, slot: Slot, job: PackedJob, pool: Pool, release: Callable[[Slot], None]) -> None:
        self.slot = slot
        self._release = release
        self._job = job
        self._pool = pool

    @property
    def served(self) -> int:
        return self.slot.served

    @served.setter
    def served(self, items: int) -> None:
        self.slot.served = items

    @property
    def healthy(self) -> bool:
        return self.slot.healthy and self.slot.verdict is None

    @property
    def has_job(self) -> bool:
        return self._job.digest in self.slot.known

    @property
    def next_number(self) -> int:
        return self.slot.next_seq

    def pack(self, chunk: Chunk, seconds: float) -> Send:
        slot, number = self.slot, self.slot.next_seq
        items = self._packed(chunk, number)
        job = None if self.has_job else self._job.parcel
        lost = chunk.attempts, chunk.lost, chunk.tried, chunk.wait
        order = Order(number, self._job.digest, job, chunk.start, *lost, items, seconds)

        def send(ended: Ended) -> None:
            def settle(end: Reply | Remains) -> None:
                try:
                    ended(self._read(chunk, number, end))
                finally:
                    discard(items)

            if order.job is not None:  # else the worker may just have said that it knows it no more
                slot.known.add(order.digest)
            try:
                slot.send(order, settle)
            except BaseException:
                discard(items)
                raise

        return send

    def _packed(self, chunk: Chunk, number: int) -> Payload:
        """The items as they travel."""
        buffers: list[pickle.PickleBuffer] = []
        try:
            plain = pickler.is_plain(chunk.items)
            items = pickler.apart(chunk.items) if plain else chunk.items
            stream = pickler.dumps(items, buffers, plain=plain)
        except BaseException as fault:
            if isinstance(fault, KeyboardInterrupt) and threading.current_thread() is threading.main_thread():
                raise  # it is the user's
            raise CannotTravel(describe(pickler.refusal(chunk.items[0], fault, "item"))) from fault
        try:
            region = self.slot.area.inward(number)
            return wrap(stream, buffers, self._pool.folders, region, copied=plain)
        except OSError as fault:
            raise CannotTravel(describe(no_room("an item", stream, buffers, fault))) from fault

    def _read(self, chunk: Chunk, number: int, end: Reply | Remains) -> End:
        """The reply, as plain data."""
        try:
            if isinstance(end, Remains):
                self._pool.must_be_open()  # else no item is to blame
                return self._death(chunk, number, end)
            return self._reply(chunk, number, end)
        except BaseException as fault:  # noqa: BLE001  # told whoever waits for the chunk
            return Failure(fault)

    def _reply(self, chunk: Chunk, number: int, reply: Reply) -> End:
        if reply.status == "no_job":
            self.slot.known.clear()
            return Refusal("job")
        if reply.error is None:
            block, n_bytes = self._results(chunk, number, reply.kept)
            block.cpu, block.peak = reply.cpu, reply.peak
            return Results(block, reply.seconds, n_bytes)
        if reply.status == "failed":
            return Failure(InternalError(f"a worker failed outside any item: {reply.error.traceback}"))
        return Refusal("job" if reply.status == "unloadable" else "items", reply.error)

    def _death(self, chunk: Chunk, number: int, remains: Remains) -> Death:
        at, begun = remains.position
        death = Death(
            f"worker process {remains.pid}",
            remains.reason,
            self.slot.verdict,
            newborn=at == 0,
            pid=remains.pid,
            exit_code=remains.exit_code,
        )
        if at != number:
            return death
        block, _ = self._results(chunk, number, remains.kept)
        suspects, began = range(len(block), len(chunk)), None
        if remains.phase == PACKING:
            suspects = range(len(block), begun)
        elif remains.phase == RUNNING:
            suspects = range(begun - 1, begun)
            before = block.began_at(len(block)) if len(block) else second_of(remains.began)
            began = second_of(remains.started) or before
        age = (time.monotonic_ns() - remains.timed) / 1e9 if remains.timed else None
        return death._replace(
            finished=block, suspects=suspects, attempt=remains.attempt, began=began, age=age
        )

    def _results(self, chunk: Chunk, number: int, n_bytes: int) -> tuple[Block, int]:
        return frames.read(self.slot.area.outward(number), n_bytes, chunk.start)

    def position(self) -> Position:
        return self.slot.area.progress.position

    def age(self) -> float:
        timed = self.slot.area.progress.timed
        return (time.monotonic_ns() - timed) / 1e9 if timed else 0.0

    def resident(self) -> int:
        return resident_bytes(self.slot.pid)

    def stop_items(self) -> None:
        self.slot.stop_items()

    def hold(self) -> None:
        self.slot.hold()

    def go_on(self) -> None:
        self.slot.go_on()

    def kill(self, verdict: str) -> None:
        self.slot.kill(verdict)

    def retire(self) -> None:
        self.slot.retire()

    def give_back(self) -> None:
        self._release(self.slot)
