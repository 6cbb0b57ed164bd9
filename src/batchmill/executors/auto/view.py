"""One leg of a batch: the channel as seen by one of several executors that work on it in turn.

The executor takes from it, delivers into it and closes it as if it were alone; the channel behind continues.
A *dry* leg hands out no more items and ends when its items are settled; a *stopped* one ends at once. If its
executor turns out to be unavailable, a leg ends dry, with the reason, so another can take over.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from batchmill.block import Block
from batchmill.errors import ExecutorUnavailable
from batchmill.executors.contract import Channel, Chunk, Seat


class Readings(NamedTuple):
    """The measurements of a leg so far: ``items`` settled, the ``wall`` seconds they took, how long the
    current chunk has been running (0.0 if there is none), the CPU seconds of its worker threads."""

    items: int = 0
    wall: float = 0.0
    running: float = 0.0
    cpu: float = 0.0


class ChannelView:
    """A :class:`~batchmill.executors.contract.Channel`; see the module. It counts items and times, to measure
    the items; with ``samples`` it keeps an item and its result, until it is asked to forget them.

    Concurrency: workers and the leg's owner call from their own threads; ``_lock`` (through the condition
    ``_changed``) guards all fields.
    """

    def __init__(self, channel: Channel, *, samples: bool = False) -> None:
        self._channel = channel
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._out = 0
        self._dry = False
        self._stopped = False
        self._items = 0
        self._wall = 0.0
        self._since = 0.0
        self._clock: Callable[[], float] | None = None
        self._thread = 0
        self._cpu = 0.0
        self.begun = threading.Event()
        self._samples = samples  # and has none yet
        self._sample: tuple[object, object] | None = None
        self._refusal: ExecutorUnavailable | None = None

    @property
    def stopped(self) -> bool:
        return self._stopped or self._channel.stopped

    @property
    def instant(self) -> bool:
        return self._channel.instant

    @property
    def starving(self) -> bool:
        return self._channel.starving

    @property
    def sample(self) -> tuple[object, object] | None:
        """An item and its result, if there is one."""
        with self._lock:
            return self._sample

    def forget_sample(self) -> None:
        """Keep no item: it may be large, and the batch may last."""
        with self._lock:
            self._samples, self._sample = False, None

    @property
    def refusal(self) -> ExecutorUnavailable | None:
        """Why the executor turned out to be unavailable."""
        with self._lock:
            return self._refusal

    @property
    def over(self) -> bool:
        """Whether nothing more will pass."""
        with self._lock:
            return self._is_over()

    def dry(self) -> None:
        """Hand out nothing more."""
        with self._lock:
            self._dry = True
            self._changed.notify_all()

    def wait_over(self, seconds: float) -> bool:
        """Wait until no more items will pass, at most ``seconds``; returns whether that happened."""
        with self._lock:
            return self._changed.wait_for(self._is_over, seconds)

    def _shut(self) -> bool:
        return self._dry or self._stopped

    def _is_over(self) -> bool:
        return self._stopped or (self._dry and not self._out)

    def readings(self) -> Readings:
        """The counts so far."""
        with self._lock:
            running = time.perf_counter() - self._since if self._out else 0.0
            return Readings(self._items, self._wall, running, self._cpu_now())

    def _cpu_now(self) -> float:
        if self._clock is None:
            return self._cpu
        try:
            return self._cpu + self._clock()
        except OSError:  # that thread has ended
            return self._cpu

    def take(
        self, most: int, ahead: int, *, consumes: bool = False, seat: Seat | None = None
    ) -> Chunk | None:
        with self._lock:
            if self._shut():
                return None
        chunk = self._channel.take(most, ahead, consumes=consumes, seat=seat)
        if chunk is None:
            self.dry()
            return None
        with self._lock:
            closed = self._shut()
            if not closed:
                self._count_out(chunk)
        if closed:  # while we waited for the source
            self._channel.give_back(chunk)
            return None
        self.begun.set()
        return chunk

    def _count_out(self, chunk: Chunk) -> None:
        if threading.get_ident() != self._thread:
            self._cpu = self._cpu_now()
            self._thread, self._clock = threading.get_ident(), thread_clock()
        if not self._out:
            self._since = time.perf_counter()
        self._out += len(chunk)

    def give_back(self, chunk: Chunk) -> None:
        self._channel.give_back(chunk)
        self._settled(len(chunk), 0, 0.0)

    def deliver(self, *blocks: Block) -> None:
        with self._lock:
            for block in blocks:
                if self._samples and not block.special:
                    self._samples, self._sample = False, (block.items[0], block.values[0])
        n, wall = sum(map(len, blocks)), sum(block.wall for block in blocks)
        self._channel.deliver(*blocks)
        self._settled(n, n, wall)

    def _settled(self, out: int, items: int, wall: float) -> None:
        with self._lock:
            self._out -= out
            self._items += items
            self._wall += wall
            self._since = time.perf_counter()
            if not self._out:
                self._changed.notify_all()

    def fail(self, error: BaseException) -> None:
        if not isinstance(error, ExecutorUnavailable):
            self._channel.fail(error)
            return
        with self._lock:
            self._refusal = self._refusal or error
        self.dry()

    def more(self) -> bool:
        return not self._shut() and self._channel.more()

    def remaining(self) -> int | None:
        return self._channel.remaining()

    def on_stop(self, callback: Callable[[], None]) -> Callable[[], None]:
        return self._channel.on_stop(callback)

    def on_idle(self, callback: Callable[[], None]) -> None:
        self._channel.on_idle(callback)

    def before_first(self, callback: Callable[[], None]) -> None:
        self._channel.before_first(callback)

    def blocks(self) -> Iterator[Block]:
        """None of them: they go to the consumer of the channel. Ends when the leg is over."""
        with self._lock:
            self._changed.wait_for(self._is_over)
        return iter(())

    def ready(self) -> Iterator[Block]:
        """None; see :meth:`blocks`."""
        return iter(())

    def stop(self) -> None:
        """End this leg. The channel stays open."""
        with self._lock:
            self._stopped = True
            self._changed.notify_all()
        self.begun.set()

    def wait_idle(self, seconds: float) -> bool:
        with self._lock:
            return self._changed.wait_for(lambda: not self._out, seconds)


def thread_clock() -> Callable[[], float]:
    """A clock of the calling thread's CPU seconds from now on, to be read from any thread.

    Where the system has none (macOS) it is the whole process's. Raises OSError once the thread has ended.
    """
    if hasattr(time, "pthread_getcpuclockid"):
        number = time.pthread_getcpuclockid(threading.get_ident())
        began = time.clock_gettime(number)
        return lambda: time.clock_gettime(number) - began
    base = time.process_time()
    return lambda: time.process_time() - base
