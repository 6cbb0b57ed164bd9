"""A batch's channel in a run whose batches share a number of permits: each chunk on its way has one.

        Window --take--> SharedChannel --with a permit--> worker
           ^                  |
           +-----deliver------+-- the permit is free again

A worker asks for its permit when there is an item for it. While it waits for items, for leave to start them,
or for a consumer that is behind, it has none.
"""

from __future__ import annotations

import threading
import time

from batchmill.block import Block
from batchmill.concurrency.semaphore import FairSemaphore, Permit
from batchmill.executors.channel_proxy import ChannelProxy
from batchmill.executors.contract import Channel, Chunk, Seat
from batchmill.outcome import LEAST_WAIT, Waits


class _Out:
    """A chunk that is under way: its first item, how many of its items still are, its permit, and the seconds
    that it waited for that."""

    __slots__ = ("first", "left", "permit", "waited")

    def __init__(self, first: int, left: int, permit: Permit, waited: float) -> None:
        self.first = first
        self.left = left
        self.permit = permit
        self.waited = waited


class _Permitted:
    """A permit as a :class:`~batchmill.executors.contract.Seat`, and behind it the worker's own, if it needs
    one. Used by one thread."""

    def __init__(self, permits: FairSemaphore, channel: Channel, seat: Seat | None) -> None:
        self.permit: Permit | None = None
        self.waited = 0.0  # seconds
        self._permits = permits
        self._channel = channel
        self._seat = seat

    def get(self) -> bool:
        asked = time.perf_counter()
        self.permit = self._permits.acquire(lambda: self._channel.stopped)
        self.waited += time.perf_counter() - asked
        if self.permit is None:
            return False
        got = False
        try:
            got = self._seat is None or self._seat.get()
        finally:
            if not got:
                self._release(self.permit)
        return got

    def give_back(self) -> None:
        if self._seat is not None:
            self._seat.give_back()
        if self.permit is not None:
            self._release(self.permit)

    def _release(self, permit: Permit) -> None:
        self.permit = None
        self._permits.release(permit)


class SharedChannel(ChannelProxy):
    """See the module. ``one_by_one`` has each item travel alone: for workers that run those of a chunk side
    by side.

    Concurrency: workers call from their own threads; ``_lock`` guards ``_out`` and what is in it.
    """

    def __init__(self, channel: Channel, permits: FairSemaphore, *, one_by_one: bool) -> None:
        super().__init__(channel)
        self._permits = permits
        self._one_by_one = one_by_one
        self._lock = threading.Lock()
        self._out: dict[int, _Out] = {}  # by index of the item
        channel.on_stop(permits.wake)

    @property
    def instant(self) -> bool:
        return False  # there may be a wait for a permit

    def take(
        self, most: int, ahead: int, *, consumes: bool = False, seat: Seat | None = None
    ) -> Chunk | None:
        permitted = _Permitted(self._permits, self._channel, seat)
        most = 1 if self._one_by_one else most
        chunk = self._channel.take(most, ahead, consumes=consumes, seat=permitted)
        permit = permitted.permit
        if chunk is not None and permit is not None:
            with self._lock:
                indices = range(chunk.start, chunk.start + len(chunk))
                out = _Out(chunk.start, len(chunk), permit, permitted.waited)
                self._out.update(dict.fromkeys(indices, out))
        self._permits.working_on(permit)
        return chunk

    def give_back(self, chunk: Chunk) -> None:
        if len(chunk):
            self._settled(chunk.start, len(chunk))  # first: once given back it may be out again at once
            self._channel.give_back(chunk)

    def deliver(self, block: Block) -> None:
        self._tell_waits(block)
        try:
            self._channel.deliver(block)
        finally:
            self._settled(block.start, len(block))

    def _tell_waits(self, block: Block) -> None:
        """What was waited for a chunk is told of its first item."""
        with self._lock:
            out = self._out.get(block.start)
        if out is not None and out.first == block.start and out.waited >= LEAST_WAIT:
            block.wait_before(0, Waits(permit=out.waited))

    def _settled(self, start: int, count: int) -> None:
        done: list[Permit] = []
        with self._lock:
            for index in range(start, start + count):
                out = self._out.pop(index, None)
                if out is None:  # settled before, which the channel says
                    continue
                out.left -= 1
                if not out.left:
                    done.append(out.permit)
        for permit in done:
            self._permits.release(permit)
