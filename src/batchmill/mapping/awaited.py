"""``amap`` and ``aimap``: ``map`` and ``imap`` for async callers, whose event loop keeps running meanwhile.

A thread of its own runs the batch and informs the caller's event loop. Async functions are awaited on the
batch's event loop, as everywhere.
"""

from __future__ import annotations

import asyncio
import contextvars
import queue
import threading
import weakref
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from concurrent.futures import Future
from typing import Any, Generic, Literal, Self, TypeVar, Unpack, overload

from batchmill.batch.results.batch_result import BatchResult
from batchmill.concurrency.cancel import CancelToken
from batchmill.mapping.api import Yields
from batchmill.mapping.functions import MakesTask, as_task
from batchmill.mapping.keywords import Settings, chosen
from batchmill.mapping.mapped import Mapped
from batchmill.mapping.reporting import ItemResult, OnResult
from batchmill.mapping.stream import Stream

T = TypeVar("T")
R = TypeVar("R")
Y = TypeVar("Y")

LOOK_SECONDS = 0.5  # how often a waiting thread checks that the loop still exists
_END: Any = object()


@overload
async def amap(
    function: Callable[[T], Coroutine[Any, Any, R]], items: Iterable[T], **settings: Unpack[Settings]
) -> BatchResult[R]: ...
@overload
async def amap(
    function: Callable[[T], Yields[R]], items: Iterable[T], **settings: Unpack[Settings]
) -> BatchResult[list[R]]: ...
@overload
async def amap(
    function: Callable[[T], R], items: Iterable[T], **settings: Unpack[Settings]
) -> BatchResult[R]: ...
@overload
async def amap(
    function: MakesTask, items: Iterable[object], **settings: Unpack[Settings]
) -> BatchResult[Any]: ...
@overload
async def amap(
    function: Callable[[T], Any] | MakesTask,
    items: Iterable[T],
    *,
    return_exceptions: bool,
    **settings: Unpack[Settings],
) -> BatchResult[Any]: ...
async def amap(function: object, items: Iterable[object], **settings: object) -> BatchResult[Any]:
    """Like :func:`~batchmill.map`, with the same settings, for async callers: their event loop keeps running
    meanwhile. ``items`` is read in another thread; ``on_result`` is called in the caller's thread.

    An ``async`` function is awaited on an event loop of batchmill: objects bound to the caller's loop (such
    as a client's session) do not work in it. To end the batch, cancel the task that awaits it.
    """
    cancel = CancelToken()
    given, thread = chosen(settings, "amap()"), Helper()
    told = _in_loop(given["on_result"])
    mapped = Mapped(as_task(function), items, given, cancel=cancel, apart=True, on_result=told)
    done = thread.call(mapped.result)
    thread.end()
    try:
        return await asyncio.shield(done)
    except asyncio.CancelledError:
        cancel.cancel("the task that awaited it was cancelled")
        await asyncio.wait([done])
        if not done.cancelled():
            done.exception()  # mark the error as seen: nobody awaits it
        raise


class AsyncStream(AsyncIterator[Y], Generic[Y]):
    """The results of :func:`~batchmill.aimap`. ``errors`` lists the failures so far, as plain data.

    As an async context manager it closes at the end. If you cancel a wait for a result, the next wait gets
    that result. Use it from one task at a time.
    """

    def __init__(self, stream: Stream[Y], cancel: CancelToken) -> None:
        self._stream = stream
        self._cancel = cancel
        self._helper = Helper()
        self._pending: asyncio.Future[Y] | None = None
        weakref.finalize(self, self._helper.end).atexit = False

    @property
    def errors(self) -> list[dict[str, Any]]:
        return self._stream.errors

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def __anext__(self) -> Y:
        if self._pending is None:
            stream = self._stream
            self._pending = self._helper.call(lambda: next(stream, _END))
        try:
            value = await asyncio.shield(self._pending)
        except asyncio.CancelledError:
            raise
        except BaseException:
            self._pending = None
            raise
        self._pending = None
        if value is _END:
            raise StopAsyncIteration
        return value

    async def aclose(self) -> None:
        """Stop the batch: start no new items, and give running ones a moment before they are abandoned."""
        pending, self._pending = self._pending, None
        if pending is not None:
            self._cancel.cancel("its results are wanted no more")
            await asyncio.wait([pending])
            pending.exception()  # mark the error as seen: nobody awaits it
        await self._helper.call(self._stream.close)


