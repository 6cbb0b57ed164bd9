"""The numbers of a batch's workers, where somebody else decides which ones they have."""

from __future__ import annotations

import functools
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import cloudpickle

from batchmill.concurrency.cancel import CancelToken
from batchmill.executors.contract import Chunk, ExecutorSettings
from batchmill.executors.process.executor import ProcessBatch, ProcessExecutor
from batchmill.executors.remote.order_channel import OrderChannel
from batchmill.executors.worker_numbers import WorkerNumbers
from batchmill.mapping.functions import as_task
from batchmill.policy.retry import RetryPolicy

cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers cannot import test modules

MINE, LENT = 3, 7  # the numbers
Soon = Callable[[Callable[[], object]], bool]


def first_waits_to_be_killed(folder: str, item: int) -> int:
    """The first item waits in its first attempt."""
    if item == 0 and not (began := Path(folder, "pid")).exists():
        Path(folder, "written").write_text(str(os.getpid()))
        Path(folder, "written").rename(began)
        time.sleep(60)
    return item


def test_a_worker_that_was_lent_has_no_number_once_it_was_taken_back(tmp_path: Path, soon: Soon) -> None:
    """What it still runs is run in the place of another, as there are never more items than numbers."""
    channel = OrderChannel(Chunk(0, range(4)), 600.0, alone=False, by_attempt=False)
    settings = ExecutorSettings(max_concurrent=1, retry=RetryPolicy(2), worker_numbers=WorkerNumbers([MINE]))
    began: list[ProcessBatch] = []

    def lend() -> None:
        assert soon(lambda: bool(began) and (tmp_path / "pid").exists())  # the worker may be first
        (crew,) = began
        crew.resize([MINE, LENT])
        crew.share()
        assert channel.wait_until_fewer(2, 60.0)
        crew.resize([MINE])
        os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)

    lender = threading.Thread(target=lend)
    lender.start()
    task = as_task(functools.partial(first_waits_to_be_killed, str(tmp_path)))
    executor = ProcessExecutor(chunk_seconds=600.0, begun=began.append)
    blocks = list(executor.run(task, channel, settings, CancelToken()))
    lender.join()
    ran = {index: block.worker for block in blocks for index in range(block.start, block.start + len(block))}
    assert ran == {0: MINE, 1: LENT, 2: LENT, 3: LENT}
