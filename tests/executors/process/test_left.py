"""A batch that follows a short one takes its worker, which still starts, instead of starting another."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest

import batchmill
from batchmill.executors.process import left
from batchmill.executors.process.left import LeftSlots
from batchmill.executors.process.pool import current_pool

NONE: frozenset[str] = frozenset()


class Left:
    """The slots that batches have left, and a pool with ``idle`` ones."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.idle: list[Any] = []
        self.slots = LeftSlots(self.lock, lambda modules: self.idle)

    def returned(self, slot: Any) -> None:
        with self.lock:
            self.idle.append(slot)
            self.slots.returned(slot)


def a_slot(*, starting: bool = True, modules: frozenset[str] = NONE) -> Any:
    return SimpleNamespace(starting=starting, modules=modules)


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> Left:
    monkeypatch.setattr(
        left, "LOOK_SECONDS", 60
    )  # whoever waits without being woken is caught by the timeout
    return Left()


def never() -> bool:
    """Whether the batch that waits is over."""
    return False


def test_it_waits_until_the_worker_is_given_back(pool: Left) -> None:
    slot = a_slot()
    pool.slots.add([slot])
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(pool.slots.wait, NONE, never)
        assert not waiting.done()
        pool.returned(slot)
        waiting.result(10)
    assert pool.idle == [slot]


def test_it_waits_for_none_where_none_was_left(pool: Left) -> None:
    pool.slots.wait(NONE, never)
    pool.slots.add([a_slot(modules=frozenset({"others"}))])
    pool.slots.wait(NONE, never)


def test_each_worker_is_waited_for_by_one(pool: Left) -> None:
    slot = a_slot()
    pool.slots.add([slot])
    with ThreadPoolExecutor(2) as threads:
        both = [threads.submit(pool.slots.wait, NONE, never) for _ in range(2)]
        while not any(one.done() for one in both):
            pool.slots.wake()
        assert not all(one.done() for one in both)
        pool.returned(slot)
        for one in both:
            one.result(10)


def test_it_waits_no_longer_than_its_batch_lasts(pool: Left) -> None:
    over = threading.Event()
    pool.slots.add([a_slot()])
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(pool.slots.wait, NONE, over.is_set)
        pool.slots.wake()
        assert not waiting.done()
        over.set()
        pool.slots.wake()
        waiting.result(10)


@pytest.mark.parametrize("name", ["starting", "time"])
def test_a_worker_that_does_not_come_back_is_not_waited_for(
    pool: Left, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(left, "LOOK_SECONDS", 0.01)
    if name == "time":
        monkeypatch.setattr(left, "START_SECONDS", 0.05)
    pool.slots.add([a_slot(starting=name == "time")])
    pool.slots.wait(NONE, never)
    assert not pool.idle


def back(item: int) -> int:
    return item


def test_batches_right_after_a_short_one_start_no_third_worker() -> None:
    batchmill.shutdown()
    for n in (8, *[20_000] * 6):
        assert len(batchmill.map(back, range(n), executor="process", max_concurrent=2)) == n
    pool = current_pool()
    assert pool is not None
    assert len(pool.processes()) <= 2
