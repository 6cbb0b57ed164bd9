"""The event loop of the process, on a thread of its own, for callers that block.

All async work shares one loop: clients and sessions of services live on it, batches of async nodes and
functions run their items on it, and blocking callers run their coroutines on it to the end. So objects bound
to a loop (a client session, a semaphore, a lock) work for all items of a process. A call that is overdue, or
whose run is cancelled, is cancelled on the loop, which closes what it was reading from.

A coroutine that blocks the loop, for example with a batch of its own, would deadlock: it waits for work that
waits for the loop. So blocking code that is called from a coroutine of the loop gets the next loop below it.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
import time
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar, copy_context
from functools import partial
from typing import Any, Generic, NoReturn, TypeVar

from batchmill.concurrency.cancel import CancelToken
from batchmill.concurrency.deadline import deadline
from batchmill.concurrency.loop_cpu import LoopCpu, LoopShare, MeteredCoroutine, add_called
from batchmill.concurrency.resources import process_resource, resource_scope
from batchmill.errors import AttemptTimeout, Stopped

GRACE_SECONDS = 5.0  # for a call that is cancelled to let go; then it is left behind
SETTLE_SECONDS = 10.0  # for what closes something
CLOSE_SECONDS = 1.0  # for coroutines that do not let themselves be cancelled; then they are left behind

T = TypeVar("T")
Make = Callable[[], Coroutine[Any, Any, T]]

# The loop of the coroutine in which the calling code runs.
_around: ContextVar[BackgroundLoop | None] = ContextVar("batchmill_loop_around", default=None)


class BackgroundLoop:
    """``depth`` is the number of loops that wait for this one: 0 for the loop of the process. ``cpu`` divides
    its CPU time.

    Concurrency: any thread but its own may call any method; the loop takes calls in by itself. ``_closing``
    is set once, and ``cpu`` belongs to the thread of the loop.
    """

    def __init__(self, depth: int = 0) -> None:
        self.depth = depth
        self._closing = False
        self.cpu = LoopCpu()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="batchmill-event-loop", daemon=True)
        self._thread.start()

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop itself, for code that schedules on it from other threads."""
        return self._loop

    def _run(self) -> None:
        # A task that raises SystemExit or KeyboardInterrupt ends `run_forever`, and so does code that stops
        # the loop it runs on. The exception belongs to the caller that awaits the task (without one, asyncio
        # logs it). The loop belongs to everybody, so it continues.
        while not self._closing:
            try:
                self._loop.run_forever()
            except (SystemExit, KeyboardInterrupt):
                continue
        self._loop.close()

    def inside(self, context: Context) -> Context:
        """``context``, changed to the context of coroutines of this loop."""
        context.run(_around.set, self)
        return context

    def call(self, make: Make[T], cancel: CancelToken, seconds: float | None, what: str) -> T:
        """The result of the coroutine from ``make``, or its exception. It sees the caller's context
        variables.

        Raises :class:`~batchmill.errors.AttemptTimeout` after ``seconds``, saying that ``what`` did not end,
        and :class:`~batchmill.errors.Stopped` when the run is cancelled. By then the coroutine has handled
        its cancellation, unless that takes longer than a few seconds.
        """
        running = _Call(self, _limited(make, seconds, what))
        forget = cancel.on_cancel(running.end)
        try:
            ended = running.ended.result(None if seconds is None else seconds + GRACE_SECONDS)
        except concurrent.futures.CancelledError:
            raise Stopped("the run was cancelled") from None
        except TimeoutError as error:
            if running.ended.done():
                raise
            raise AttemptTimeout(f"{what} did not end within {seconds:.3g} s") from error
        except BaseException:  # Ctrl-C, in the caller's thread
            running.end()
            concurrent.futures.wait([running.ended], GRACE_SECONDS)
            raise
        finally:
            forget()
            running.end()
            add_called(running.cpu)
        return ended()

    def settle(self, make: Make[T], seconds: float = SETTLE_SECONDS) -> T:
        """The same for a coroutine that closes something. Raises :class:`TimeoutError` after ``seconds``."""
        coroutine = self._inside_of_it(make)
        try:
            ended = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        except RuntimeError as error:
            raise _closed(coroutine) from error
        return ended.result(seconds)

    async def _inside_of_it(self, make: Make[T]) -> T:
        _around.set(self)
        return await make()

    def close(self) -> None:
        """Cancel what runs and end the thread."""
        try:
            self.settle(self._end_tasks, CLOSE_SECONDS)
        except TimeoutError:  # a task that will not end goes with the process
            pass
        self._closing = True
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(CLOSE_SECONDS)

    async def _end_tasks(self) -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._loop.shutdown_asyncgens()
        await self._loop.shutdown_default_executor()


