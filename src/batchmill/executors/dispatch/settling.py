"""Settle a chunk that was sent to a worker: it came back, was refused, or its worker is gone."""

from __future__ import annotations

import threading

from batchmill.block import Block
from batchmill.errors import ExecutorUnavailable, InternalError
from batchmill.executors.contract import Channel, Chunk, OnDeath, WorkerDeath
from batchmill.executors.dispatch.chunk_sizes import ChunkSizer
from batchmill.executors.dispatch.link import CANCELLED, Death, End, Refusal, Results
from batchmill.executors.dispatch.losses import after_death
from batchmill.executors.pickling.pickler import named
from batchmill.executors.running.attempts import Job
from batchmill.outcome import ErrorInfo, Outcome

STILLBIRTHS = 3  # workers that die before they take a chunk, one after another, before we give up


class ChunkSettler:
    """Settles the chunks of one batch; calls ``on_death`` with workers that died.

    Concurrency: called from any thread; ``_lock`` guards ``_stillborn`` and ``_told``, the workers whose
    death was reported.
    """

    def __init__(
        self, job: Job, channel: Channel, sizer: ChunkSizer, on_death: OnDeath | None = None
    ) -> None:
        self.job = job
        self.channel = channel
        self.sizer = sizer
        self._lock = threading.Lock()
        self._stillborn = 0
        self._on_death = on_death
        self._told: set[tuple[int, int]] = set()

    def settle(self, worker: int, chunk: Chunk, end: End) -> None:
        """Settle a chunk that was sent to the ``worker`` of that number. Raises what is no item's fault."""
        if isinstance(end, Results):
            self._alive()
            self.sizer.observe(len(end.block), end.seconds, end.n_bytes)
            self.channel.give_back(self._deliver(chunk, end.block, worker))
        elif isinstance(end, Death):
            self._death(worker, chunk, end)
        elif isinstance(end, Refusal):
            self._alive()
            self._refused(chunk, end)
        else:
            raise end.fault

    def _refused(self, chunk: Chunk, refusal: Refusal) -> None:
        if refusal.error is None:  # it kept other jobs since
            self.channel.give_back(chunk)
        elif refusal.what == "job":
            self._refuse(chunk, _unloadable(self.job, refusal.error))
        else:
            self.split(chunk, _unreadable(refusal.error))

    def _death(self, worker: int, chunk: Chunk, death: Death) -> None:
        if death.finished is None or not len(chunk):
            # A chunk without items only has the job loaded: a worker that dies of that can run none.
            if (death.newborn or not len(chunk)) and death.verdict is None:
                self._died_unborn(death)
            self._tell(worker, death, range(0))
            self.channel.give_back(chunk)
            return
        self._alive()
        rest = self._deliver(chunk, death.finished, worker)
        then = after_death(self.job, rest, len(death.finished), death, worker)
        self._tell(worker, death, then.cost)
        for again in then.again:
            self.channel.give_back(again)
        if then.ended is not None:
            self.channel.deliver(Block.of(then.ended, chunk.items[then.ended.index - chunk.start]))

    def _tell(self, worker: int, death: Death, cost: range) -> None:
        """Report a death and the items that it ``cost`` an attempt, before anything else about
        those items."""
        if self._on_death is None or death.verdict == CANCELLED:
            return
        with self._lock:
            if (worker, death.pid) in self._told:  # with another chunk that it had
                return
            self._told.add((worker, death.pid))
        code = death.exit_code
        signal = -code if code is not None and code < 0 else None
        first = cost.start if cost else None
        code = None if signal else code
        self._on_death(WorkerDeath(worker, death.pid, code, signal, death.verdict or "", first, len(cost)))

    def split(self, chunk: Chunk, error: ErrorInfo) -> None:
        """Return a chunk's items one by one, or charge ``error`` to the one it holds."""
        if len(chunk) == 1:
            self.channel.deliver(Block.of(Outcome(chunk.start, error=error), chunk.items[0]))
            return
        for offset in range(len(chunk)):
            self.channel.give_back(chunk.part(offset, offset + 1))

    def _refuse(self, chunk: Chunk, error: ErrorInfo) -> None:
        """Charge ``error`` to all items of a chunk: it is not theirs, and each of them would meet it."""
        for offset, item in enumerate(chunk.items):
            self.channel.deliver(Block.of(Outcome(chunk.start + offset, error=error), item))

    def _deliver(self, chunk: Chunk, block: Block, worker: int) -> Chunk:
        """Deliver the finished items; returns the rest of the chunk. Items that were taken back from the
        worker belong to another one by now: if they were delivered too, an item would count twice, and
        another's result would be lost."""
        done = len(block)
        if not done:
            return chunk
        if done > len(chunk):
            raise InternalError(
                f"a worker ran {done} items from {block.start} on, of which {len(chunk)} were still "
                "its own: a fault in batchmill; please report it"
            )
        block.items, block.worker = chunk.items[:done], worker
        self.channel.deliver(block)
        return chunk.part(done)

    def _alive(self) -> None:
        """A worker took a chunk: workers can live here."""
        with self._lock:
            self._stillborn = 0

    def _died_unborn(self, death: Death) -> None:
        """Note that a worker died before it took any chunk. If that keeps happening, the batch cannot run."""
        with self._lock:
            self._stillborn += 1
            hopeless = self._stillborn >= STILLBIRTHS
        if hopeless:
            reason = f"worker processes end before they can work: the last one {death.reason}"
            self.channel.fail(ExecutorUnavailable(reason))


def _unloadable(job: Job, error: ErrorInfo) -> ErrorInfo:
    function = job.task.only_function
    what = "task" if function is None else named(function)
    message = (
        f"the {what} cannot be loaded in a worker process: {error.type}: {error.message}; "
        "move it into a module that can be imported, or use executor 'thread'"
    )
    return ErrorInfo("NotPicklable", message, "not_picklable", error.traceback)


def _unreadable(error: ErrorInfo) -> ErrorInfo:
    message = f"the item does not unpickle in a worker process: {error.type}: {error.message}"
    return ErrorInfo("NotPicklable", message, "not_picklable", error.traceback)
