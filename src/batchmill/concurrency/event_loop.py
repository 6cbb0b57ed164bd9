"""An event loop on a thread of its own, for callers that block.

There is one in a process for libraries that wait as coroutines: clients and sessions live on it, whichever
thread's item uses them, and batches of nodes that wait for services run on it. There is another for the
coroutines of the user's own functions (see :mod:`batchmill.concurrency.coroutines`). A call that is overdue,
or whose run is cancelled, is cancelled on the loop, which closes what it was reading from.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Generic, NoReturn, TypeVar

from batchmill.concurrency.cancel import CancelToken
from batchmill.concurrency.deadline import deadline
from batchmill.concurrency.resources import process_resource
from batchmill.errors import AttemptTimeout, Stopped

GRACE_SECONDS = 5.0  # for a call that is cancelled to let go; then it is left behind
CLOSE_SECONDS = 10.0

T = TypeVar("T")
Make = Callable[[], Coroutine[Any, Any, T]]


class BackgroundLoop:
    """``name`` is that of its thread; :meth:`close` waits ``patience`` seconds for tasks that will not end.

    Concurrency: any thread but its own may call any method; the loop takes calls in by itself.
    """

    def __init__(self, name: str = "batchmill-services", patience: float = CLOSE_SECONDS) -> None:
        self._patience = patience
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop itself, for who schedules on it from other threads."""
        return self._loop

    def _run(self) -> None:
        try:
            self._loop.run_forever()
        finally:
            self._loop.close()

    def call(self, make: Make[T], cancel: CancelToken, seconds: float | None, what: str) -> T:
        """What the coroutine that ``make`` gives returns or raises. It sees the caller's context variables.

        Raises :class:`~batchmill.errors.AttemptTimeout` after ``seconds``, saying that ``what`` did not end,
        and :class:`~batchmill.errors.Stopped` when the run is cancelled. What the coroutine does when it is
        cancelled has been done then, unless it takes longer than a few seconds.
        """
        running = _Call(self._loop, _limited(make, seconds, what))
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
        return ended()

    def settle(self, make: Make[T], seconds: float | None = None) -> T:
        """The same for what closes something. Raises :class:`TimeoutError` after ``seconds``, the loop's
        patience unless given."""
        return self._start(make()).result(self._patience if seconds is None else seconds)

    def _start(self, coroutine: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        try:
            return asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        except RuntimeError as error:
            raise _closed(coroutine) from error

    def close(self) -> None:
        """Cancel what runs and end the thread."""
        try:
            self.settle(self._end_tasks)
        except TimeoutError:  # a task that will not end goes with the process
            pass
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(self._patience)

    async def _end_tasks(self) -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._loop.shutdown_asyncgens()
        await self._loop.shutdown_default_executor()


class _Call(Generic[T]):
    """A coroutine on its way. ``ended`` is done once its task has ended, and so whatever that does when it is
    cancelled; or when it does not let itself be cancelled.

    Concurrency: :meth:`end` may be called from any thread; everything else belongs to the loop's.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, T]) -> None:
        self.ended: concurrent.futures.Future[T] = concurrent.futures.Future()
        self._loop = loop
        self._coroutine = coroutine
        self._task: asyncio.Task[T] | None = None
        self._patience: asyncio.TimerHandle | None = None
        try:
            loop.call_soon_threadsafe(self._begin)  # in the caller's context
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
    """What gives the coroutine's value, or raises what it raised if that would end the loop."""
    try:
        async with deadline(seconds, f"{what} did not end within {seconds or 0:.3g} s"):
            value = await make()
    except (SystemExit, KeyboardInterrupt) as error:
        return partial(_raise, error)
    return lambda: value


def _raise(error: BaseException) -> NoReturn:
    raise error


def background() -> BackgroundLoop:
    """The loop of this process for libraries, until the last run in it ends."""
    return process_resource("background loop", BackgroundLoop)
