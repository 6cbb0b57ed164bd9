"""Run one item in the caller's own thread, without channel, workers or window.

The sequential executor uses it for a batch of one item without a timeout, at a tenth of the cost.
"""

from __future__ import annotations

from math import inf

from batchmill.block import Block
from batchmill.concurrency.cancel import CancelToken
from batchmill.executors.contract import Chunk, Task
from batchmill.executors.local.ctrl_c import CtrlC
from batchmill.executors.running.attempts import Job, OnRetry
from batchmill.executors.running.progress import Progress
from batchmill.executors.running.runner import ItemRunner
from batchmill.outcome import Outcome, cancelled
from batchmill.policy import RetryPolicy

_ALONE: tuple[object, ...] = (None,)


def run_alone(
    task: Task,
    retry: RetryPolicy,
    cancel: CancelToken,
    stop: CancelToken,
    on_retry: OnRetry | None = None,
) -> Outcome:
    """Run ``task`` on the item None. After ``stop`` no attempt begins, ``cancel`` ends a running one;
    ``on_retry`` is called for each attempt that will be followed by another."""
    progress = Progress()
    forget = (stop.on_cancel(progress.stop), cancel.on_cancel(progress.stop))
    try:
        with CtrlC() as ctrl_c:
            job = Job(task, retry, on_retry=on_retry)
            runner = ItemRunner(job, progress, cancel, interrupts=ctrl_c.is_the_users, one_by_one=True)
            block = runner.run_chunk(Chunk(0, _ALONE), inf, block=Block(0, items=_ALONE, worker=0))
    finally:
        for each in forget:
            each()
    if not len(block):
        return cancelled(0)
    return block.outcome(0)
