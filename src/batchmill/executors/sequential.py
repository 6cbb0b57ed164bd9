"""The sequential executor: one item after another, in the caller's own thread.

It is the reference the others are compared with. Under a timeout the items run one after another on
a worker thread instead, because an attempt can only be given up from outside it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from batchmill.cancel import CancelToken
from batchmill.executors.cells import STOP, STOPPED, new_cells
from batchmill.executors.contract import Channel, Chunk, ExecutorSettings, Task
from batchmill.executors.ctrl_c import CtrlC
from batchmill.executors.runner import ItemRunner, Job
from batchmill.executors.thread import ThreadExecutor
from batchmill.outcome import Block


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
        cells = new_cells()
        job = Job.of(task, settings)
        ctrl_c = CtrlC()
        runner = ItemRunner(job, cells, cancel, interrupts=ctrl_c.is_the_users)
        worker = settings.worker_numbers.acquire()
        forget = [channel.on_stop(lambda: cells.__setitem__(STOP, STOPPED)), cancel.on_cancel(channel.stop)]
        try:
            while (chunk := channel.take(1, 1, consumes=True)) is not None:
                self._run_one(runner, channel, chunk, ctrl_c, worker)
                yield from channel.ready()
            yield from channel.blocks()
        finally:
            settings.worker_numbers.release(worker)
            for each in forget:
                each()

    def _run_one(
        self, runner: ItemRunner, channel: Channel, chunk: Chunk, ctrl_c: CtrlC, worker: int
    ) -> None:
        if not len(chunk):
            return
        with ctrl_c:
            block = Block(chunk.start, items=chunk.items, worker=worker)
            runner.run_chunk(chunk, 0.0, block=block)
        if len(block):
            channel.deliver(block)
        else:
            channel.give_back(chunk)
