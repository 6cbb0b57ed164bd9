"""Items on the event loop: a worker runs many, and none notices the one before it."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from typing import Any

import pytest

import batchmill
from batchmill.batch.engine import Batch
from batchmill.batch.settings import BatchSettings
from batchmill.concurrency.cancel import CancelToken
from batchmill.concurrency.resources import resource_scope
from batchmill.executors.contract import Chunk, ExecutorSettings
from batchmill.executors.local.ended import blocks_of
from batchmill.executors.local.thread import ThreadExecutor
from batchmill.executors.remote.order_channel import OrderChannel
from batchmill.executors.worker_numbers import WorkerNumbers
from batchmill.mapping.functions import as_task
from batchmill.outcome import ErrorInfo
from batchmill.policy import FailurePolicy

variable: contextvars.ContextVar[object] = contextvars.ContextVar("variable", default="unset")


class Incomparable:
    """As an array is."""

    def __eq__(self, other: object) -> bool:
        raise ValueError("the truth of it is ambiguous")

    __hash__ = None  # type: ignore[assignment]


async def found(value: object) -> object:
    before = variable.get()
    if value is not None:
        variable.set(value)
    await asyncio.sleep(0)
    return before


@pytest.mark.parametrize("values", [range(20), [None] * 20, [Incomparable()] * 5])
@pytest.mark.parametrize("at_once", [1, 3])
def test_context_variables_of_an_item_end_with_it(values: list[object], at_once: int) -> None:
    variable.set("the caller's")
    results = batchmill.map(found, values, executor="thread", max_concurrent=at_once)
    assert list(results) == ["the caller's"] * len(values)


async def found_same(value: list[int]) -> bool:
    same = variable.get() is mine
    variable.set(value)
    return same


mine: list[int] = []


def test_a_variable_that_was_set_to_an_equal_value_ends_with_its_item() -> None:
    variable.set(mine)
    results = batchmill.map(found_same, [[], [], []], executor="thread", max_concurrent=1)
    assert list(results) == [True] * 3


async def names_its_task(item: int) -> str:
    task = asyncio.current_task()
    assert task is not None
    before = task.get_name()
    task.set_name("mine")
    return before


def test_the_name_of_a_task_ends_with_its_item() -> None:
    assert "mine" not in batchmill.map(names_its_task, range(5), executor="thread", max_concurrent=1)


async def cancels_itself_late(item: int) -> int:
    task = asyncio.current_task()
    assert task is not None
    await asyncio.sleep(0)
    if not item % 3:
        task.cancel()  # and awaits nothing more
    return item


async def cancels_itself_and_fails(item: int, failed: set[int] = set()) -> int:  # noqa: B006  # kept
    task = asyncio.current_task()
    assert task is not None
    if item not in failed:
        failed.add(item)
        task.cancel()
        if item % 2:
            await asyncio.sleep(0)
        raise ValueError("the first attempt")
    return task.cancelling()


@pytest.mark.parametrize("seconds", [0.0, 0.001])
def test_a_cancellation_of_an_attempt_is_none_of_the_next(seconds: float) -> None:
    items = range(6) if seconds else range(6, 12)
    results = batchmill.map(
        cancels_itself_and_fails,
        items,
        executor="thread",
        max_concurrent=2,
        max_retries=2,
        retry_wait=seconds,
    )
    assert list(results) == [0] * 6


def test_a_cancellation_that_came_too_late_is_none_of_the_next_item() -> None:
    results = batchmill.map(cancels_itself_late, range(12), executor="thread", max_concurrent=2)
    assert list(results) == list(range(12))


def test_items_that_wait_for_nothing_let_others_have_a_turn() -> None:
    order: list[int] = []

    async def item(number: int) -> None:
        for _ in range(3 if number == 0 else 0):
            await asyncio.sleep(0)
        order.append(number)

    batchmill.map(item, range(200), executor="thread", max_concurrent=2)
    assert order.index(0) < 10  # after three turns; 16 items are taken ahead


class CallsAtTheStart(WorkerNumbers):
    """Calls when a worker is about to be started."""

    def __init__(self, call: Callable[[], object]) -> None:
        super().__init__()
        self.call = call

    def acquire(self) -> int:
        self.call()
        return super().acquire()


def test_a_worker_that_is_cancelled_before_its_first_step_gives_back_its_item() -> None:
    cancel = CancelToken()
    channel = OrderChannel(Chunk(0, range(3)), 600.0, alone=False, by_attempt=False)
    settings = ExecutorSettings(max_concurrent=3, worker_numbers=CallsAtTheStart(cancel.cancel))

    async def waits(item: int) -> None:
        await asyncio.Event().wait()

    with resource_scope():
        blocks = list(ThreadExecutor().run(as_task(waits), channel, settings, cancel))
    assert not blocks
    assert channel.wait_idle(0)


def test_a_program_that_cancels_all_tasks_loses_no_item() -> None:
    ran = []

    async def item(number: int) -> int:
        if number == 3 and not ran:
            ran.append(number)
            await asyncio.sleep(0)  # the next workers have been started by now, or have their turn
            loop, me = asyncio.get_running_loop(), asyncio.current_task()
            others = [task for task in asyncio.all_tasks(loop) if task is not me]
            for task in others:
                task.cancel()
        return number

    results = batchmill.map(item, range(40), executor="thread", max_concurrent=8, max_retries=2)
    assert list(results) == list(range(40))


@pytest.mark.skipif(not hasattr(asyncio, "eager_task_factory"), reason="of Python 3.12")
def test_a_program_may_start_its_tasks_eagerly() -> None:
    async def item(number: int) -> int:
        loop = asyncio.get_running_loop()
        loop.set_task_factory(asyncio.eager_task_factory)  # type: ignore[attr-defined,unused-ignore]
        await asyncio.sleep(0)
        return number

    assert list(batchmill.map(item, range(40), executor="thread", max_concurrent=4)) == list(range(40))


def test_nothing_starts_after_a_result_that_is_judged_a_failure() -> None:
    ran: list[int] = []

    async def item(number: int) -> int:
        ran.append(number)
        await asyncio.sleep(0)
        return number

    def judge(index: int, item: Any, value: Any) -> ErrorInfo | None:
        return ErrorInfo("Odd", "it is odd") if value == 1 else None

    settings = BatchSettings(executor="thread", max_concurrent=1, failures=FailurePolicy(fail_fast=True))
    result = Batch(as_task(item), range(9), settings, ordered=True, judge=judge).gather()
    assert result.failure is not None
    assert ran == [0, 1]


def test_neighbours_that_were_taken_together_share_a_block() -> None:
    ended = [
        (0, 1, "b", "B", 0.5, 10.0, 7),
        (0, 2, "c", "C", 0.25, 10.5, 3),
        (3, 3, "d", "D", 0.5, 10.0, 1),
        (3, 5, "f", "F", 0.5, 10.0, 0),
        (3, 4, "e", "E", 0.5, 10.0, 2),
    ]
    blocks = blocks_of(ended)
    assert [(block.start, len(block)) for block in blocks] == [(1, 2), (3, 1), (5, 1), (4, 1)]
    assert [(one.index, one.value, one.worker) for one in blocks[0].outcomes()] == [(1, "b", 7), (2, "c", 3)]
    assert tuple(blocks[0].items) == ("B", "C")
    assert [(one.index, one.value, one.wall, one.began, one.worker) for one in blocks[2].outcomes()] == [
        (5, "f", 0.5, 10.0, 0)
    ]
    assert tuple(blocks[2].items) == ("F",)
    assert blocks_of([]) == []