class _Call(Generic[T]):
    """A coroutine on its way. ``ended`` is done once its task has ended, with its cleanup after a
    cancellation; or when the task ignores the cancellation. ``cpu`` is the CPU seconds of the loop for it.

    Concurrency: any thread may call :meth:`end`; everything else belongs to the loop's thread until ``ended``
    is done.
    """

    def __init__(self, background: BackgroundLoop, coroutine: Coroutine[Any, Any, T]) -> None:
        self.ended: concurrent.futures.Future[T] = concurrent.futures.Future()
        self.cpu = 0.0
        self._meter = background.cpu
        self._share: LoopShare | None = None
        self._coroutine = coroutine
        self._measured: MeteredCoroutine[T] | None = None
        self._loop = background.loop
        self._task: asyncio.Task[T] | None = None
        self._patience: asyncio.TimerHandle | None = None
        try:
            self._loop.call_soon_threadsafe(self._begin, context=background.inside(copy_context()))
        except RuntimeError as error:
            raise _closed(coroutine) from error

    def end(self) -> None:
        """Cancel it unless it has ended."""
        if self.ended.done():
            return
        try:
            self._loop.call_soon_threadsafe(self._cancel)
        except RuntimeError:  # closed, and whatever ran there was cancelled
            self._give_up()

    def _begin(self) -> None:
        self._share = self._meter.join()
        if self._share.samples:
            self._measured = MeteredCoroutine(self._coroutine)
            self._coroutine = self._measured.steps()
        self._task = self._loop.create_task(self._coroutine)
        self._task.add_done_callback(self._take)

    def _cancel(self) -> None:
        if self._task is not None and not self._task.done() and self._patience is None:
            self._patience = self._loop.call_later(GRACE_SECONDS, self._give_up)
            self._task.cancel()

    def _give_up(self) -> None:
        if self.ended.cancel():
            self.ended.set_running_or_notify_cancel()

    def _take(self, task: asyncio.Task[T]) -> None:
        if self._patience is not None:
            self._patience.cancel()
        if self._share is not None:
            if self._measured is not None:
                self._share.sample(self._measured.cpu)
                self._measured.close()
            self.cpu = self._share.end_items(1, time.perf_counter(), last=True) or 0.0
            self._share.leave()
        if task.cancelled():
            self._give_up()
            return
        error = task.exception()
        if self.ended.done():  # it was left behind
            return
        if error is None:
            self.ended.set_result(task.result())
        else:
            self.ended.set_exception(error)


def _closed(coroutine: Coroutine[Any, Any, Any]) -> Stopped:
    """The last run has ended while this item was left behind."""
    coroutine.close()
    return Stopped("the run has ended")


async def _limited(make: Make[T], seconds: float | None, what: str) -> Callable[[], T]:
    """A coroutine with the same result, which returns exceptions that would end the loop."""
    try:
        async with deadline(seconds, f"{what} did not end within {seconds or 0:.3g} s"):
            value = await make()
    except (SystemExit, KeyboardInterrupt) as error:
        return partial(_raise, error)
    return lambda: value


def _raise(error: BaseException) -> NoReturn:
    raise error


def background() -> BackgroundLoop:
    """The loop for a caller that blocks, until the last run in this process ends.

    It is that of the process, or the next one below for code that blocks a coroutine of a loop.
    """
    around = _around.get()
    depth = 0 if around is None else around.depth + 1
    return process_resource(("event loop", depth), lambda: BackgroundLoop(depth))


def current() -> BackgroundLoop:
    """The loop whose coroutine is the caller. Raises :class:`RuntimeError` outside a coroutine."""
    around = _around.get()
    if around is None:
        raise RuntimeError("this coroutine is awaited on a loop that is not batchmill's")
    return around


def run_coroutine(make: Make[T], cancel: CancelToken | None = None, seconds: float | None = None) -> T:
    """The result of the coroutine from ``make``, or its exception; it sees the caller's context variables.

    The caller may itself be inside a running loop, as in a notebook. Raises
    :class:`~batchmill.errors.AttemptTimeout` after ``seconds``, and :class:`~batchmill.errors.Stopped` when
    ``cancel`` is cancelled; the coroutine is cancelled in both cases.
    """
    with resource_scope():
        return background().call(make, cancel or CancelToken(), seconds, "the coroutine")
