"""The thread executor: workers of this process that pull items from one locked source.

        Channel --take--> worker thread (own copy of the task) --deliver--> Channel
                              ^
                     Watcher: looks at the workers' progress, gives up overdue attempts

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
from contextlib import contextmanager
from dataclasses import replace
from typing import cast

from batchmill.block import Block
from batchmill.concurrency.cancel import CancelToken
from batchmill.executors.contract import Channel, Chunk, ExecutorSettings, Task
from batchmill.executors.dispatch.chunk_sizes import ChunkSizer
from batchmill.executors.dispatch.stealing import WorkStealer
from batchmill.executors.local.event_loop import AsyncTask, EventLoopBatch
from batchmill.executors.pickling.copying import copy_task
from batchmill.executors.running.attempts import Job, lost_attempt
from batchmill.executors.running.progress import Position, Progress
from batchmill.executors.running.runner import LATE_SECONDS, ItemRunner, second_of
from batchmill.executors.running.weighing import bytes_of
from batchmill.outcome import ErrorInfo, Outcome, cancelled

DEFAULT_CONCURRENCY = 10
CHUNK_SECONDS = 0.001  # threads cost little to feed; longer chunks would delay a consumer
MOST_PER_CHUNK = 256
WATCH_SECONDS = 0.02
CLOSE_SECONDS = 1.0

Settle = Callable[[Chunk, int, int, float | None, int | None], Chunk | Outcome]
"""What becomes of what was running: the chunk, its offset in it, the number of the attempt, the second of
:func:`time.perf_counter` at which that began where it is known, the number of the worker."""


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
        crew: ThreadBatch | EventLoopBatch
        if hasattr(task, "run_async"):
            crew = EventLoopBatch(cast("AsyncTask", task), channel, settings, cancel, size)
        else:
            crew = ThreadBatch(task, channel, settings, cancel, size)
        crew.start()
        try:
            yield from channel.blocks()
        finally:
            crew.close()


class ThreadBatch:
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
        self.numbers = settings.worker_numbers
        self.job = Job.of(task, settings)
        fixed = settings.chunk_size if settings.timeout is None else 1
        most = 1 if settings.timeout is not None else MOST_PER_CHUNK
        self.sizer = ChunkSizer(size, CHUNK_SECONDS, most, fixed)
        self._size = size
        self._one_by_one = settings.by_permit
        self._lock = threading.Lock()
        self._workers: list[Worker] = []
        self._unhired = 0
        self._several = 0  # workers that have more than one item
        self._over = threading.Event()
        self.sharing = WorkStealer(channel, _in_a_thread, self._now, self._any_has_several)
        channel.on_idle(self.sharing.begin)
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
        self.sharing.end()
        self.channel.stop()
        if not self.channel.wait_idle(CLOSE_SECONDS):
            self._abandon_all()
        for forget in self._forget:
            forget()
        if self._watcher.ident is not None:  # it may be hiring: every worker must have been started
            self._watcher.join()
        for worker in self._now():
            worker.join()

    def _now(self) -> list[Worker]:
        with self._lock:
            return list(self._workers)

    def has_several(self, more: int) -> None:
        """A worker has (1) or has not any more (-1) a chunk of several items."""
        with self._lock:
            self._several += more

    def _any_has_several(self) -> bool:
        with self._lock:
            return self._several > 0

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
        for worker in self._now():
            worker.progress.stop()

    def _abandon_all(self) -> None:
        self.channel.stop()
        for worker in self._now():
            worker.abandon(_cut_short)

    def _watch(self) -> None:
        timeout = self.job.timeout or 0.0
        while not self._over.wait(WATCH_SECONDS):
            latest = time.monotonic_ns() - int((timeout + LATE_SECONDS) * 1e9)
            for worker in self._now():
                if 0 < worker.progress.started < latest and worker.abandon(self._overdue, latest):
                    self._hire()

    def _overdue(
        self, chunk: Chunk, offset: int, attempt: int, began: float | None, worker: int | None
    ) -> Chunk | Outcome:
        message = f"no result within {self.job.timeout:g} s; its thread was abandoned"
        error = ErrorInfo("AttemptTimeout", message, "timeout")
        return lost_attempt(self.job, chunk, offset, attempt, error, began, worker)


def _in_a_thread(call: Callable[[], None]) -> None:
    threading.Thread(target=call, name="batchmill-sharing", daemon=True).start()


def _cut_short(chunk: Chunk, offset: int, attempt: int, began: float | None, worker: int | None) -> Outcome:
    return cancelled(chunk.start + offset, attempt)


class Worker:
    """One thread of a crew.

    Concurrency: ``_lock`` guards ``_chunk``, ``_block``, ``_number``, ``_own_number`` and
    ``_abandoned``: whoever takes the chunk out, the worker with its block or someone who gives up on the
    worker, settles its items; the other finds nothing there.
    """

    def __init__(self, crew: ThreadBatch) -> None:
        self.progress = Progress()
        self._crew = crew
        self._lock = threading.Lock()
        self._chunk: Chunk | None = None
        self._block = Block(0)  # what has become of it so far
        self._number = 0  # of that chunk
        self._own_number: int | None = None  # from its first chunk to its end
        self._abandoned = False
        self._cancel = CancelToken()  # what its items started must end when it is given up
        self._forget = crew.cancel.on_cancel(self._cancel.cancel)
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
        self._forget()
        self._give_up_number()
        crew.retire(self)

    def _give_up_number(self) -> None:
        with self._lock:
            worker, self._own_number = self._own_number, None
        if worker is not None:
            self._crew.numbers.release(worker)

    def _own_job(self) -> Job:
        job = self._crew.job
        return replace(job, task=copy_task(job.task))

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
        began = time.perf_counter()
        with self._several(chunk):
            runner.run_chunk(chunk, CHUNK_SECONDS, block=block)
        with self._lock:
            left, self._chunk = self._chunk, None
            if self._abandoned or left is None:
                return False
            chunk = left  # what was not taken back
            self.progress.resume()
        crew.sizer.observe(len(block), time.perf_counter() - began, bytes_of(block))
        if len(block):
            crew.channel.deliver(block)
        if len(block) < len(chunk):
            crew.channel.give_back(chunk.part(len(block)) if len(block) else chunk)
        return True

    @contextmanager
    def _several(self, chunk: Chunk) -> Iterator[None]:
        """While it has several items others may want some of them."""
        if len(chunk) == 1:
            yield
            return
        crew = self._crew
        crew.has_several(1)
        if crew.channel.starving:
            crew.sharing.begin()
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
        """Give up on the chunk in hand; False when there was none, or its attempt began after ``latest``."""
        with self._lock:
            chunk = self._chunk
            started = self.progress.started
            if chunk is None or (latest is not None and not 0 < started < latest):
                return False
            self._chunk = None
            self._abandoned = True
            self.progress.stop()  # its item must not be tried again in there
            begun, attempt = self.progress.position.begun, self.progress.attempt
            finished = self._block.part(0, min(begun, self._block.done))
            worker, began = self._own_number, second_of(started)
        settled = settle(chunk, begun - 1, attempt, began, worker) if len(finished) < begun else None
        self._give_up_number()
        self._forget()
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
