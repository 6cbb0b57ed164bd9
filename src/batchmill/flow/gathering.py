"""Many coroutines at once in the caller's own event loop, with a limit.

The guarantee: when :meth:`BoundedGather.run` returns or raises, for whatever reason, every task it started
has ended, unless the others should continue after a failure, as with :func:`asyncio.gather`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Literal

AfterFailure = Literal["cancel", "finish", "go on"]


class BoundedGather:
    """Awaits ``work(item, index)`` for every item, each in a task of its own, ``limit`` at a time.

    ``results`` are in item order, None for missing ones. The first exception prevents further items from
    starting. ``on_failure`` says whether running ones are cancelled, finish, or continue. The exception is
    raised when they have ended, or at once if they continue. ``limit`` None starts all at once.

    Concurrency: everything happens in the event loop's thread; one object serves one run.
    """

    def __init__(
        self,
        work: Callable[[Any, int], Awaitable[Any]],
        *,
        limit: int | None = None,
        on_failure: AfterFailure = "cancel",
    ) -> None:
        self._work = work
        self._slots = asyncio.Semaphore(limit) if limit else None
        self._on_failure = on_failure
        self.results: list[Any] = []
        self._running: set[asyncio.Future[Any]] = set()
        self._failure: BaseException | None = None
        self._changed = asyncio.Event()  # there is a failure, or nothing runs any more

    async def run(self, items: Iterable[Any]) -> list[Any]:
        """Run everything. Raises the first failure, and cancellation once all tasks have ended."""
        try:
            await self._start_all(items)
            await self._all_ended()
        except BaseException:
            self._cancel_running()
            await self._all_ended_for_sure()
            raise
        if self._failure is not None:
            raise self._failure
        return self.results

    async def _start_all(self, items: Iterable[Any]) -> None:
        for index, item in enumerate(items):
            if self._slots is not None:
                await self._slots.acquire()
            if self._failure is not None:
                return
            self.results.append(None)
            task = asyncio.ensure_future(self._one(item, index))
            self._running.add(task)
            task.add_done_callback(self._ended)

    async def _one(self, item: Any, index: int) -> None:
        self.results[index] = await self._work(item, index)

    def _ended(self, task: asyncio.Future[Any]) -> None:
        self._running.discard(task)
        if self._slots is not None:
            self._slots.release()
        if not self._running:
            self._changed.set()
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        if error is None or self._failure is not None:
            return
        self._failure = error
        self._changed.set()
        if self._on_failure == "cancel":
            self._cancel_running()

    def _cancel_running(self) -> None:
        for task in list(self._running):
            task.cancel()

    async def _all_ended(self) -> None:
        while self._running and self._on_failure != "go on":
            await asyncio.wait(self._running)
        while self._running and self._failure is None:
            self._changed.clear()
            await self._changed.wait()

    async def _all_ended_for_sure(self) -> None:
        """Wait for cancelled tasks, even if the caller is cancelled once more meanwhile."""
        while self._running:
            try:
                await asyncio.wait(self._running)
            except asyncio.CancelledError:
                self._cancel_running()
