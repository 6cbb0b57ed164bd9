"""The loop that runs items: when it calls its flush."""

from __future__ import annotations

from math import inf

import pytest

from batchmill.block import Block
from batchmill.concurrency.cancel import CancelToken
from batchmill.executors.contract import Chunk
from batchmill.executors.running.attempts import Job
from batchmill.executors.running.progress import Progress
from batchmill.executors.running.runner import ItemRunner
from batchmill.mapping.functions import FunctionTask
from batchmill.policy import RetryPolicy


@pytest.mark.parametrize(
    ("brief", "again", "expected"),
    [(0.0, inf, [1, 2, 3, 4]), (inf, inf, [1]), (inf, 0.0, [1, 2, 3, 4]), (0.0, None, [1])],
)
def test_flush_is_called_for_items_that_are_not_brief_and_when_it_is_due(
    brief: float, again: float | None, expected: list[int]
) -> None:
    progress, lengths = Progress(), []

    def flush(block: Block, now: float) -> float | None:
        lengths.append(len(block))
        return again

    runner = ItemRunner(Job(FunctionTask(str), RetryPolicy()), progress, CancelToken())
    progress.begin_chunk(1)
    block = runner.run_chunk(Chunk(0, [5, 6, 7, 8]), inf, flush, brief=brief)
    assert lengths == expected
    assert block.values == (["5", "6", "7", "8"] if again is not None else ["5"])
    assert block.done == len(block)


def test_flush_is_called_at_once_for_an_item_that_touched_something() -> None:
    progress, lengths = Progress(), []

    def flush(block: Block, now: float) -> float:
        lengths.append(block.done)
        return inf

    looks = iter([False, True, False, True])
    runner = ItemRunner(Job(FunctionTask(str), RetryPolicy()), progress, CancelToken())
    progress.begin_chunk(1)
    runner.run_chunk(Chunk(0, [5, 6, 7, 8]), inf, flush, brief=inf, touched=lambda: next(looks))
    assert lengths == [1, 2, 4]  # the first because it is due