@overload
def aimap(
    function: Callable[[T], Coroutine[Any, Any, R]],
    items: Iterable[T],
    *,
    ordered: bool = True,
    indexed: Literal[False] = False,
    **settings: Unpack[Settings],
) -> AsyncStream[R | None]: ...
@overload
def aimap(
    function: Callable[[T], Yields[R]],
    items: Iterable[T],
    *,
    ordered: bool = True,
    indexed: Literal[False] = False,
    **settings: Unpack[Settings],
) -> AsyncStream[list[R] | None]: ...
@overload
def aimap(
    function: Callable[[T], R],
    items: Iterable[T],
    *,
    ordered: bool = True,
    indexed: Literal[False] = False,
    **settings: Unpack[Settings],
) -> AsyncStream[R | None]: ...
@overload
def aimap(
    function: Callable[[T], Any] | MakesTask,
    items: Iterable[T],
    *,
    ordered: bool = True,
    indexed: bool = False,
    return_exceptions: bool = False,
    **settings: Unpack[Settings],
) -> AsyncStream[Any]: ...
def aimap(
    function: object,
    items: Iterable[object],
    *,
    ordered: bool = True,
    indexed: bool = False,
    **settings: object,
) -> AsyncStream[Any]:
    """Like :func:`~batchmill.imap`, with the same settings, as an async iterator: ``async for value in
    batchmill.aimap(...)``. Functions and callbacks work as in :func:`amap`. Nothing runs before you ask for
    the first result. Call it where an event loop runs.

    To leave the loop early, use ``async with batchmill.aimap(...) as values:``, which waits until the batch
    has ended. A stream that you only drop ends in the background.
    """
    cancel = CancelToken()
    given = chosen({**settings, "ordered": ordered, "indexed": indexed}, "aimap()")
    told = _in_loop(given["on_result"])
    mapped = Mapped(as_task(function), items, given, cancel=cancel, apart=True, on_result=told)
    return AsyncStream(mapped.stream(ordered, indexed), cancel)


class Helper:
    """A thread that makes blocking calls, one after another, for a task of an event loop. The first call
    starts it.

    Concurrency: the loop's thread uses it; both share only the queue.
    """

    def __init__(self) -> None:
        self._calls: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._started = False

    def call(self, function: Callable[[], R]) -> asyncio.Future[R]:
        """Call ``function`` in the caller's context; returns a future of its result."""
        loop, context = asyncio.get_running_loop(), contextvars.copy_context()
        done: asyncio.Future[R] = loop.create_future()
        self._calls.put(lambda: _tell(loop, done, lambda: context.run(function)))
        if not self._started:
            self._started = True
            threading.Thread(
                target=_serve, args=(self._calls,), name="batchmill-awaited", daemon=True
            ).start()
        return done

    def end(self) -> None:
        """Let the thread end after the calls it was given."""
        self._calls.put(None)


def _serve(calls: queue.SimpleQueue[Callable[[], None] | None]) -> None:
    while (call := calls.get()) is not None:
        call()
        del call  # it may hold a stream that is about to be dropped


def _tell(loop: asyncio.AbstractEventLoop, done: asyncio.Future[R], function: Callable[[], R]) -> None:
    """Settle ``done`` with the result of ``function``, in the loop's thread."""

    def settle(settling: Callable[[Any], None], result: object) -> None:
        if not done.done():
            settling(result)

    try:
        value = function()
    except BaseException as error:  # noqa: BLE001  # raised again where it is awaited
        settling, result = done.set_exception, error
    else:
        settling, result = done.set_result, value  # type: ignore[assignment]  # one argument either way
    try:
        loop.call_soon_threadsafe(settle, settling, result)
    except RuntimeError:  # the loop was closed: nobody awaits it
        pass


def _in_loop(on_result: OnResult | None) -> OnResult | None:
    """Wrap ``on_result`` for other threads: it runs in the running loop's thread, and they wait for it."""
    if on_result is None:
        return None
    loop = asyncio.get_running_loop()

    def call(result: ItemResult) -> None:
        done: Future[None] = Future()

        def run() -> None:
            try:
                on_result(result)
            except BaseException as error:  # noqa: BLE001  # ends the batch
                done.set_exception(error)
            else:
                done.set_result(None)

        loop.call_soon_threadsafe(run)
        while not done.done() and not loop.is_closed():
            try:
                done.exception(LOOK_SECONDS)
            except TimeoutError:
                continue
        done.result(0)

    return call
