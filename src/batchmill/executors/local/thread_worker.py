"""One worker thread of a batch: it takes chunks, runs them and passes on the results."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Protocol

from batchmill.block import Block
from batchmill.concurrency.cancel import CancelToken
from batchmill.executors.contract import Channel, Chunk
from batchmill.executors.dispatch.chunk_sizes import ChunkSizer
from batchmill.executors.dispatch.stealing import WorkStealer
from batchmill.executors.pickling.copying import copy_task
from batchmill.executors.running.attempts import Job
from batchmill.executors.running.progress import Position, Progress
from batchmill.executors.running.runner import ItemRunner, second_of
from batchmill.executors.running.weighing import bytes_of
from batchmill.executors.worker_numbers import WorkerNumbers
from batchmill.outcome import Outcome

CHUNK_SECONDS = 0.001  # threads cost little to feed; longer chunks would delay a consumer
CLOSE_SECONDS = 1.0

Settle = Callable[[Chunk, int, int, float | None, int | None], Chunk | Outcome]
"""Handles a lost item: the chunk, its offset in it, the number of the attempt, the second of
:func:`time.perf_counter` at which that began if known, the number of the worker."""


class Crew(Protocol):
    """The batch of a worker, as the worker sees it."""

    channel: Channel
    cancel: CancelToken
    job: Job
    sizer: ChunkSizer
    numbers: WorkerNumbers
    stealer: WorkStealer
    weigh_every: int

    def begun(self) -> None:
        """A worker has its first chunk."""

    def has_several(self, more: int) -> None:
        """A worker has (1) or has not any more (-1) a chunk of several items."""

    def retire(self, worker: ThreadWorker) -> None:
        """A worker has nothing left to do."""


class ThreadWorker:
    """See the module.

    Concurrency: ``_lock`` guards ``_chunk``, ``_block``, ``_number``, ``_own_number`` and ``_abandoned``: the
    thread that takes the chunk out, the worker with its block or the watcher that abandons the worker,
    settles its items; the other finds none.
    """

    def __init__(self, crew: Crew) -> None:
        self.progress = Progress()
        self._crew = crew
        self._lock = threading.Lock()
        self._chunk: Chunk | None = None
        self._block = Block(0)  # what has become of it so far
        self._number = 0  # of that chunk
        self._own_number: int | None = None  # from its first chunk to its end
        self._abandoned = False
        # What its items started must end when it is given up.
        self._cancel = CancelToken(crew.cancel).follow()
        context = contextvars.copy_context()
        self._thread = threading.Thread(
            target=lambda: context.run(self._work), name="batchmill-worker", daemon=True
        )

    def start(self) -> None:
        """Start the thread. Raises RuntimeError when the system has none to give."""
        self._thread.start()

    @property
    def abandoned(self) -> bool:
        """Whether it was given up, and takes nothing any more."""
        with self._lock:
            return self._abandoned

    def join(self) -> None:
        """Wait for a worker that has nothing left to do; one that is stuck in the source is left behind."""
        if not self.abandoned and self._thread is not threading.current_thread():
            self._thread.join(CLOSE_SECONDS)

    def _work(self) -> None:
        crew = self._crew
        try:
            runner = ItemRunner(self._own_job(), self.progress, self._cancel)
            runner.prepare()
            begun = False
            while (chunk := crew.channel.take(*crew.sizer.next(crew.channel.remaining()))) is not None:
                if not begun:
                    begun = True
                    crew.begun()
                if not self._run(runner, chunk):
                    break
        except BaseException as fault:  # noqa: BLE001  # a worker's end: the batch must hear of it
            crew.channel.fail(fault)
        self._cancel.leave()
        self._give_up_number()
        crew.retire(self)

    def _give_up_number(self) -> None:
        with self._lock:
            worker, self._own_number = self._own_number, None
        if worker is not None:
            self._crew.numbers.release(worker)

    def _own_job(self) -> Job:
        job = self._crew.job
        task = copy_task(job.task)
        return job if task is job.task else replace(job, task=task)

    def _run(self, runner: ItemRunner, chunk: Chunk) -> bool:
        """Run a chunk and hand over what became of it; False when this worker was given up."""
        crew = self._crew
        with self._lock:
            if self._own_number is None:
                self._own_number = crew.numbers.acquire()
            block = Block(chunk.start, items=chunk.items, worker=self._own_number)
            self._number += 1
            self._chunk, self._block = chunk, block
            self.progress.begin_chunk(self._number)
        if crew.channel.stopped:
            self.progress.stop()
        patience = crew.sizer.patience(len(chunk))
        if len(chunk) == 1:
            runner.run_chunk(chunk, patience, block=block)
        else:
            with self._several():
                runner.run_chunk(chunk, patience, block=block)
        with self._lock:
            left, self._chunk = self._chunk, None
            if self._abandoned or left is None:
                return False
            chunk = left  # what was not taken back
            self.progress.resume()
        weighed = len(chunk) > 1 or not chunk.start % crew.weigh_every
        crew.sizer.observe(len(block), runner.took, bytes_of(block) if weighed else None)
        if len(block):
            crew.channel.deliver(block)
        if len(block) < len(chunk):
            crew.channel.give_back(chunk.part(len(block)) if len(block) else chunk)
        return True

    @contextmanager
    def _several(self) -> Iterator[None]:
        """While it has several items others may want some of them."""
        crew = self._crew
        crew.has_several(1)
        if crew.channel.starving:
            crew.stealer.begin()
        try:
            yield
        finally:
            crew.has_several(-1)

    def spare(self) -> bool:
        with self._lock:
            return self._chunk is not None and len(self._chunk) > self.progress.position.begun

    def at(self) -> Position | None:
        with self._lock:
            at = self.progress.position
            return (
                at
                if self._chunk is not None
                and at.begun
                and not (self.progress.paused or self.progress.stopped)
                else None
            )

    def hold(self) -> None:
        with self._lock:
            if self._chunk is not None:
                self.progress.pause()

    def take_back(self) -> None:
        with self._lock:
            if self._chunk is None or not self.progress.paused:
                return
            begun = self.progress.position.begun
            rest, self._chunk = self._chunk.part(begun), self._chunk.part(0, begun)
        self._crew.channel.give_back(rest)

    def abandon(self, settle: Settle, latest: int | None = None) -> bool:
        """Give up on the chunk in hand; False when there was none, or its timeout counts from ``latest`` or
        later."""
        with self._lock:
            chunk = self._chunk
            if chunk is None or (latest is not None and not 0 < self.progress.timed < latest):
                return False
            self._chunk = None
            self._abandoned = True
            self.progress.stop()  # its item must not be tried again in there
            begun, attempt = self.progress.position.begun, self.progress.attempt
            finished = self._block.part(0, min(begun, self._block.done))
            worker, began = self._own_number, second_of(self.progress.started)
        settled = settle(chunk, begun - 1, attempt, began, worker) if len(finished) < begun else None
        self._give_up_number()
        self._cancel.leave()
        self._cancel.cancel()
        channel = self._crew.channel
        if len(finished):
            channel.deliver(finished)
        channel.give_back(chunk.part(begun))
        if isinstance(settled, Chunk):
            channel.give_back(settled)
        elif settled is not None:  # else it was between two items
            channel.deliver(Block.of(settled, chunk.items[begun - 1]))
        return True
