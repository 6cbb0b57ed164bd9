"""Feeds one worker: takes chunks, sends them, and has the replies settled. While items are short a second
chunk waits at the worker, so that it never idles for a round trip."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable

from batchmill.errors import InternalError
from batchmill.executors.contract import Chunk
from batchmill.executors.dispatch.in_flight import InFlight
from batchmill.executors.dispatch.link import (
    CANCELLED,
    CannotTravel,
    End,
    Lender,
    LinkBroken,
    RunThread,
    WorkerLink,
    no_thread,
)
from batchmill.executors.dispatch.seat import WorkerSeat
from batchmill.executors.dispatch.settling import ChunkSettler


class Driver:
    """Feeds one worker of ``lender`` at a time. It calls ``share`` when it sends several items while others
    have none; ``worker`` is its worker's number in the batch, which is replaced after ``max_items``. It calls
    ``ended`` when it has fed its worker and ended. Others see and stop what the worker has ``in_flight``.

    Concurrency: its own thread, from ``run``, sends; one of the link's settles. ``_lock`` guards ``_driving``
    and makes one step of a chunk's end and what follows from it.
    """

    def __init__(
        self,
        settler: ChunkSettler,
        lender: Lender,
        run: RunThread,
        share: Callable[[], None] = lambda: None,
        worker: int = 0,
        max_items: int | None = None,
        ended: Callable[[], None] = lambda: None,
    ) -> None:
        self.worker = worker
        self._tell_ended = ended
        self._max_items = max_items
        self._share = share
        self._settler = settler
        self._run = run
        self._lender = lender
        self._channel = settler.channel
        self._sizer = settler.sizer
        self.in_flight = InFlight(self._channel)
        self._lock = threading.Lock()
        self._driving = True  # a thread is, or will be, at it
        self._ended = threading.Event()

    def send_first(self) -> None:
        """Send the first chunk from the caller's thread, which is quicker; only if it need not wait for
        items or a worker. :meth:`start` must follow."""
        try:
            self._next()
        except BaseException as fault:  # noqa: BLE001  # raised again where the results are consumed
            self._channel.fail(fault)

    def start(self) -> None:
        """Feed the worker, in a thread; none is needed where all items have been sent. Raises
        :class:`~batchmill.errors.ExecutorUnavailable` when the system has no thread to give."""
        with self._lock:
            self._driving = not self.in_flight or self._channel.more()
        if not self._driving:
            return
        try:
            self._run(self._drive)
        except RuntimeError as fault:
            with self._lock:
                self._driving = False
                idle = not self.in_flight
            if idle:
                self._end()
            raise no_thread(fault) from fault

    def join(self, seconds: float) -> bool:
        """Wait for the driver's end; whether it has come, or need not be waited for, as with a worker that
        starts and has nothing to run any more. A driver may be stuck in the source of items."""
        emptied = self.in_flight.emptied
        return self._ended.wait(0.0 if emptied else seconds) or emptied

    def _drive(self) -> None:
        try:
            while self._next():
                pass
        except BaseException as fault:  # noqa: BLE001  # a driver's end: the batch must hear of it
            self._channel.fail(fault)
        finally:
            self._end()
            self._tell_ended()

    @property
    def over(self) -> bool:
        """Whether it sends nothing any more."""
        return self._ended.is_set()

    def _end(self) -> None:
        """Let the worker go, for good."""
        try:
            self.in_flight.release()
        except BaseException as fault:  # noqa: BLE001  # as above
            self._channel.fail(fault)
        finally:
            self._ended.set()

    def _next(self) -> bool:
        """Take a chunk and send it. Returns False if no more chunks will come."""
        by_attempt = self._settler.job.by_attempt
        self.lend()
        if by_attempt and not self._lender.shared:
            self.warm_up()
        self._wait_for_room()
        if self.in_flight.link is None:  # before it takes items, which would wait with it
            self._lender.wait_for_start(lambda: self._channel.stopped)
        seat = WorkerSeat(self.warm_up, self.lend) if by_attempt else None
        chunk = self._channel.take(*self._sizer.next(self._channel.remaining()), seat=seat)
        if chunk is None:
            return False
        if self.in_flight.held:  # since we began to wait; it may be what was taken back from this very worker
            self._channel.give_back(chunk)
            return True
        try:
            link = self._healthy_link()
        except BaseException:
            self._channel.give_back(chunk)
            raise
        if link is None:  # the batch has other workers, and no more are to be had
            self._channel.give_back(chunk)
            return False
        self._send(link, self._within(link, chunk))
        return True

    def lend(self) -> None:
        """Give a shared worker back once it has nothing to do: others may be waiting for one."""
        if self._lender.shared:
            self.in_flight.release()

    def warm_up(self) -> bool:
        """Start the worker and load the job, with a chunk without items, so an item that may start need not
        wait for that. False if no worker is available."""
        while (link := self._healthy_link()) is not None:
            if link.has_job:
                return True
            self._send(link, Chunk(0, ()))
            self.in_flight.wait_below(1)
            if self._channel.stopped:
                break
        return False

    def _wait_for_room(self) -> None:
        depth = 1  # of items that come one by one: a second chunk waits at no worker while others are idle
        if self._channel.instant and not self._settler.job.by_attempt:  # nor when it is allowed to start
            depth = self._sizer.depth(self._channel.remaining())
        self.in_flight.wait_below(depth)

    def _within(self, link: WorkerLink, chunk: Chunk) -> Chunk:
        """As much of the chunk as the worker may run; the rest is returned."""
        room = len(chunk) if self._max_items is None else self._max_items - link.served
        if room < len(chunk):
            self._channel.give_back(chunk.part(room))
        self.in_flight.serve(link, min(room, len(chunk)))
        return chunk.part(0, min(room, len(chunk)))

    def _is_worn(self, link: WorkerLink) -> bool:
        """Whether the worker has run as many items as it may."""
        if self._max_items is None or link.served < self._max_items:
            return False
        link.retire()
        return True

    def _healthy_link(self) -> WorkerLink | None:
        link = self.in_flight.link
        if link is not None and link.healthy and not self._is_worn(link):
            return link
        self.in_flight.release()  # what is at one that is broken, or worn, is about to be settled
        while (link := self._lender.lease(lambda: self._channel.stopped)) and self._is_worn(link):
            link.give_back()
        self.in_flight.lease(link)
        return link

    def _send(self, link: WorkerLink, chunk: Chunk) -> None:
        """Send a chunk, or return it."""
        self.in_flight.go_on()
        if self._channel.stopped:
            link.stop_items()
        number = link.next_number
        try:
            send = link.pack(chunk, self._sizer.patience(len(chunk)))
        except CannotTravel as refusal:
            self._settler.split(chunk, refusal.error)
            return
        except BaseException:
            self._channel.give_back(chunk)
            raise
        self.in_flight.add(number, chunk)
        if self._channel.starving:
            self._share()
        try:
            send(lambda end: self._settle(number, end))
        except BaseException as fault:
            dead = isinstance(fault, LinkBroken)  # unnoticed, idle
            if not dead and link.next_number > number:  # Ctrl-C, once it was given
                link.kill(CANCELLED)  # whose end settles it
                raise
            self._channel.give_back(self.in_flight.withdraw(number))
            if not dead:
                raise

    def _settle(self, number: int, end: End) -> None:
        """In a thread of the link's: handle the result of a chunk."""
        worker = self.worker  # that ran it: from the next line on it may get another number
        chunk = self.in_flight.answered(number)
        try:
            self._settler.settle(worker, chunk, end)
        except BaseException as fault:  # noqa: BLE001  # nobody else would hear of it
            self._channel.fail(fault)
            with contextlib.suppress(InternalError):  # where it was settled before the fault
                self._channel.give_back(chunk)
        finally:
            with self._lock:
                self.in_flight.settled(number)
                alone = not self._driving and not self.in_flight
                self._driving = self._driving or alone
            if alone:
                self._go_on()

    def _go_on(self) -> None:
        """The only chunk is settled: see whether it left something to do."""
        if self._channel.more():
            try:
                self._run(self._drive)
                return
            except RuntimeError as fault:
                self._channel.fail(no_thread(fault))
        self._end()
        self._tell_ended()
