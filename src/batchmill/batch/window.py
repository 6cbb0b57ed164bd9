"""The window between a source of items and the consumer of their outcomes.

    Intake --take--> admissions --> worker --deliver--> ReorderBuffer --blocks--> consumer
       ^                              |
       +--- returned, put off ------+

It hands out items, limits how many are ahead of the consumer, saves outcomes in the journal and puts them in
order. It is the :class:`~batchmill.executors.contract.Channel` every executor works on.

Concurrency: workers call ``take``, ``give_back`` and ``deliver`` from their own threads, one consumer
iterates ``blocks``. One lock, ``_lock``, guards every field, and those of intake and outlet; ``_ready`` wakes
the consumer. One worker at a time reads the source outside the lock, so a source that blocks only delays
workers without other work. Workers also wait for admissions outside of it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from batchmill.batch.admissions.admissions import Admissions, NoSeat
from batchmill.batch.admissions.contract import Admission
from batchmill.batch.intake import Intake
from batchmill.batch.keeping import Judge
from batchmill.batch.outlet import Outlet
from batchmill.batch.separate_attempts import SeparateAttempts
from batchmill.batch.supply import Supply
from batchmill.block import Block
from batchmill.concurrency.steps import do_all
from batchmill.errors import InternalError, StorageError
from batchmill.executors.contract import Chunk, Seat
from batchmill.items.sources import Source
from batchmill.journal.contract import ItemLog
from batchmill.policy import FailureWatch


class Window:
    """See the module. ``ordered`` hands blocks out in index order, otherwise as they come.

    With a ``log`` every final outcome is saved there before it is handed out. Items whose outcome the log
    knows are never taken: the outcome is filed as if it had just been delivered. The ``judge`` comes after
    that: a result that it turns into an error is saved as a result, and not made again once the judge accepts
    it. ``admissions`` must let items start, in that order. If one of them starts attempts, a worker makes one
    at a time: a failed one is delivered, and a lost one given back, with what happens next.

    ``reads_on``: nobody looks at outcomes before the end, so a consumer that runs the items itself may read
    an item when the one before it was run, and not only once its outcome is out.
    """

    def __init__(
        self,
        source: Source,
        watch: FailureWatch,
        *,
        ordered: bool,
        admissions: Sequence[Admission] = (),
        log: ItemLog | None = None,
        judge: Judge | None = None,
        reads_on: bool = False,
    ) -> None:
        self._lock = threading.Lock()
        self._ready = threading.Condition(self._lock)
        self._admissions = Admissions(admissions, lambda: self.stopped)
        self._attempts: SeparateAttempts | None = None
        if self._admissions.start_attempts:
            self._attempts = SeparateAttempts(log)
        self._outlet = Outlet(watch, ordered=ordered, log=log, judge=judge, attempts=self._attempts)
        # A thread that waits in the source does not notice a retry that becomes due.
        self._intake = Intake(
            self._lock,
            Supply(source, log, judge),
            self._outlet.results,
            reads_here=self._attempts is None,
            reads_on=reads_on and log is None and judge is None and not self._admissions,
            file=partial(self._file, ran=False),
            look=self._ready.notify_all,
            fail=self.fail,
        )
        self._stop_callbacks: list[Callable[[], None]] = []
        self._before_first: list[Callable[[], None]] = []
        self._error: BaseException | None = None
        self._broken = False  # by it: what is out may never come back
        if self._admissions:
            self.on_stop(self._admissions.wake)

    @property
    def instant(self) -> bool:
        return self._intake.supply.instant and not self._admissions

    @property
    def stopped(self) -> bool:
        return self._intake.stopped

    @property
    def starving(self) -> bool:
        return self._intake.starving

    @property
    def exhausted(self) -> bool:
        """Whether the source is known to have no more items than were taken."""
        with self._lock:
            return self._intake.supply.exhausted

    @property
    def failing(self) -> bool:
        """Whether so much has failed that the batch fails."""
        with self._lock:
            return self._outlet.watch.must_stop()

    @property
    def taken(self) -> int:
        """How many items were read from the source so far."""
        with self._lock:
            return self._intake.supply.taken

    def under_way(self, most: int) -> tuple[int, list[tuple[int, float]]]:
        """How many items are out, and wait for nothing, and at most so many that are so for the longest, with
        their seconds."""
        with self._lock:
            return self._intake.out.under_way(most)

    def more(self) -> bool:
        supply = self._intake.supply
        with self._lock:
            return not self.stopped and (supply.waiting or not supply.exhausted)

    def remaining(self) -> int | None:
        with self._lock:
            return self._intake.supply.remaining

    def hold(self, held: bool) -> None:
        """Let no item be taken from the source for a while: the consumer waits for somebody else."""
        self._intake.hold(held)

    def on_idle(self, callback: Callable[[], None]) -> None:
        self._intake.on_idle(callback)

    def before_first(self, callback: Callable[[], None]) -> None:
        if not self._admissions:
            callback()
            return
        with self._lock:
            self._before_first.append(callback)

    def wait_idle(self, seconds: float) -> bool:
        return self._intake.wait_idle(seconds)

    def take(
        self, most: int, ahead: int, *, consumes: bool = False, seat: Seat | None = None
    ) -> Chunk | None:
        admissions = self._admissions
        if not admissions and seat is None:
            return self._intake.take(most, ahead, consumes=consumes)
        most = admissions.begin_taking(most)
        while (chunk := self._intake.take(most, ahead, consumes=consumes)) is not None and len(chunk):
            with self._lock:
                self._intake.out.waits(chunk.start)
                callbacks, self._before_first = self._before_first, []
            try:
                for callback in callbacks:
                    callback()
                started = admissions.enter(chunk, seat)
            except BaseException as error:
                self._return(chunk)
                if isinstance(error, NoSeat):
                    return None
                raise
            if started < len(chunk):
                self._return(chunk.part(started))
            if started:
                with self._lock:
                    self._intake.out.begins(chunk.start)
                return chunk.part(0, started)
            self.stop()  # none will start any more
        return chunk

    def give_back(self, chunk: Chunk) -> None:
        if not len(chunk):
            return
        if self._attempts is not None and chunk.lost is not None:
            waits = self._admissions.lost(chunk)
            if waits is not None:
                self._return(*self._attempts.after_loss(chunk, waits), "put off")
                return
        self._return(self._admissions.withdraw(chunk) if self._admissions else chunk)

    def _return(self, chunk: Chunk, after: float = 0.0, what: str = "given back") -> None:
        """Put items back to be taken again ``after`` some seconds, if anything may still be taken."""
        with self._lock:
            fault = self._intake.settle(chunk.start, len(chunk), what)
            if fault is None:
                self._intake.put_back(chunk, after)
        self._raise(fault)

    def deliver(self, *blocks: Block) -> None:
        if self._admissions:
            for block in blocks:
                self._admissions.ended(block)
        if self._attempts is None:
            self._deliver(blocks)
            return
        for block in blocks:
            self._deliver(self._final(self._attempts, block))

    def _final(self, attempts: SeparateAttempts, block: Block) -> list[Block]:
        """What is final of a block; items that get another attempt are put off."""
        final: list[int] = []
        for offset, outcome in enumerate(block.outcomes()):
            again = attempts.after_failure(outcome, block.items[offset])
            if again is None:
                final.append(offset)
            else:
                self._return(*again, "put off")
        whole = len(final) == len(block)
        return [block] if whole else [block.part(offset, offset + 1) for offset in final]

    def _deliver(self, blocks: Sequence[Block]) -> None:
        """Keep and file final outcomes."""
        for block in blocks:
            if self._outlet.keeps:
                self._keep(block)
            self._outlet.judge(block)
        callbacks: list[Callable[[], None]] = []
        fault: InternalError | None = None
        ready = False
        with self._lock:
            for block in blocks:
                fault = self._intake.settle(block.start, len(block), "delivered")
                if fault is not None:
                    break
                ready = self._outlet.put(block) or ready
            if ready or self._finished():
                self._ready.notify_all()
            if fault is None and not self.stopped and self._outlet.watch.must_stop():
                callbacks = self._begin_stop()
        if callbacks:
            do_all(callbacks)
        if fault is not None:
            self._raise(fault)

    def _raise(self, fault: InternalError | None) -> None:
        """End the batch with ``fault``, and pass it to the caller that caused it."""
        if fault is not None:
            self.fail(fault)
            raise fault

    def _keep(self, block: Block) -> None:
        """Save final outcomes, except those of items that were settled already."""
        with self._lock:
            try:
                self._intake.out.check(block.start, len(block), "delivered")
            except InternalError:
                return  # as filing it is about to say
        try:
            self._outlet.keep(block)
        except StorageError as fault:  # a full disk, say: no item is to blame
            self.fail(fault)

    def _file(self, block: Block, *, ran: bool = True) -> None:
        """Under the lock: final outcomes are there, for the consumer to find."""
        if self._outlet.put(block, ran=ran) or self._finished():
            self._ready.notify_all()

    def fail(self, error: BaseException) -> None:
        with self._lock:
            self._error = self._error or error
            self._broken = True
            callbacks = self._begin_stop()
            self._ready.notify_all()
        do_all(callbacks)

    def stop(self) -> None:
        """Let no new item start; items that run finish, those returned end as cancelled."""
        with self._lock:
            callbacks = self._begin_stop()
        do_all(callbacks)

    def _begin_stop(self) -> list[Callable[[], None]]:
        """Under the lock: the calls to make outside of it, all of them: one is how workers hear of it."""
        if self.stopped:
            return []
        self._intake.stop()
        self._ready.notify_all()
        callbacks, self._stop_callbacks = self._stop_callbacks, []
        return [self._intake.supply.stop_reading, *callbacks]

    def on_stop(self, callback: Callable[[], None]) -> Callable[[], None]:
        with self._lock:
            late = self.stopped
            if not late:
                self._stop_callbacks.append(callback)
        if late:
            callback()
        return lambda: self._forget(callback)

    def _forget(self, callback: Callable[[], None]) -> None:
        with self._lock:
            if callback in self._stop_callbacks:
                self._stop_callbacks.remove(callback)

    def blocks(self) -> Iterator[Block]:
        while True:
            with self._lock:
                while (block := self._pop()) is None and not self._finished():
                    self._ready.wait()
                error = (self._error or self._intake.error) if block is None else None
            if block is None:
                if error is not None:
                    raise error
                return
            yield block

    def ready(self) -> Iterator[Block]:
        while True:
            with self._lock:
                block = self._pop()
                more = bool(self._outlet.results)
            if block is None:
                return
            yield block
            if not more:
                return

    def _pop(self) -> Block | None:
        block = self._outlet.results.pop()
        if block is not None:
            self._intake.handed_out()
        return block

    def _finished(self) -> bool:
        """Whether no more outcomes will be filed, or it is unknown which."""
        return self._broken or self._intake.over
