"""The thread executor: workers of this process that pull items from one locked source.

        Channel --take--> worker thread (own copy of the task) --deliver--> Channel
                              ^
                     Watcher: looks at the workers' cells, gives up overdue attempts

Nothing is submitted or queued: a worker that is free takes the next items, so memory is bounded by
the channel's window alone. Under a timeout a watcher thread looks at what the workers are at. A
worker whose attempt is overdue is abandoned: its item is settled without it, another worker takes
its place, and whatever it still returns is thrown away. Python cannot end a thread, so an abandoned
one runs until its item lets go of it; it is a daemon, and the end of the process does not wait.
"""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import cast

from batchmill.cancel import CancelToken
from batchmill.executors.cells import (
    ATTEMPT,
    POSITION,
    STARTED,
    STOP,
    STOPPED,
    at_chunk,
    new_cells,
    position,
)
from batchmill.executors.chunking import ChunkSizer
from batchmill.executors.contract import Channel, Chunk, ExecutorSettings, Task
from batchmill.executors.copying import copy_task
from batchmill.executors.event_loop import AsyncTask, LoopCrew
from batchmill.executors.runner import LATE_SECONDS, ItemRunner, Job, lost_attempt
from batchmill.outcome import Block, ErrorInfo, Outcome, cancelled

DEFAULT_CONCURRENCY = 10
CHUNK_SECONDS = 0.001  # threads cost little to feed; longer chunks would delay a consumer
MOST_PER_CHUNK = 256
WATCH_SECONDS = 0.02
CLOSE_SECONDS = 1.0

Settle = Callable[[Chunk, int, int], Chunk | Outcome]  # chunk, offset and attempt of what was running


class ThreadExecutor:
    """Runs items on up to ``max_concurrent`` threads, each with its own deep copy of the task.

    A task with ``run_async`` runs as coroutines on one event loop instead, as many at once.
    """

    name = "thread"

    def workers(self, settings: ExecutorSettings) -> int:
        return settings.max_concurrent or DEFAULT_CONCURRENCY

    def run(
        self, task: Task, channel: Channel, settings: ExecutorSettings, cancel: CancelToken
    ) -> Iterator[Block]:
        size = self.workers(settings)
        crew: Crew | LoopCrew
        if hasattr(task, "run_async"):
            crew = LoopCrew(cast("AsyncTask", task), channel, settings, cancel, size)
        else:
            crew = Crew(task, channel, settings, cancel, size)
        crew.start()
        try:
            yield from channel.blocks()
        finally:
            crew.close()


class Crew:
    """The worker threads of one batch.

    Concurrency: ``_lock`` guards ``_workers`` and ``_unhired``; every worker has a lock of its own.
    Workers start one another's replacement through ``_hire``; the watcher and ``close`` run in
    threads of their own.
    """

    def __init__(
        self, task: Task, channel: Channel, settings: ExecutorSettings, cancel: CancelToken, size: int
    ) -> None:
        self.channel = channel
        self.cancel = cancel
        self.job = Job(task, settings.retry, settings.timeout, settings.stop_on_failure, settings.by_attempt)
        fixed = settings.chunk_size if settings.timeout is None else 1
        most = 1 if settings.timeout is not None else MOST_PER_CHUNK
        self.sizer = ChunkSizer(size, CHUNK_SECONDS, most, fixed)
        self._size = size
        self._one_by_one = settings.by_permit
        self._lock = threading.Lock()
        self._workers: list[Worker] = []
        self._unhired = 0
        self._over = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="batchmill-watcher", daemon=True)
        self._forget = [channel.on_stop(self._stop_workers), cancel.on_cancel(self._abandon_all)]

    def start(self) -> None:
        """Start as many workers as there are items for, at most the crew's size, and the watcher."""
        left = self.channel.remaining()
        self._unhired = self._size if left is None else min(self._size, max(1, left))
        for _ in range(1 if self._one_by_one else self._unhired):
            if not self._hire_next():
                break
        if self.job.timeout is not None:
            self._watcher.start()

    def close(self) -> None:
        """End the batch: running items get a moment to finish, then their threads are abandoned."""
        self._over.set()
        self.channel.stop()
        if not self.channel.wait_idle(CLOSE_SECONDS):
            self._abandon_all()
        for forget in self._forget:
            forget()
        if self._watcher.ident is not None:  # it may be hiring: every worker must have been started
            self._watcher.join()
        with self._lock:
            workers = list(self._workers)
        for worker in workers:
            worker.join()

    def retire(self, worker: Worker) -> None:
        """A worker has nothing left to do."""
        with self._lock:
            self._workers.remove(worker)

    def begun(self) -> None:
        """A worker has its first chunk. Where it had to wait for a permit to run it, only now the next
        worker is started: no more of them wait than one."""
        if self._one_by_one:
            self._hire_next()

    def _hire_next(self) -> bool:
        with self._lock:
            wanted = self._unhired > 0 and not self._over.is_set()
            self._unhired -= wanted
        return wanted and self._hire()

    def _hire(self) -> bool:
        worker = Worker(self)
        with self._lock:
            self._workers.append(worker)
            first = len(self._workers) == 1
        try:
            worker.start()
        except RuntimeError as fault:  # the system gives no more threads: fewer workers will do
            self.retire(worker)
            if first:
                self.channel.fail(fault)
            return False
        return True

    def _stop_workers(self) -> None:
        with self._lock:
            workers = list(self._workers)
        for worker in workers:
            worker.cells[STOP] = STOPPED

    def _abandon_all(self) -> None:
        self.channel.stop()
        with self._lock:
            workers = list(self._workers)
        for worker in workers:
            worker.abandon(_cut_short)

    def _watch(self) -> None:
        timeout = self.job.timeout or 0.0
        while not self._over.wait(WATCH_SECONDS):
            with self._lock:
                workers = list(self._workers)
            latest = time.monotonic_ns() - int((timeout + LATE_SECONDS) * 1e9)
            for worker in workers:
                if 0 < worker.cells[STARTED] < latest and worker.abandon(self._overdue, latest):
                    self._hire()

    def _overdue(self, chunk: Chunk, offset: int, attempt: int) -> Chunk | Outcome:
        message = f"no result within {self.job.timeout:g} s; its thread was abandoned"
        error = ErrorInfo("AttemptTimeout", message, "timeout")
        return lost_attempt(self.job, chunk, offset, attempt, error)


