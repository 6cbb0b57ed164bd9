"""Coroutines on the process's own loop, for threads that block."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

import batchmill
from batchmill.concurrency import event_loop
from batchmill.concurrency.cancel import CancelToken
from batchmill.concurrency.event_loop import background, run_coroutine
from batchmill.concurrency.resources import close_resources, resource_scope
from batchmill.errors import AttemptTimeout, Stopped


@pytest.fixture
def loop():
    yield background()
    close_resources()


async def value(of):
    await asyncio.sleep(0.01)
    return of


def test_values_and_errors_come_back(loop):
    assert loop.call(lambda: value(5), CancelToken(), None, "it") == 5

    async def fails():
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        loop.call(fails, CancelToken(), 1.0, "it")


def test_many_threads_share_one_loop(loop):
    def ask(n):
        return background().call(lambda: value(n), CancelToken(), 5.0, "it")

    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(ask, range(100))) == list(range(100))
    assert sum(thread.name == "batchmill-event-loop" for thread in threading.enumerate()) == 1


def test_what_takes_too_long_is_cancelled(loop):
    ended = threading.Event()

    async def wait():
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    with pytest.raises(AttemptTimeout, match=r"it did not end within 0\.05 s"):
        loop.call(wait, CancelToken(), 0.05, "it")
    assert ended.wait(5)


def test_a_timeout_of_its_own_is_not_ours(loop):
    async def gives_up():
        raise TimeoutError("its own")

    with pytest.raises(TimeoutError, match="its own"):
        loop.call(gives_up, CancelToken(), 5.0, "it")


@pytest.mark.parametrize("early", [True, False])
def test_a_cancelled_run_ends_it(loop, early):
    token, ended = CancelToken(), threading.Event()

    async def wait():
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    timer = threading.Timer(0.0 if early else 0.1, token.cancel)
    timer.start()
    began = time.monotonic()
    with pytest.raises(Stopped, match="cancelled"):
        loop.call(wait, token, 30.0, "it")
    timer.join()
    assert time.monotonic() - began < 10


def test_what_a_cancelled_call_does_at_its_end_is_done_when_the_caller_goes_on(loop):
    token, noted = CancelToken(), []

    async def wait():
        try:
            token.cancel()
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.05)
            noted.append("closed")

    with pytest.raises(Stopped, match="cancelled"):
        loop.call(wait, token, None, "it")
    assert noted == ["closed"]


def test_one_that_does_not_let_itself_be_cancelled_is_left_behind(loop, monkeypatch):
    monkeypatch.setattr(event_loop, "GRACE_SECONDS", 0.05)
    token, let_go = CancelToken(), threading.Event()

    async def stays():
        token.cancel()
        while not let_go.is_set():
            try:
                await asyncio.sleep(0.01)
            except asyncio.CancelledError:
                pass

    with pytest.raises(Stopped, match="cancelled"):
        loop.call(stays, token, None, "it")
    let_go.set()


def test_threads_that_it_used_end_with_it():
    assert background().call(lambda: asyncio.to_thread(lambda: 5), CancelToken(), None, "it") == 5
    close_resources()  # and the fixture that counts threads is content


def test_after_its_end_there_is_another(loop):
    close_resources()
    with pytest.raises(Stopped, match="ended"):
        loop.call(lambda: value(1), CancelToken(), 1.0, "it")
    assert background().call(lambda: value(1), CancelToken(), 1.0, "it") == 1


def test_its_end_ends_what_runs(loop):
    failures = []

    def ask():
        try:
            loop.call(lambda: asyncio.sleep(60), CancelToken(), None, "it")
        except Stopped as error:
            failures.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    time.sleep(0.1)
    close_resources()
    thread.join(10)
    assert len(failures) == 1


def test_a_task_that_would_end_the_process_does_not_end_the_loop(loop, caplog):
    async def leaves():
        raise SystemExit("bye")

    async def starts():
        left = asyncio.get_running_loop().create_task(leaves())
        await asyncio.wait([left])
        return left.exception()

    assert isinstance(loop.call(starts, CancelToken(), 10.0, "it"), SystemExit)
    assert loop.call(lambda: value(5), CancelToken(), 10.0, "it") == 5


def test_code_that_stops_the_loop_stops_it_for_nobody_else(loop):
    async def stops():
        asyncio.get_running_loop().stop()

    loop.call(stops, CancelToken(), 10.0, "it")
    assert loop.call(lambda: value(5), CancelToken(), 10.0, "it") == 5


def test_batches_and_callers_that_block_wait_on_the_same_loop():
    async def loop_of(_):
        await asyncio.sleep(0)
        return asyncio.get_running_loop()

    with resource_scope():
        loops = {run_coroutine(lambda: loop_of(0)), background().loop}
        for _ in range(2):
            loops.update(batchmill.map(loop_of, range(3), executor="thread"))
        assert len(loops) == 1
