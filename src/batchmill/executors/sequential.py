"""The sequential executor: one item after another, in the caller's own thread.

It is the reference the others are compared with. Under a timeout the items run one after another on
a worker thread instead, because an attempt can only be given up from outside it.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from dataclasses import replace

from batchmill.cancel import CancelToken
from batchmill.executors.cells import STOP, STOPPED, new_cells
from batchmill.executors.contract import Channel, Chunk, ExecutorSettings, Task
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
        runner = ItemRunner(job, cells, cancel, interrupts=ctrl_c_raises())
        forget = [channel.on_stop(lambda: cells.__setitem__(STOP, STOPPED)), cancel.on_cancel(channel.stop)]
        try:
            while (chunk := channel.take(1, 1, consumes=True)) is not None:
                self._run_one(runner, channel, chunk)
                yield from channel.ready()
            yield from channel.blocks()
        finally:
            for each in forget:
                each()

    def _run_one(self, runner: ItemRunner, channel: Channel, chunk: Chunk) -> None:
        if not len(chunk):
            return
        block = runner.run_chunk(chunk, 0.0)
        if len(block):
            channel.deliver(block)
        else:
            channel.give_back(chunk)


def ctrl_c_raises() -> bool:
    """Whether a KeyboardInterrupt met here is the user's: Ctrl-C raises only in the main thread, and
    only while nobody handles the signal in another way."""
    here = threading.current_thread() is threading.main_thread()
    return here and signal.getsignal(signal.SIGINT) is signal.default_int_handler