def _cut_short(chunk: Chunk, offset: int, attempt: int) -> Outcome:
    return cancelled(chunk.start + offset, attempt)


class Worker:
    """One thread of a crew.

    Concurrency: ``_lock`` guards ``_chunk``, ``_block`` and ``_abandoned``: whoever takes the chunk out, the
    worker with its block or someone who gives up on the worker, settles its items; the other finds
    nothing there.
    """

    def __init__(self, crew: Crew) -> None:
        self.cells = new_cells()
        self._crew = crew
        self._lock = threading.Lock()
        self._chunk: Chunk | None = None
        self._block = Block(0, [], [])  # what has become of it so far
        self._abandoned = False
        context = contextvars.copy_context()
        self._thread = threading.Thread(
            target=lambda: context.run(self._work), name="batchmill-worker", daemon=True
        )

    def start(self) -> None:
        """Start the thread. Raises RuntimeError when the system has none to give."""
        self._thread.start()

    def join(self) -> None:
        """Wait for a worker that has nothing left to do; one that is stuck in the source is left behind."""
        with self._lock:
            abandoned = self._abandoned
        if not abandoned and self._thread is not threading.current_thread():
            self._thread.join(CLOSE_SECONDS)

    def _work(self) -> None:
        crew = self._crew
        try:
            runner = ItemRunner(self._own_job(), self.cells, crew.cancel)
            begun = False
            while (chunk := crew.channel.take(*crew.sizer.next(crew.channel.remaining()))) is not None:
                if not begun:
                    begun = True
                    crew.begun()
                if not self._run(runner, chunk):
                    break
        except BaseException as fault:  # noqa: BLE001  # a worker's end: the batch must hear of it
            crew.channel.fail(fault)
        crew.retire(self)

    def _own_job(self) -> Job:
        job = self._crew.job
        return replace(job, task=copy_task(job.task))

    def _run(self, runner: ItemRunner, chunk: Chunk) -> bool:
        """Run a chunk and hand over what became of it; False when this worker was given up."""
        crew = self._crew
        block = Block(chunk.start, [], [], items=chunk.items)
        with self._lock:
            self._chunk, self._block = chunk, block
            self.cells[POSITION] = at_chunk(0)
        if crew.channel.stopped:
            self.cells[STOP] = STOPPED
        began = time.perf_counter()
        runner.run_chunk(chunk, CHUNK_SECONDS, block=block)
        with self._lock:
            self._chunk = None
            if self._abandoned:
                return False
        crew.sizer.observe(len(block), time.perf_counter() - began)
        if len(block):
            crew.channel.deliver(block)
        if len(block) < len(chunk):
            crew.channel.give_back(chunk.part(len(block)) if len(block) else chunk)
        return True

    def abandon(self, settle: Settle, latest: int | None = None) -> bool:
        """Give up on the chunk in hand; False when there was none, or its attempt began after ``latest``."""
        with self._lock:
            chunk = self._chunk
            started = self.cells[STARTED]
            if chunk is None or (latest is not None and not 0 < started < latest):
                return False
            self._chunk = None
            self._abandoned = True
            self.cells[STOP] = STOPPED  # its item must not be tried again in there
            begun, attempt = position(self.cells).begun, self.cells[ATTEMPT]
            finished = _finished(self._block, begun)
        channel = self._crew.channel
        if len(finished):
            channel.deliver(finished)
        channel.give_back(chunk.part(begun) if begun else chunk)
        if len(finished) == begun:  # it was between two items
            return True
        settled = settle(chunk, begun - 1, attempt)
        if isinstance(settled, Chunk):
            channel.give_back(settled)
        else:
            channel.deliver(Block.of(settled, chunk.items[begun - 1]))
        return True


def _finished(block: Block, begun: int) -> Block:
    """What is whole of a block that another thread is filling, ``begun`` of whose items have begun."""
    done = min(begun, len(block.walls))
    special = {offset: block.special[offset] for offset in range(done) if offset in block.special}
    return Block(block.start, block.values[:done], block.walls[:done], special, block.items[:done])
