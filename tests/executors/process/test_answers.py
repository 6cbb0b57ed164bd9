"""A batch of one chunk that follows another one reads the reply in its own thread."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import batchmill
from batchmill.executors.process import executor, slot
from batchmill.executors.process.pool import Pool, shared_pool
from batchmill.executors.process.slot import Slot

LONG = 60.0


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pool]:
    """A pool with one worker, whose receiver leaves the pipe alone for long."""
    monkeypatch.setattr(slot, "LINGER_SECONDS", LONG)
    monkeypatch.setattr(executor, "ANSWER_SECONDS", LONG)
    batchmill.shutdown()
    batch(abs, 1)
    yield shared_pool()
    batchmill.shutdown()


@pytest.fixture
def interrupts() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def batch(function: Callable[[Any], Any], item: object) -> Any:
    return batchmill.map(function, [item], executor="process", max_concurrent=1)[0]


def the_slot(pool: Pool) -> Slot:
    """Its slot, once it is idle and left alone."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        (only,) = pool._all
        with only._lock:
            if only._left and not pool.in_use():
                return only
        time.sleep(0.001)
    raise AssertionError("the receiver goes on reading")


class ReadBy:
    """Becomes the thread that unpickles it, or what it ``does`` there."""

    def __init__(self, does: Callable[[], object] = threading.get_ident) -> None:
        self.does = does

    def __reduce__(self) -> tuple[object, ...]:
        return self.does, ()


def test_the_reply_is_read_in_the_thread_that_waits_for_it(pool: Pool) -> None:
    the_slot(pool)
    assert batch(lambda _: ReadBy(), 1) == threading.get_ident()
    the_slot(pool)


def test_a_longer_batch_leaves_it_to_the_receiver(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executor, "ANSWER_SECONDS", 1e-6)
    the_slot(pool)
    assert batch(lambda _: ReadBy(), 1) != threading.get_ident()


def test_log_records_come_before_the_reply(pool: Pool, caplog: pytest.LogCaptureFixture) -> None:
    def log(_: object) -> object:
        import logging

        logging.getLogger("of.an.item").error("first")
        return ReadBy()

    the_slot(pool)
    assert batch(log, 1) == threading.get_ident()
    assert [record.message for record in caplog.records] == ["first"]


def test_ctrl_c_while_it_waits_ends_the_batch(pool: Pool, interrupts: None) -> None:
    def press(parent: int) -> None:
        os.kill(parent, signal.SIGINT)
        time.sleep(LONG)

    the_slot(pool)
    with pytest.raises(KeyboardInterrupt):
        batch(press, os.getpid())
    end = time.monotonic() + 30  # a crowded machine ends the worker late
    while pool.in_use() and time.monotonic() < end:
        time.sleep(0.01)
    assert not pool.in_use()
    assert batch(abs, -2) == 2


def test_ctrl_c_while_a_chunk_is_sent_waits_until_it_is(
    pool: Pool, interrupts: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    idle, send = the_slot(pool), Slot.send

    def send_and_press(self: Slot, *order: Any) -> None:
        send(self, *order)
        press_here()

    with monkeypatch.context() as patched:
        patched.setattr(Slot, "send", send_and_press)
        with pytest.raises(KeyboardInterrupt):
            batch(abs, 1)
    assert the_slot(pool) is idle
    assert batch(abs, -2) == 2


def press_here() -> None:
    signal.raise_signal(signal.SIGINT)


def test_ctrl_c_while_a_reply_is_read_waits_until_it_is_settled(pool: Pool, interrupts: None) -> None:
    idle = the_slot(pool)
    with pytest.raises(KeyboardInterrupt):
        batch(lambda _: ReadBy(press_here), 1)
    assert the_slot(pool) is idle
    assert batch(lambda _: ReadBy(), 1) == threading.get_ident()


def test_a_worker_that_died_while_nobody_read_is_replaced(pool: Pool) -> None:
    idle = the_slot(pool)
    os.kill(idle.pid, signal.SIGKILL)
    idle._process.join(30)
    assert batch(abs, -3) == 3
    assert idle not in pool._all


def test_a_worker_that_dies_of_an_item_is_told_by_the_receiver(pool: Pool) -> None:
    the_slot(pool)
    with pytest.raises(batchmill.BatchFailed, match="SIGKILL"):
        batch(lambda _: os.kill(os.getpid(), signal.SIGKILL), 1)
    assert batch(abs, -4) == 4
