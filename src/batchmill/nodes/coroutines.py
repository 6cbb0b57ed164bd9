"""Coroutines for callers that block: run to their end, or until the run they are part of is cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from batchmill.cancel import CancelToken
from batchmill.nodes.limited import run_limited

T = TypeVar("T")


def run_coroutine(make: Callable[[], Coroutine[Any, Any, T]], cancel: CancelToken | None = None) -> T:
    """What the coroutine that ``make`` gives returns or raises, on an event loop of its own.

    The loop that a program may have set for the calling thread stays set. Where one is running in it,
    as in a notebook, the coroutine runs in another thread while this one waits. When ``cancel`` is
    cancelled so is the coroutine.
    """
    token = cancel or CancelToken()
    if _in_a_loop():
        return run_limited(lambda: _run(make, token), None, token)
    return _run(make, token)


def _in_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _run(make: Callable[[], Coroutine[Any, Any, T]], cancel: CancelToken) -> T:
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:  # a factory: no loop is set, or unset
        return runner.run(_until_cancelled(make, cancel))


async def _until_cancelled(make: Callable[[], Coroutine[Any, Any, T]], cancel: CancelToken) -> T:
    loop, running = asyncio.get_running_loop(), asyncio.current_task()

    def end() -> None:
        try:
            loop.call_soon_threadsafe(running.cancel)  # type: ignore[union-attr]  # a coroutine is in a task
        except RuntimeError:  # the loop is closed: the coroutine has ended meanwhile
            pass

    forget = cancel.on_cancel(end)
    try:
        return await make()
    finally:
        forget()
