"""The items of one order, as the channel that an agent's process executor works on."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator

from batchmill.block import Block
from batchmill.executors.contract import Chunk, Seat


class OrderChannel:
    """A :class:`~batchmill.executors.contract.Channel` without a source and without order: one chunk at the
    start, blocks as they come. It hands out no more items ``seconds`` after the first part was taken, unless
    :meth:`extend` says otherwise.
    ``alone`` says that no item begins after a failed one, ``by_attempt`` that attempts are started elsewhere.
    :meth:`rest` has the remaining items at the end. A chunk without items is taken like any other, by a
    worker that is ready to run one.

    Concurrency: any thread may call any method; ``_changed`` guards all fields but ``_on_idle``, which is set
    before items are taken.
    """

    instant = True

    def __init__(self, chunk: Chunk, seconds: float, *, alone: bool, by_attempt: bool) -> None:
        self._changed = threading.Condition()
        self._waiting = deque([chunk])
        self._apart: list[Chunk] = []
        self._blocks: deque[Block] = deque()
        self._out = 0
        self._seconds = seconds
        self._end: float | None = None
        self._alone = alone
        self._by_attempt = by_attempt
        self._stopped = False
        self._fault: BaseException | None = None
        self._callbacks: dict[int, Callable[[], None]] = {}
        self._idle = 0  # workers that wait in take
        self._on_idle: Callable[[], None] = lambda: None

    @property
    def starving(self) -> bool:
        with self._changed:
            return self._idle > 0 and not self._waiting

    @property
    def stopped(self) -> bool:
        with self._changed:
            return self._stopped

    def take(
        self, most: int, ahead: int, *, consumes: bool = False, seat: Seat | None = None
    ) -> Chunk | None:
        if not self.more():
            self._on_idle()
        with self._changed:
            while not self._more():
                if self._stopped or self._late() or not self._out:
                    return None
                self._idle += 1
                self._changed.wait()
                self._idle -= 1
            self._end = self._end or time.monotonic() + self._seconds
            chunk = self._waiting.popleft()
            if len(chunk) > most:
                self._waiting.appendleft(chunk.part(most))
                chunk = chunk.part(0, most)
            self._out += len(chunk)
        if seat is None or seat.get():
            return chunk
        self.give_back(chunk)
        return None

    def give_back(self, chunk: Chunk) -> None:
        with self._changed:
            self._out -= len(chunk)
            if self._by_attempt and chunk.lost is not None:
                self._apart.append(chunk)
            elif len(chunk):
                self._waiting.append(chunk)
            self._changed.notify_all()

    def deliver(self, *blocks: Block) -> None:
        failed = self._alone and any(block.failures for block in blocks)
        with self._changed:
            self._out -= sum(map(len, blocks))
            self._blocks.extend(blocks)
            self._changed.notify_all()
        if failed:
            self.stop()

    def fail(self, error: BaseException) -> None:
        with self._changed:
            self._fault = self._fault or error
            self._changed.notify_all()

    def more(self) -> bool:
        with self._changed:
            return self._more()

    def _more(self) -> bool:
        return bool(self._waiting) and not self._stopped and not self._late()

    def _late(self) -> bool:
        return self._end is not None and time.monotonic() >= self._end

    def remaining(self) -> int | None:
        with self._changed:
            return sum(map(len, self._waiting))

    def on_stop(self, callback: Callable[[], None]) -> Callable[[], None]:
        with self._changed:
            late = self._stopped
            self._callbacks[id(callback)] = callback
        if late:
            callback()

        def remove() -> None:
            with self._changed:
                self._callbacks.pop(id(callback), None)

        return remove

    def on_idle(self, callback: Callable[[], None]) -> None:
        self._on_idle = callback

    def before_first(self, callback: Callable[[], None]) -> None:
        callback()  # limits are asked where the items come from

    def blocks(self) -> Iterator[Block]:
        while True:
            with self._changed:
                while not self._blocks and self._fault is None and not self._over():
                    self._changed.wait(self._until_late())
                block = self._blocks.popleft() if self._blocks else None
                if block is None and self._fault is not None:
                    raise self._fault
            if block is None:
                return
            yield block

    def _over(self) -> bool:
        return not self._out and not self._more()

    def _until_late(self) -> float | None:
        """Seconds until what waits is handed out no more. None if that is so, or nothing waits: then there is
        nothing to wake for but the end of what runs."""
        if self._end is None or not self._waiting or self._late():
            return None
        return max(0.0, self._end - time.monotonic())

    def ready(self) -> Iterator[Block]:
        return iter(())

    def stop(self) -> None:
        with self._changed:
            first, self._stopped = not self._stopped, True
            callbacks = list(self._callbacks.values()) if first else []
            self._changed.notify_all()
        for callback in callbacks:
            callback()

    def wait_idle(self, seconds: float) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: not self._out, seconds)

    def extend(self, seconds: float) -> bool:
        """Hand out items for so many ``seconds`` more, from now on; False if no item will run any more."""
        with self._changed:
            if self._over():
                return False
            if self._end is not None:
                self._end = max(self._end, time.monotonic() + seconds)
                self._changed.notify_all()
            return not self._stopped

    def wait_until_fewer(self, than: int, seconds: float) -> bool:
        """Wait at most ``seconds`` until fewer items run, or may still run. Returns whether it is so: it then
        stays so, unless :meth:`extend` is called."""
        with self._changed:
            return self._changed.wait_for(lambda: self._may_run() < than, seconds)

    def _may_run(self) -> int:
        return self._out + (sum(map(len, self._waiting)) if self._more() else 0)

    def finished(self) -> list[Block]:
        """Blocks that were not taken from :meth:`blocks`."""
        with self._changed:
            blocks = list(self._blocks)
            self._blocks.clear()
            return blocks

    def rest(self) -> list[Chunk]:
        """The items that did not run, or must be retried, once no item runs any more."""
        with self._changed:
            return [*self._waiting, *self._apart]
