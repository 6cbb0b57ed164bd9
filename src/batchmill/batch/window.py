"""The window between a source of items and the consumer of their outcomes.

It numbers items as they are taken, bounds how many are ahead of the consumer, and puts what comes
back in order. It is the :class:`~batchmill.executors.contract.Channel` every executor works on.

Concurrency: workers call ``take``, ``give_back`` and ``deliver`` from their own threads, one consumer
iterates ``blocks``. One lock, ``_lock``, guards every field; ``_work`` wakes workers that wait for
items, ``_ready`` wakes the consumer. The source is read outside the lock by one worker at a time
(``_pulling`` says that one is at it), so a source that blocks holds up nobody but those who have
nothing else to do.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from batchmill.batch.delay_queue import DelayQueue
from batchmill.batch.keeping import Judge, Record, judged, judged_again, keep
from batchmill.batch.made_blocks import not_run, parts
from batchmill.batch.outstanding import Outstanding
from batchmill.batch.reorder_buffer import ReorderBuffer
from batchmill.block import Block
from batchmill.errors import InternalError, StorageError
from batchmill.executors.contract import Chunk, Seat
from batchmill.items.sources import Source
from batchmill.journal.contract import ItemLog
from batchmill.outcome import Outcome
from batchmill.policy import FailureWatch

MATCHED_TOGETHER = 500  # items that are read at once while some of them may be known already


class Window:
    """See the module. ``ordered`` hands blocks out in index order, else as they come.

    With a ``log`` every final outcome is kept there before it is handed out. Items of which the log knows an
    outcome are never taken: the outcome is filed as if it had just been delivered. The ``judge`` comes after
    that: a result that it makes an error of is kept as it is, and not made again once it is accepted.
    """

    def __init__(
        self,
        source: Source,
        watch: FailureWatch,
        *,
        ordered: bool,
        log: ItemLog | None = None,
        judge: Judge | None = None,
    ) -> None:
        self._lock = threading.Lock()
        self._work = threading.Condition(self._lock)
        self._ready = threading.Condition(self._lock)
        self._source = source
        self._watch = watch
        self._returned: deque[Chunk] = deque()
        self._deferred = DelayQueue()  # items to be tried again
        self._results = ReorderBuffer(ordered=ordered)
        self._stop_callbacks: list[Callable[[], None]] = []
        self._idle_callbacks: list[Callable[[], None]] = []
        self._error: BaseException | None = None
        self._broken = False  # by it: what is out may never come back
        self._taken = 0  # items read from the source
        self._out = Outstanding()  # of them, not delivered or given back
        self._idle = 0  # workers that wait in take
        self._pulling = False
        self._exhausted = False
        self._stopped = False
        self._held = False
        self._behind = False  # a worker waits for the consumer
        self._awaited = False  # somebody waits until no item runs
        self._log = log
        self._judge = judge
        self._record = None if log is None else log.record
        self._matching = log is not None and log.knows

    @property
    def instant(self) -> bool:
        return self._source.instant and not self._matching

    @property
    def stopped(self) -> bool:
        return self._stopped

    @property
    def exhausted(self) -> bool:
        """Whether the source is known to have no more items than were taken."""
        with self._lock:
            return self._exhausted

    @property
    def failing(self) -> bool:
        """Whether so much has failed that the batch fails."""
        with self._lock:
            return self._watch.must_stop()

    @property
    def taken(self) -> int:
        """How many items were read from the source so far."""
        with self._lock:
            return self._taken

    def under_way(self, most: int) -> tuple[int, list[tuple[int, float]]]:
        """How many items are out, and wait for nothing, and at most so many that are so for the longest, with
        their seconds."""
        with self._lock:
            return self._out.under_way(most)

    def more(self) -> bool:
        with self._lock:
            return not self._stopped and bool(self._returned or self._deferred or not self._exhausted)

    def remaining(self) -> int | None:
        with self._lock:
            return self._source.remaining()

    def take(
        self, most: int, ahead: int, *, consumes: bool = False, seat: Seat | None = None
    ) -> Chunk | None:
        chunk = self._take(most, ahead, consumes)
        if chunk is None or not len(chunk) or seat is None:
            return chunk
        self._waits(chunk)
        if not seat.get():
            self.give_back(chunk)
            return None
        self._begins(chunk)
        return chunk

    def _waits(self, chunk: Chunk) -> None:
        """A chunk that was taken is not let begin yet."""
        with self._lock:
            self._out.waits(chunk.start)

    def _begins(self, chunk: Chunk) -> None:
        with self._lock:
            self._out.begins(chunk.start)

    def _take(self, most: int, ahead: int, consumes: bool) -> Chunk | None:
        # What was returned comes before what is new: it has waited longest, and the ordered consumer waits
        # for it. A worker that finds neither sleeps until somebody gives back, delivers or reads. Only one
        # reads the source at a time, outside the lock: a source may block for as long as it likes. Before a
        # worker sleeps it tells, once, those who could steal from others for it.
        waited = told = False
        while True:
            idle: list[Callable[[], None]] = []
            with self._lock:
                if self._deferred:
                    self._return_due()
                while not (self._may_pull(ahead) and self._can_give(most, consumes)):
                    if self._returned:
                        return self._retake(most)
                    if self._stopped or (self._exhausted and not self._out.count and not self._deferred):
                        return None
                    if not told and self._idle_callbacks:
                        idle, told = self._idle_callbacks.copy(), True
                        break
                    if consumes and self._results:
                        return Chunk(self._taken, ())
                    self._wait_for_work()
                    waited = True
                else:
                    if self._source.instant and not self._matching:
                        chunk = self._number(self._source.take(most))
                        if waited:
                            self._wake_another()
                        if chunk is None:
                            continue
                        return chunk
                    self._pulling = True
            if idle:
                _call(idle)
            elif (chunk := self._pull(most)) is not None:
                return chunk

    def _may_pull(self, ahead: int) -> bool:
        if self._stopped or self._returned or self._exhausted or self._pulling or self._held:
            return False
        held = self._taken - self._results.handed_out
        self._behind = self._behind or held >= ahead
        return held < ahead

    def _can_give(self, most: int, consumes: bool) -> bool:
        """Whether the source has something or is to be waited for by who takes; else it tells when it has."""
        if self._source.instant:
            return True
        most = max(most, MATCHED_TOGETHER) if self._matching else most
        return self._source.ready(self._source_has_something, most, here=consumes or self._reads_itself(most))

    def _reads_itself(self, most: int) -> bool:
        """Whether a worker reads the one item it wants: it keeps none that others could run meanwhile."""
        return most == 1

    def _source_has_something(self) -> None:
        with self._lock:
            self._wake_another()

    def _wait_for_work(self) -> None:
        self._idle += 1
        try:
            self._work.wait(self._return_due() if self._deferred else None)
        finally:
            self._idle -= 1

    @property
    def starving(self) -> bool:
        """Whether somebody waits for items and there are none to be had now."""
        with self._lock:
            return self._idle > 0 and not self._returned

    def _wake_another(self) -> None:
        """Under the lock: another worker may have a turn at the source. To wake all of them for every item of
        a slow source costs more than the item; but how far ahead one may be differs from worker to worker."""
        if self._behind:
            self._behind = False
            self._work.notify_all()
        else:
            self._work.notify()

    def hold(self, held: bool) -> None:
        """Let no item be taken from the source for a while: the consumer waits for somebody else."""
        with self._lock:
            self._held = held
            self._work.notify_all()

    def _retake(self, most: int) -> Chunk:
        chunk = self._returned.popleft()
        if len(chunk) > most:
            self._returned.appendleft(chunk.part(most))
            chunk = chunk.part(0, most)
        self._out.add(chunk.start, len(chunk))
        return chunk

    def _pull(self, most: int) -> Chunk | None:
        """Read the source outside the lock."""
        items: Sequence[Any] = ()
        known: dict[int, Outcome] = {}
        error: BaseException | None = None
        try:
            items = self._source.take(max(most, MATCHED_TOGETHER) if self._matching else most)
            if self._matching and self._log is not None:
                known = self._log.match(self._taken, items)
            if self._judge is not None:
                known = judged_again(known, items, self._judge)
        except BaseException as fault:  # noqa: BLE001  # raised again where the results are consumed
            error = fault
        with self._lock:
            self._pulling = False
            self._error = self._error or error
            chunk = self._number_known(items, known, most) if self._matching else self._number(items)
            if self._matching and self._log is not None:
                self._matching = self._log.knows
                self._work.notify_all()  # there may be more than one chunk to be taken, or none at all
            self._wake_another()
        if error is not None and items:  # read, and not to be matched: the journal is at fault
            self.fail(error)
        return chunk

    def _number_known(self, items: Sequence[Any], known: dict[int, Outcome], most: int) -> Chunk | None:
        """Under the lock: number what was read; file what is known, and let the rest be taken, beginning
        with a chunk of at most ``most``."""
        start, first = self._taken, len(self._returned)
        chunk = self._number(items)
        if chunk is not None:
            self._out.remove(start, len(items), "matched")
            for part, outcomes in parts(start, items, known):
                if outcomes:
                    self._file(Block.made(part.start, outcomes, part.items))
                elif self._stopped:
                    self._file(not_run(part))
                else:
                    self._returned.append(part)
        if len(self._returned) == first:
            self._ready.notify_all()
            return None
        return self._retake(most)

    def _number(self, items: Sequence[Any]) -> Chunk | None:
        """Under the lock: account for what was read; nothing read is the end of the source, unless that was
        told to stop."""
        if (not items and not self._stopped) or self._source.remaining() == 0:
            self._exhausted = True
            self._work.notify_all()
        if not items:
            self._ready.notify_all()
            return None
        chunk = Chunk(self._taken, items)
        self._taken += len(items)
        if self._stopped:  # stopped while the source was being read: these never start
            self._file(not_run(chunk))
            return None
        self._out.add(chunk.start, len(items))
        return chunk

    def give_back(self, chunk: Chunk) -> None:
        if not len(chunk):
            return
        with self._lock:
            fault = self._settle(chunk.start, len(chunk), "given back")
            if fault is None:
                self._put_back(chunk)
        self._raise(fault)

    def _put_back(self, chunk: Chunk) -> None:
        """Under the lock: a chunk that is not out any more is to be run, if anything still is."""
        if self._stopped:
            self._file(not_run(chunk))
        else:
            self._returned.append(chunk)
        self._work.notify_all()

    def defer(self, chunk: Chunk, seconds: float) -> None:
        """Return an item that is to be tried again, but not before ``seconds`` have passed."""
        with self._lock:
            fault = self._settle(chunk.start, len(chunk), "put off")
            if fault is None and self._stopped:
                self._file(not_run(chunk))
            elif fault is None:
                self._deferred.put(chunk, seconds)
            self._work.notify_all()
        self._raise(fault)

    def _return_due(self) -> float | None:
        """Under the lock: return what is due; seconds until the next is, None where there is no next one."""
        self._returned.extend(self._deferred.due())
        return 0.0 if self._returned else self._deferred.seconds()

    def deliver(self, block: Block) -> None:
        if self._record is not None:
            self._keep(block, self._record)
        if self._judge is not None:
            judged(block, self._judge)
        callbacks: list[Callable[[], None]] = []
        with self._lock:
            fault = self._settle(block.start, len(block), "delivered")
            if fault is None:
                self._file(block)
                if not self._stopped and self._watch.must_stop():
                    callbacks = self._begin_stop()
                if not self._out.count and (self._exhausted or self._stopped or self._awaited):
                    self._work.notify_all()
        _call(callbacks)
        self._raise(fault)

    def _settle(self, start: int, length: int, what: str) -> InternalError | None:
        """Under the lock: these items are out no more. The error where they were not: somebody settles them
        for a second time, and nobody can tell which results are right."""
        try:
            self._out.remove(start, length, what)
        except InternalError as fault:
            return fault
        return None

    def _raise(self, fault: InternalError | None) -> None:
        """End the batch with ``fault``, and tell who brought it about."""
        if fault is not None:
            self.fail(fault)
            raise fault

    def _keep(self, block: Block, record: Record) -> None:
        """Keep final outcomes, before anybody sees them; never those of items that were settled already."""
        with self._lock:
            try:
                self._out.check(block.start, len(block), "delivered")
            except InternalError:
                return  # as filing it is about to say
        try:
            keep(record, block)
        except StorageError as fault:  # a full disk, say: no item is to blame
            self.fail(fault)

    def _file(self, block: Block) -> None:
        """Under the lock: count a block and put it where the consumer finds it."""
        errors = [outcome.error for outcome in block.special.values() if outcome.error is not None]
        failed = sum(error.kind != "cancelled" for error in errors)
        self._watch.add(len(block) - len(errors), failed, errors)
        if self._results.put(block) or self._finished():
            self._ready.notify_all()

    def fail(self, error: BaseException) -> None:
        with self._lock:
            self._error = self._error or error
            self._broken = True
            callbacks = self._begin_stop()
            self._ready.notify_all()
        _call(callbacks)

    def stop(self) -> None:
        """Let no new item start; items that run finish, those given back end as cancelled."""
        with self._lock:
            callbacks = self._begin_stop()
        _call(callbacks)

    def _begin_stop(self) -> list[Callable[[], None]]:
        if self._stopped:
            return []
        self._stopped = True
        self._returned.extend(self._deferred.clear())
        while self._returned:
            self._file(not_run(self._returned.popleft()))
        self._work.notify_all()
        self._ready.notify_all()
        callbacks, self._stop_callbacks = self._stop_callbacks, []
        return [self._source.stop, *callbacks]

    def on_stop(self, callback: Callable[[], None]) -> Callable[[], None]:
        with self._lock:
            late = self._stopped
            if not late:
                self._stop_callbacks.append(callback)
        if late:
            callback()
        return lambda: self._forget(callback)

    def on_idle(self, callback: Callable[[], None]) -> None:
        with self._lock:
            self._idle_callbacks.append(callback)

    def _forget(self, callback: Callable[[], None]) -> None:
        with self._lock:
            if callback in self._stop_callbacks:
                self._stop_callbacks.remove(callback)

    def blocks(self) -> Iterator[Block]:
        while True:
            with self._lock:
                while (block := self._pop()) is None and not self._finished():
                    self._ready.wait()
                error = self._error if block is None else None
            if block is None:
                if error is not None:
                    raise error
                return
            yield block

    def ready(self) -> Iterator[Block]:
        while True:
            with self._lock:
                block = self._pop()
            if block is None:
                return
            yield block

    def _pop(self) -> Block | None:
        block = self._results.pop()
        if block is not None and self._behind:
            self._behind = False
            self._work.notify_all()
        return block

    def _finished(self) -> bool:
        """Whether nothing more will be filed, or nobody can say what will be."""
        if self._broken:
            return True
        if self._out.count:
            return False
        return self._stopped or (self._exhausted and not self._returned and not self._deferred)

    def wait_idle(self, seconds: float) -> bool:
        """Wait until no taken item runs any more, at most ``seconds``; whether that came about."""
        with self._lock:
            self._awaited = True
            return self._work.wait_for(lambda: not self._out.count, seconds)


def _call(callbacks: list[Callable[[], None]]) -> None:
    for callback in callbacks:
        callback()
