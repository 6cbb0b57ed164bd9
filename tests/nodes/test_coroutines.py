"""Coroutines run to their end for callers that block."""

from __future__ import annotations

import asyncio
import contextvars
import threading

import pytest

from batchmill.cancel import CancelToken
from batchmill.errors import NodeError
from batchmill.nodes import run_coroutine

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


def test_it_runs_here_and_its_value_is_given():
    token = place.set("here")
    try:
        assert run_coroutine(where) == (threading.current_thread(), "here")
    finally:
        place.reset(token)


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
        with pytest.raises((asyncio.CancelledError, NodeError)) as caught:
            run(lambda: waits(began, ended), token)
    finally:
        canceller.join()
    return caught.value, ended


def test_a_cancelled_run_cancels_it():
    error, ended = cancelled_once_begun(run_coroutine)
    assert isinstance(error, asyncio.CancelledError)
    assert ended == [True]


def test_a_cancelled_run_cancels_it_in_another_thread_too():
    async def outer(make, token):
        return run_coroutine(make, token)

    error, _ = cancelled_once_begun(lambda make, token: asyncio.run(outer(make, token)))
    assert isinstance(error, (asyncio.CancelledError, NodeError))


def test_a_token_cancelled_before_ends_it_at_its_first_wait():
    token, ended = CancelToken(), []
    token.cancel()
    with pytest.raises(asyncio.CancelledError):
        run_coroutine(lambda: waits(threading.Event(), ended), token)
    assert ended == [True]
