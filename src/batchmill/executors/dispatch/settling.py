"""What becomes of a chunk that was sent to a worker process: it came back, or its worker is gone.

When a worker dies its shared area tells what it had finished (delivered), what it was on (that one
attempt is lost, and tried again or charged to the item) and what it had not begun (given back). When
it died while several items, or the results of several, were being pickled nobody can tell which of them
it was: those are given back one by one, so that the next death names its item.
"""

from __future__ import annotations

import threading
import time

from batchmill.block import Block
from batchmill.errors import ExecutorUnavailable, InternalError
from batchmill.executors.contract import Channel, Chunk, OnDeath, WorkerDeath
from batchmill.executors.dispatch.chunk_sizes import ChunkSizer
from batchmill.executors.pickling.pickler import named
from batchmill.executors.process import frames
from batchmill.executors.process.child import Reply
from batchmill.executors.process.slot import CANCELLED, TIMED_OUT, TOO_LARGE, Death, Slot
from batchmill.executors.running.progress import PACKING, RUNNING
from batchmill.executors.running.runner import Job, lost_attempt, second_of
from batchmill.outcome import ErrorInfo, Outcome, cancelled

STILLBIRTHS = 3  # workers that die before they take a chunk, one after another, before we give up


class ChunkSettler:
    """Settles the chunks of one batch; ``on_death`` is told of workers that died.

    Concurrency: called by drivers and by the receiver threads of their slots; ``_lock`` guards
    ``_stillborn`` and ``_told``, the workers whose death was told.
    """

    def __init__(
        self, job: Job, channel: Channel, sizer: ChunkSizer, on_death: OnDeath | None = None
    ) -> None:
        self.job = job
        self.channel = channel
        self.sizer = sizer
        self._on_death = on_death
        self._lock = threading.Lock()
        self._stillborn = 0
        self._told: set[Slot] = set()

    def reply(self, slot: Slot, worker: int, seq: int, chunk: Chunk, reply: Reply) -> None:
        """Settle a chunk whose worker answered."""
        self._alive()
        if reply.status == "no_job":  # it kept other jobs since
            slot.known.clear()
            self.channel.give_back(chunk)
        elif reply.status == "unloadable" and reply.error is not None:
            self._refuse(chunk, _unloadable(self.job, reply.error))
        elif reply.status == "unreadable" and reply.error is not None:
            self.split(chunk, _unreadable(reply.error))
        elif reply.status == "failed" and reply.error is not None:
            raise InternalError(f"a worker failed outside any item: {reply.error.traceback}")
        else:
            block, n_bytes = frames.read(slot.area.outward(seq), reply.kept, chunk.start)
            self.sizer.observe(len(block), reply.seconds, n_bytes)
            block.cpu, block.peak = reply.cpu, reply.peak
            self.channel.give_back(self._deliver(chunk, block, worker))

    def death(self, slot: Slot, worker: int, seq: int, chunk: Chunk, death: Death) -> None:
        """Settle a chunk whose worker died before it answered."""
        at, begun = death.position
        if at != seq:
            if at == 0 and slot.verdict is None:
                self._died_unborn(death)
            self._tell(slot, worker, death)
            self.channel.give_back(chunk)
            return
        self._alive()
        block, _ = frames.read(slot.area.outward(seq), death.kept, chunk.start)
        rest = self._deliver(chunk, block, worker)
        before = block.began_at(len(block)) if len(block) else second_of(death.began)
        began = second_of(death.started) or before
        offset = begun - 1 - len(block)
        if death.phase == RUNNING:
            self._lose(rest, offset, slot, death, began, worker)
            return
        suspects = rest.part(0, max(0, offset + 1)) if death.phase == PACKING else rest
        if len(suspects) == len(rest):
            suspects = rest  # it may be a chunk that is tried again, which a part of it would not be
        else:
            self.channel.give_back(rest.part(len(suspects)))
        if len(suspects) == 1:
            self._lose(suspects, 0, slot, death, None, worker)
            return
        self._tell(slot, worker, death, suspects)
        if len(suspects):
            self.split(suspects, _worker_died(death))

    def split(self, chunk: Chunk, error: ErrorInfo) -> None:
        """Give back a chunk's items one by one, or charge ``error`` to the one it holds."""
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
        """Deliver what is finished; the rest of the chunk. What was taken back from the worker is another
        one's by now: were it delivered too, an item would count twice, and another's result would be lost."""
        done = len(block)
        if not done:
            return chunk
        if done > len(chunk):
            raise InternalError(
                f"a worker process ran {done} items from {block.start} on, of which {len(chunk)} were still "
                "its own: a fault in batchmill; please report it"
            )
        block.items, block.worker = chunk.items[:done], worker
        self.channel.deliver(block)
        return chunk.part(done)

    def _lose(
        self, rest: Chunk, offset: int, slot: Slot, death: Death, began: float | None, worker: int
    ) -> None:
        """One attempt, which had begun at the second ``began``, is gone with the worker; the items around it
        are given back."""
        if not 0 <= offset < len(rest) or self._innocent(slot, death):
            self._tell(slot, worker, death)
            self.channel.give_back(rest)
            return
        self._tell(slot, worker, death, rest.part(offset, offset + 1))
        self.channel.give_back(rest.part(0, offset))
        self.channel.give_back(rest.part(offset + 1))
        attempts = max(death.attempt, rest.attempts + 1)
        settled = self._verdict(rest, offset, attempts, slot, death, began, worker)
        if isinstance(settled, Chunk):
            self.channel.give_back(settled)
        else:
            self.channel.deliver(Block.of(settled, rest.items[offset]))

    def _tell(self, slot: Slot, worker: int, death: Death, cost: Chunk | None = None) -> None:
        """Tell of a death and of the items that it ``cost`` an attempt, before anybody hears of those."""
        if self._on_death is None or slot.verdict == CANCELLED:
            return
        with self._lock:
            if slot in self._told:  # with another chunk that it had
                return
            self._told.add(slot)
        code, first = death.exit_code, cost.start if cost else None
        number = -code if code is not None and code < 0 else None
        why, count = slot.verdict or "", len(cost) if cost else 0
        code = None if number else code
        self._on_death(WorkerDeath(worker, death.pid, code, number, why, first, count))

    def _innocent(self, slot: Slot, death: Death) -> bool:
        """Whether the overdue item had just ended when its worker was killed, and another had begun."""
        age = (time.monotonic_ns() - death.started) / 1e9
        return slot.verdict == TIMED_OUT and (not death.started or age < (self.job.timeout or 0.0))

    def _verdict(
        self,
        rest: Chunk,
        offset: int,
        attempts: int,
        slot: Slot,
        death: Death,
        began: float | None,
        worker: int,
    ) -> Chunk | Outcome:
        verdict = slot.verdict
        if verdict == CANCELLED:
            return cancelled(rest.start + offset, attempts)
        if verdict == TIMED_OUT:
            message = f"no result within {self.job.timeout:g} s; worker process {death.pid} was killed"
            error = ErrorInfo("AttemptTimeout", message, "timeout")
        else:
            error = _worker_died(death, verdict)
        return lost_attempt(self.job, rest, offset, attempts, error, began, worker)

    def _alive(self) -> None:
        """A worker took a chunk: workers can live here."""
        with self._lock:
            self._stillborn = 0

    def _died_unborn(self, death: Death) -> None:
        """A worker died before it took any chunk; when that goes on the batch cannot run."""
        with self._lock:
            self._stillborn += 1
            hopeless = self._stillborn >= STILLBIRTHS
        if hopeless:
            reason = f"worker processes end before they can work: the last one {death.reason}"
            self.channel.fail(ExecutorUnavailable(reason))


def _worker_died(death: Death, verdict: str | None = None) -> ErrorInfo:
    cause = f"was {verdict}" if verdict == TOO_LARGE else death.reason
    return ErrorInfo("WorkerDied", f"worker process {death.pid} {cause}", "worker_died")


def _unloadable(job: Job, error: ErrorInfo) -> ErrorInfo:
    function = getattr(job.task, "only_function", None)
    what = "task" if function is None else named(function)
    message = (
        f"the {what} cannot be loaded in a worker process: {error.type}: {error.message}; "
        "move it into a module that can be imported, or use executor 'thread'"
    )
    return ErrorInfo("NotPicklable", message, "not_picklable", error.traceback)


def _unreadable(error: ErrorInfo) -> ErrorInfo:
    message = f"the item does not unpickle in a worker process: {error.type}: {error.message}"
    return ErrorInfo("NotPicklable", message, "not_picklable", error.traceback)
