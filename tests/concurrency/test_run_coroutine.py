"""Coroutines of the user's code run to their end for callers that block, all on one loop."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

import batchmill
from batchmill.concurrency.cancel import CancelToken
from batchmill.concurrency.event_loop import run_coroutine
from batchmill.concurrency.resources import resource_scope
from batchmill.errors import AttemptTimeout, Stopped

place = contextvars.ContextVar("place", default="nowhere")


async def where():
    await asyncio.sleep(0)
    return threading.current_thread(), place.get()


async def fails():
    raise KeyError("why")


async def waits(began, ended):
    began.set()
    try:
        await asyncio.Event().wait()
    finally:
        ended.append(True)


def test_its_value_is_given_and_it_sees_the_callers_context():
    token = place.set("here")
    try:
        thread, seen = run_coroutine(where)
    finally:
        place.reset(token)
    assert (thread.name, seen) == ("batchmill-event-loop", "here")


async def loop_of(_):
    return asyncio.get_running_loop()


def test_as_long_as_something_is_held_all_run_on_one_loop():
    with resource_scope(), ThreadPoolExecutor(4) as pool:
        loops = {run_coroutine(lambda: loop_of(0))}
        loops.update(pool.map(lambda n: run_coroutine(lambda: loop_of(n)), range(20)))
    assert len(loops) == 1


def test_one_that_blocks_its_loop_for_others_has_them_run_elsewhere():
    async def inner(n):
        await asyncio.sleep(0)
        return n

    async def blocks():
        own = run_coroutine(lambda: inner(1))
        return own, batchmill.map(lambda n: inner(n), [2, 3], max_concurrent=2)  # on threads: same context

    own, others = run_coroutine(blocks)
    assert (own, list(others)) == (1, [2, 3])


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt])
def test_one_that_would_end_the_process_ends_neither_that_nor_the_loop(kind):
    async def leaves():
        raise kind("bye")

    with resource_scope():
        with pytest.raises(kind, match="bye"):
            run_coroutine(leaves)
        assert run_coroutine(where)


def test_it_ends_in_time():
    ended = []
    with pytest.raises(AttemptTimeout, match=r"did not end within 0\.05 s"):
        run_coroutine(lambda: waits(threading.Event(), ended), None, 0.05)
    assert ended == [True]


def test_what_it_raises_is_raised():
    with pytest.raises(KeyError, match="why"):
        run_coroutine(fails)


def test_a_loop_that_was_set_stays_set():
    mine = asyncio.new_event_loop()
    asyncio.set_event_loop(mine)
    try:
        run_coroutine(where)
        assert asyncio.get_event_loop() is mine
    finally:
        asyncio.set_event_loop(None)
        mine.close()


def test_inside_a_running_loop_it_runs_in_another_thread():
    async def outer():
        return run_coroutine(where)

    token = place.set("outside")
    try:
        thread, seen = asyncio.run(outer())
    finally:
        place.reset(token)
    assert thread is not threading.current_thread()
    assert seen == "outside"


def cancelled_once_begun(run):
    """``run(make, token)`` while another thread cancels the token when the coroutine waits."""
    token, began, ended = CancelToken(), threading.Event(), []
    canceller = threading.Thread(target=lambda: (began.wait(10), token.cancel()))
    canceller.start()
    try:
        with pytest.raises(Stopped) as caught:
            run(lambda: waits(began, ended), token)
    finally:
        canceller.join()
    return caught.value, ended


def test_a_cancelled_run_cancels_it():
    error, ended = cancelled_once_begun(run_coroutine)
    assert isinstance(error, Stopped)
    assert ended == [True]


def test_a_cancelled_run_cancels_it_in_a_running_loop_too():
    async def outer(make, token):
        return run_coroutine(make, token)

    error, _ = cancelled_once_begun(lambda make, token: asyncio.run(outer(make, token)))
    assert isinstance(error, Stopped)


def test_a_token_cancelled_before_ends_it():
    token = CancelToken()
    token.cancel()
    with pytest.raises(Stopped, match="cancelled"):
        run_coroutine(lambda: waits(threading.Event(), []), token)
