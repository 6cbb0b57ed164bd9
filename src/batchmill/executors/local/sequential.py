"""The sequential executor: one item after another, in the caller's own thread.

It is the reference for the other executors. Items that are already there and take almost no time are handed
over several at once, as threads take them; otherwise each result is out before the next item begins, or, if
nobody looks at results before the end, the next item is read once the one before it was run. With a
timeout the items run one after another on a worker thread instead, because an attempt can only be abandoned
from outside.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

from batchmill.block import Block
from batchmill.concurrency.cancel import CancelToken
from batchmill.executors.contract import Channel, Chunk, ExecutorSettings, Task
from batchmill.executors.dispatch.chunk_sizes import ChunkSizer
from batchmill.executors.local.ctrl_c import CtrlC
from batchmill.executors.local.thread import MOST_PER_CHUNK, ThreadExecutor
from batchmill.executors.local.thread_worker import CHUNK_SECONDS
from batchmill.executors.running.attempts import Job
from batchmill.executors.running.progress import Progress
from batchmill.executors.running.runner import ItemRunner
from batchmill.executors.running.weighing import bytes_of


class SequentialExecutor:
    """Runs items in order in the thread that consumes the results."""

    name = "sequential"

    def workers(self, settings: ExecutorSettings) -> int:
        return 1

    def run(
        self, task: Task, channel: Channel, settings: ExecutorSettings, cancel: CancelToken
    ) -> Iterator[Block]:
        if settings.timeout is not None:
            alone = replace(settings, max_concurrent=1)
            return ThreadExecutor().run(task, channel, alone, cancel)
        return self._run_here(task, channel, settings, cancel)

    def _run_here(
        self, task: Task, channel: Channel, settings: ExecutorSettings, cancel: CancelToken
    ) -> Iterator[Block]:
        progress = Progress()
        job = Job.of(task, settings)
        ctrl_c = CtrlC()
        runner = ItemRunner(
            job, progress, cancel, interrupts=ctrl_c.is_the_users, one_by_one=not channel.instant
        )
        sizer = ChunkSizer(1, CHUNK_SECONDS, MOST_PER_CHUNK, settings.chunk_size)
        worker = settings.worker_numbers.acquire()
        forget = [channel.on_stop(progress.stop), cancel.on_cancel(channel.stop)]
        try:
            runner.prepare()
            while (chunk := channel.take(*sizer.next(None), consumes=True)) is not None:
                self._run_chunk(runner, channel, chunk, ctrl_c, sizer, worker)
                yield from channel.ready()
            yield from channel.blocks()
        finally:
            settings.worker_numbers.release(worker)
            for each in forget:
                each()

    def _run_chunk(
        self,
        runner: ItemRunner,
        channel: Channel,
        chunk: Chunk,
        ctrl_c: CtrlC,
        sizer: ChunkSizer,
        worker: int,
    ) -> None:
        if not len(chunk):
            return
        block = Block(chunk.start, items=chunk.items, worker=worker)
        alone = len(chunk) == 1
        try:
            with ctrl_c, closing(chunk):
                runner.run_chunk(chunk, CHUNK_SECONDS if alone else sizer.patience(len(chunk)), block=block)
        except BaseException:  # Ctrl-C in the midst of an item: those before it are done and are kept
            if block.done:
                channel.deliver(block.part(0, block.done))
            raise
        done = len(block)
        if not alone or channel.instant:  # else the next chunk has one item, too
            sizer.observe(done, runner.took, bytes_of(block))
        if done:
            channel.deliver(block)
        if done < len(chunk):
            channel.give_back(chunk.part(done))
