"""A batch's channel in a run whose batches share a number of permits: each chunk on its way has one.

        Window --take--> SharedChannel --with a permit--> worker
           ^                  |
           +-----deliver------+-- the permit is free again

A worker waits for its permit with the chunk in its hands. While it waits for items, or for a consumer that
is behind, it has none.
"""

from __future__ import annotations

import threading

from batchmill.executors.contract import Channel, Chunk
from batchmill.executors.passing import PassingChannel
from batchmill.outcome import Block
from batchmill.permits import Permit, Permits


class _Out:
    """A chunk that is under way: how many of its items still are, and its permit."""

    __slots__ = ("left", "permit")

    def __init__(self, left: int, permit: Permit) -> None:
        self.left = left
        self.permit = permit


class SharedChannel(PassingChannel):
    """See the module. ``one_by_one`` has each item travel alone: for workers that run those of a chunk side
    by side.

    Concurrency: workers call from their own threads; ``_lock`` guards ``_out`` and what is in it.
    """

    def __init__(self, channel: Channel, permits: Permits, *, one_by_one: bool) -> None:
        super().__init__(channel)
        self._permits = permits
        self._one_by_one = one_by_one
        self._lock = threading.Lock()
        self._out: dict[int, _Out] = {}  # by index of the item
        channel.on_stop(permits.wake)

    @property
    def instant(self) -> bool:
        return False  # there may be a wait for a permit

    def take(self, most: int, ahead: int, *, consumes: bool = False) -> Chunk | None:
        most = 1 if self._one_by_one else most
        while (chunk := self._channel.take(most, ahead, consumes=consumes)) is not None:
            if not len(chunk):
                return chunk
            permit = self._permits.acquire(lambda: self._channel.stopped)
            if permit is None:
                self._channel.give_back(chunk)
                continue
            with self._lock:
                indices = range(chunk.start, chunk.start + len(chunk))
                self._out.update(dict.fromkeys(indices, _Out(len(chunk), permit)))
            self._permits.working_on(permit)
            return chunk
        self._permits.working_on(None)
        return None

    def give_back(self, chunk: Chunk) -> None:
        if len(chunk):
            self._settled(chunk.start, len(chunk))  # first: once given back it may be out again at once
            self._channel.give_back(chunk)

    def deliver(self, block: Block) -> None:
        self._channel.deliver(block)
        self._settled(block.start, len(block))

    def _settled(self, start: int, count: int) -> None:
        done: list[Permit] = []
        with self._lock:
            for index in range(start, start + count):
                out = self._out.pop(index)
                out.left -= 1
                if not out.left:
                    done.append(out.permit)
        for permit in done:
            self._permits.release(permit)
