"""The chunks that one worker has, and what others than its driver may do: look, take back, end the worker."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from batchmill.executors.dispatch.link import TIMED_OUT, TOO_LARGE

if TYPE_CHECKING:  # a first worker process is started before these are imported
    from batchmill.executors.contract import Channel, Chunk
    from batchmill.executors.dispatch.link import WorkerLink
    from batchmill.executors.running.progress import Position


class InFlight:
    """What a driver has sent to its worker, of ``channel``, and what has not been answered. The driver alone
    sets ``link``, through :meth:`lease` and :meth:`release`.

    Concurrency: any thread may call any method. ``_lock`` (through ``_changed``) guards all fields, so that a
    worker that somebody stops or ends is still this batch's.
    """

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._link: WorkerLink | None = None
        self._chunks: dict[int, Chunk] = {}  # by their numbers, in the order in which they were sent
        self._held = False  # the worker was told to begin nothing more of what it has

    def __len__(self) -> int:
        with self._lock:
            return len(self._chunks)

    @property
    def link(self) -> WorkerLink | None:
        """The worker, None while there is none."""
        with self._lock:
            return self._link

    def lease(self, link: WorkerLink | None) -> None:
        """From now on the worker is this one."""
        with self._lock:
            self._link = link

    def release(self) -> None:
        """Wait for the chunks in flight, then give the worker back."""
        with self._lock:
            self._wait_below(1)
            link, self._link = self._link, None
        if link is not None:
            link.give_back()

    def wait_below(self, most: int) -> None:
        """Wait until fewer than ``most`` chunks are in flight; until none is, if the worker is held."""
        with self._lock:
            self._wait_below(most)

    def _wait_below(self, most: int) -> None:
        while len(self._chunks) >= (1 if self._held else most):
            self._changed.wait()

    def add(self, number: int, chunk: Chunk) -> None:
        """The chunk is about to be sent under this number."""
        with self._lock:
            self._chunks[number] = chunk

    def withdraw(self, number: int) -> Chunk:
        """The chunk was not sent after all; what is left of it."""
        with self._lock:
            return self._chunks.pop(number)

    def answered(self, number: int) -> Chunk:
        """The chunk, of which nothing can be taken back from here on."""
        with self._lock:
            chunk = self._chunks[number]
            self._chunks[number] = chunk.part(0, 0)
            return chunk

    def settled(self, number: int) -> None:
        """The chunk is no longer in flight."""
        with self._lock:
            del self._chunks[number]
            self._changed.notify_all()

    def serve(self, link: WorkerLink, n_items: int) -> None:
        """The worker is about to be sent so many more items."""
        with self._lock:
            link.served += n_items

    @property
    def busy(self) -> bool:
        """Whether the worker has items."""
        with self._lock:
            return bool(self._n_items())

    @property
    def idle(self) -> bool:
        """Whether there is a worker that could begin items at once."""
        with self._lock:
            return self._link is not None and not self._chunks and not self._starts()

    @property
    def emptied(self) -> bool:
        """Whether all items were taken back from a worker that still starts."""
        with self._lock:
            return self._held and self._starts() and bool(self._chunks) and not self._n_items()

    def spare(self) -> bool:
        """Whether the worker has more items than the one it can be on."""
        with self._lock:
            return self._n_items() > (0 if self._starts() else 1)

    def _n_items(self) -> int:
        return sum(map(len, self._chunks.values()))

    def _starts(self) -> bool:
        return self._link is not None and not self._link.position().seq

    def at(self) -> Position | None:
        """See :class:`~batchmill.executors.dispatch.stealing.Holder`."""
        with self._lock:
            at = None if self._link is None or self._held else self._link.position()
            return at if at and (not at.seq or (at.seq in self._chunks and at.begun)) else None

    @property
    def held(self) -> bool:
        """Whether the worker was told to begin nothing more of what it has."""
        with self._lock:
            return self._held and bool(self._chunks)

    def hold(self) -> None:
        """Prevent the worker from beginning further items, so :meth:`take_back` can have them."""
        with self._lock:
            if self._link is not None and self._chunks:
                self._link.hold()
                self._held = True

    def go_on(self) -> None:
        """Have a worker that was held begin items again, once it has none of the earlier ones."""
        with self._lock:
            if self._link is not None and self._held and not self._chunks:
                self._held = False
                self._link.go_on()

    def take_back(self) -> None:
        """Return what a worker that was held a little while ago has not begun. Results of that can never come
        from this worker: a reply that has them is an error (``ChunkSettler._deliver``)."""
        with self._lock:
            if self._link is None or not self._held:
                return
            unbegun = self._keep_begun(self._link.position())
            self._link.served -= sum(map(len, unbegun))
        for rest in unbegun:
            self._channel.give_back(rest)

    def _keep_begun(self, at: Position) -> list[Chunk]:
        """Keep the items that a worker ``at`` that place has begun; returns the others. Chunks before the one
        that it is on are done, even if their replies were not read."""
        unbegun = []
        for number, chunk in list(self._chunks.items()):
            begun = at.begun if at.seq == number else len(chunk) if at.seq > number else 0
            self._chunks[number] = chunk.part(0, begun)
            unbegun.append(chunk.part(begun))
        return unbegun

    def stop_items(self) -> None:
        """Prevent the worker from beginning further items."""
        with self._lock:
            if self._link is not None:
                self._link.stop_items()

    def kill(self, verdict: str) -> None:
        """End the worker if anything is under way at it."""
        with self._lock:
            if self._link is not None and self._chunks:
                self._link.kill(verdict)

    def kill_overdue(self, seconds: float) -> None:
        """End the worker if its attempt began more than ``seconds`` ago."""
        with self._lock:
            link = self._link
            if link is not None and link.age() > seconds and link.position().seq in self._chunks:
                link.kill(TIMED_OUT)

    def kill_large(self, limit: int) -> None:
        """End the worker if its resident memory exceeds ``limit`` bytes."""
        with self._lock:
            if self._link is not None and self._chunks and self._link.resident() > limit:
                self._link.kill(TOO_LARGE)
