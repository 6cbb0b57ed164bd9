"""The intake of a batch: how workers take items, and wait for them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Mapping, Sequence

from batchmill.batch.made_blocks import not_run, parts
from batchmill.batch.outstanding import Outstanding
from batchmill.batch.reorder_buffer import ReorderBuffer
from batchmill.batch.supply import Supply
from batchmill.block import Block
from batchmill.errors import InternalError
from batchmill.executors.contract import Chunk
from batchmill.outcome import Outcome


class Intake:
    """Hands items of a ``supply`` to workers, and knows which are out: taken, and neither delivered nor given
    back.

    A worker can only get a limited number of items ahead of those that ``results`` has handed out. ``file``
    is called, under the lock, with outcomes that are known without running anything; ``look``, also under the
    lock, when no more may come; ``fail``, outside of it, with an exception of the journal. An exception of
    the source becomes the ``error`` of the batch once all earlier items are done.

    Concurrency: ``lock`` belongs to the window around it, and guards every field, including the supply.
    Methods whose docstring begins with "Under the lock", and those with one underscore except ``_read``, are
    called while it is held; the others take it. ``_work`` wakes workers that wait for items.
    """

    def __init__(
        self,
        lock: threading.Lock,
        supply: Supply,
        results: ReorderBuffer,
        *,
        reads_here: bool,
        reads_on: bool,
        file: Callable[[Block], None],
        look: Callable[[], None],
        fail: Callable[[BaseException], None],
    ) -> None:
        self.supply = supply
        self.error: BaseException | None = None
        self.out = Outstanding()
        self.stopped = False
        self._lock = lock
        self._work = threading.Condition(lock)
        self._results = results
        self._reads_here = reads_here  # a worker who wants one item may wait in the source for it
        self._reads_on = reads_on  # who consumes may read on while he runs what he took
        self._file = file
        self._look = look
        self._fail = fail
        self._idle_callbacks: list[Callable[[], None]] = []
        self._idle = 0  # workers that wait in take
        self._held = False
        self._behind = False  # a worker waits for the consumer
        self._awaited = False  # somebody waits until no item runs

    # Returned items come before new ones: they have waited longest, and the ordered consumer waits for them.
    # A worker that finds neither sleeps until another thread gives back, delivers or reads. Only one worker
    # reads the source at a time, outside the lock, because a source may block for any time. Before a worker
    # sleeps it calls, once, the threads that could steal work for it.
    def take(self, most: int, ahead: int, *, consumes: bool) -> Chunk | None:
        """As :meth:`Channel.take <batchmill.executors.contract.Channel.take>`, without waiting for more than
        items."""
        supply = self.supply
        waited = told = False
        while True:
            idle: list[Callable[[], None]] = []
            with self._lock:
                supply.return_due()
                while not (self._may_read(ahead, consumes) and self._source_gives(most, consumes)):
                    if supply.returned:
                        return self._send_out(supply.retake(most))
                    if self.stopped or self.over:
                        return None
                    if not told and self._idle_callbacks:
                        idle, told = self._idle_callbacks.copy(), True
                        break
                    if consumes and self._results:
                        return Chunk(supply.taken, ())
                    self._wait_for_work()
                    waited = True
                else:
                    if supply.instant:
                        chunk = self._number(supply.take_now(most))
                        if waited:
                            self._wake_another()
                        if chunk is None:
                            continue
                        return chunk
                    supply.reading = True
            for callback in idle:
                callback()
            if not idle and (chunk := self._read(most)) is not None:
                return self._growing(chunk) if consumes and self._reads_on else chunk

    def _may_read(self, ahead: int, consumes: bool) -> bool:
        supply = self.supply
        if consumes and supply.waiting and not supply.instant:
            # A thread that waits in the source does not notice retries that become due, and the source may
            # give nothing before the consumer has their outcomes.
            return False
        if self.stopped or supply.returned or supply.exhausted or supply.reading or self._held:
            return False
        held = supply.taken - self._results.handed_out
        self._behind = self._behind or held >= ahead
        return held < ahead

    def _source_gives(self, most: int, consumes: bool) -> bool:
        # A worker that takes one item reads it itself: it keeps none that others could run meanwhile.
        here = consumes or (most == 1 and self._reads_here)
        return self.supply.can_give(most, self._source_has_something, here=here)

    def _source_has_something(self) -> None:
        with self._lock:
            self._wake_another()

    def _wait_for_work(self) -> None:
        self._idle += 1
        try:
            self._work.wait(self.supply.return_due())
        finally:
            self._idle -= 1

    def _wake_another(self) -> None:
        """Under the lock: let another worker try the source. Waking all of them for every item of a slow
        source would cost more than the item; but the allowed lead differs from worker to worker."""
        if self._behind:
            self._behind = False
            self._work.notify_all()
        else:
            self._work.notify()

    def _send_out(self, chunk: Chunk) -> Chunk:
        self.out.add(chunk.start, len(chunk))
        return chunk

    def _read(self, most: int) -> Chunk | None:
        """Read the source outside the lock. Known outcomes are filed; of the remaining items a chunk of at
        most ``most`` is taken, and others may take the rest."""
        read = self.supply.read(most)
        if read.error is not None and read.items:  # read, and not to be matched: none of it is to be run
            self._fail(read.error)
        with self._lock:
            self.supply.reading = False
            self.error = self.error or read.error
            if self.supply.look_whether_matching():
                chunk = self._number_known(read.items, read.known, most)
                self._work.notify_all()  # there may be more than one chunk to be taken, or none at all
            else:
                chunk = self._number(read.items)
            self._wake_another()
        return chunk

    def _growing(self, chunk: Chunk) -> Chunk:
        """The same items, with those that follow them if they are read where they are run."""
        with self._lock:
            read = self.supply.reader(chunk)
        if read is None:
            return chunk
        items = list(chunk.items)
        return Chunk(chunk.start, items, more=self._read_on(chunk.start, items, read))

    def _read_on(
        self, start: int, items: list[object], read: Callable[[], Sequence[object]]
    ) -> Generator[object, None, None]:
        """Yield ``items``, which went out from ``start`` on, and what follows them; they are numbered
        together at the end."""
        went_out = len(items)
        fault: BaseException | None = None
        over = False
        try:
            yield from items.copy()
            while not (self.stopped or self._held or over):
                try:
                    found = read()
                except BaseException as error:  # noqa: BLE001  # raised again where the results are consumed
                    fault, found = error, ()
                over = not found
                items.extend(found)
                yield from found
        finally:
            with self._lock:
                self.error = self.error or fault
                self.supply.taken += len(items) - went_out
                self.supply.exhausted |= over
                self.out.extend(start, len(items) - went_out)

    def _number_known(self, items: Sequence[object], known: Mapping[int, Outcome], most: int) -> Chunk | None:
        """Under the lock: number what was read; file what is known, and let the rest be taken."""
        chunk = self.supply.number(items, stopped=self.stopped)
        for part in () if chunk is None else parts(chunk.start, chunk.items, known):
            if isinstance(part, Block):
                self._file(part)
            else:
                self.put_back(part)
        if self.supply.returned:
            return self._send_out(self.supply.retake(most))
        self._look()
        return None

    def _number(self, items: Sequence[object]) -> Chunk | None:
        """Under the lock: number what was read, and take it."""
        chunk = self.supply.number(items, stopped=self.stopped)
        if self.supply.exhausted:
            self._work.notify_all()
        if chunk is not None and self.stopped:  # while the source was being read: these never start
            self._file(not_run(chunk))
            return None
        if chunk is None:
            self._look()
            return None
        return self._send_out(chunk)

    def settle(self, start: int, length: int, what: str) -> InternalError | None:
        """Under the lock: these items are out no more. Returns an error if they were not out: they are
        settled for the second time, and it is unknown which results are right."""
        try:
            self.out.remove(start, length, what)
        except InternalError as fault:
            return fault
        if not self.out.count and (self.supply.exhausted or self.stopped or self._awaited):
            self._work.notify_all()
        return None

    def put_back(self, chunk: Chunk, seconds: float = 0.0) -> None:
        """Under the lock: put items back to be taken again, after some seconds, if anything may still be
        taken."""
        if self.stopped:
            self._file(not_run(chunk))
        elif seconds:
            self.supply.put_off(chunk, seconds)
        else:
            self.supply.returned.append(chunk)
        self._work.notify_all()

    def stop(self) -> None:
        """Under the lock: no items are taken any more; returned ones never start."""
        self.stopped = True
        for chunk in self.supply.clear():
            self._file(not_run(chunk))
        self._work.notify_all()

    @property
    def over(self) -> bool:
        """Under the lock: whether no item is out and none will be taken."""
        if self.out.count:
            return False
        return self.stopped or (self.supply.exhausted and not self.supply.waiting)

    def handed_out(self) -> None:
        """Under the lock: the consumer had something, and workers may get further."""
        if self._behind:
            self._behind = False
            self._work.notify_all()

    @property
    def starving(self) -> bool:
        """Whether a worker waits for items while there are none."""
        with self._lock:
            return self._idle > 0 and not self.supply.returned

    def on_idle(self, callback: Callable[[], None]) -> None:
        """Have ``callback`` run by each worker that finds nothing to take and is about to wait."""
        with self._lock:
            self._idle_callbacks.append(callback)

    def hold(self, held: bool) -> None:
        """Let no item be taken from the source for a while."""
        with self._lock:
            self._held = held
            self._work.notify_all()

    def wait_idle(self, seconds: float) -> bool:
        """Wait until no item is out, at most ``seconds``; returns whether that happened."""
        with self._lock:
            self._awaited = True
            return self._work.wait_for(lambda: not self.out.count, seconds)
