"""Semaphores made of pipes, in this process and across."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import Any

import loky.process_executor
import pytest

from batchmill.executors.process.loky_semaphores import PipeContext, PipeSemaphore


def test_a_lock_has_one_token() -> None:
    lock = PipeSemaphore()
    assert lock.acquire()
    assert not lock.acquire(block=False)
    assert not lock.acquire(timeout=0.01)
    lock.release()
    with lock:
        assert not lock.acquire(False)
    assert lock.acquire(timeout=0)


def test_tokens_are_counted() -> None:
    semaphore = PipeSemaphore(3)
    assert [semaphore.acquire(False) for _ in range(4)] == [True, True, True, False]
    semaphore.release()
    assert not semaphore._semlock._is_zero()
    assert semaphore.acquire()
    assert semaphore._semlock._is_zero()


def test_waiting_ends_with_a_token() -> None:
    lock = PipeSemaphore()
    lock.acquire()
    threading.Timer(0.02, lock.release).start()
    began = time.monotonic()
    assert lock.acquire(timeout=10)
    assert time.monotonic() - began < 10


def test_threads_exclude_one_another() -> None:
    lock, inside, most = PipeSemaphore(), [0], [0]

    def enter() -> None:
        for _ in range(100):
            with lock:
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                inside[0] -= 1

    threads = [threading.Thread(target=enter) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1]


def _double(item: int) -> int:
    return 2 * item


@pytest.fixture
def executor() -> Any:
    made = loky.process_executor.ProcessPoolExecutor(max_workers=1, context=PipeContext())
    yield made
    made.shutdown(wait=True, kill_workers=True)


def test_loky_works_with_them(executor: Any) -> None:
    assert list(executor.map(abs, range(-20, 0))) == list(range(20, 0, -1))


def test_loky_notices_a_dead_worker(executor: Any) -> None:
    pid = executor.submit(os.getpid).result(30)
    waiting = executor.submit(time.sleep, 60)
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(loky.process_executor.BrokenProcessPool):
        waiting.result(30)
