"""Items that are coroutines have CPU time, on threads and in blocking calls."""

from __future__ import annotations

import asyncio
import time

import pytest

from batchmill.concurrency.cancel import CancelToken
from batchmill.concurrency.resources import resource_scope
from batchmill.executors.contract import Chunk, Executor, ExecutorSettings
from batchmill.executors.local.sequential import SequentialExecutor
from batchmill.executors.local.thread import ThreadExecutor
from batchmill.executors.remote.order_channel import OrderChannel
from batchmill.mapping.functions import as_task

ITEMS, SECONDS = 10, 0.02


async def burn(item: int) -> int:
    await asyncio.sleep(0)
    end = time.thread_time() + SECONDS
    while time.thread_time() < end:
        pass
    return item


@pytest.mark.parametrize(
    ("executor", "at_once", "shared"),
    [(ThreadExecutor(), 1, True), (ThreadExecutor(), 8, True), (SequentialExecutor(), 1, False)],
)
def test_what_coroutines_compute_is_told(executor: Executor, at_once: int, shared: bool) -> None:
    channel = OrderChannel(Chunk(0, range(ITEMS)), 600.0, alone=False, by_attempt=False)
    settings = ExecutorSettings(max_concurrent=at_once)
    with resource_scope():
        blocks = list(executor.run(as_task(burn), channel, settings, CancelToken()))
    assert sum(map(len, blocks)) == ITEMS
    assert ITEMS * SECONDS <= sum(block.cpu or 0.0 for block in blocks) <= 10 * ITEMS * SECONDS
    assert {block.shares_cpu for block in blocks} == {shared}
