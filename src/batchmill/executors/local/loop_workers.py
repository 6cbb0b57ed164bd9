"""The workers of one batch on an event loop: tasks that run items one after another."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Generic, TypeVar

from batchmill.concurrency.loop_cpu import LoopShare
from batchmill.executors.worker_numbers import WorkerNumbers

One = TypeVar("One")
Work = Coroutine[Any, Any, None]


class LoopWorkers(Generic[One]):
    """Starts workers with a copy of ``context`` each. ``not_begun`` is told the first item of a worker that
    was cancelled before its first step: such a task never begins, and nobody else would hear of its item.
    ``failed`` is told what a worker raised; ``ended`` is called afterwards.

    Used by the loop's thread alone.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        context: contextvars.Context,
        numbers: WorkerNumbers,
        not_begun: Callable[[One], None],
        failed: Callable[[BaseException], object],
        ended: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._context = context
        self._numbers = numbers
        self._not_begun = not_begun
        self._failed = failed
        self._ended = ended
        self._running: dict[int, asyncio.Task[None]] = {}  # by number
        self._first: dict[int, tuple[One, Work]] = {}  # of those that have not begun

    def __len__(self) -> int:
        return len(self._running)

    def start(
        self,
        first: One,
        make: Callable[[contextvars.Context, int], Work],
        measured: LoopShare | None,
    ) -> None:
        """Start a worker with an item: ``make`` is given its context and its number. Its steps are
        ``measured`` for that share, None for not."""
        context, number = self._context.copy(), self._numbers.acquire()
        work = make(context, number)
        self._first[number] = first, work
        # Not by the loop's factory of tasks: one that programs set may run the first step at once.
        steps = work if measured is None else measured.sampled(work)
        task = self._running[number] = asyncio.Task(steps, loop=self._loop, context=context)
        task.add_done_callback(partial(self._done, number), context=self._context)

    def begin(self, number: int) -> tuple[asyncio.Task[None], One]:
        """A worker begins: its task, and its first item."""
        return self._running[number], self._first.pop(number)[0]

    def end(self, number: int) -> None:
        """A worker runs nothing more."""
        del self._running[number]
        self._numbers.release(number)

    def cancel(self) -> None:
        """Cancel all that run."""
        for task in self._running.values():
            task.cancel()

    def _done(self, number: int, task: asyncio.Task[None]) -> None:
        if self._running.get(number) is not task:  # it has ended, and another may have its number
            return
        self.end(number)
        first = self._first.pop(number, None)
        if first is not None:
            first[1].close()
            self._not_begun(first[0])
        elif not task.cancelled() and (fault := task.exception()) is not None:
            self._failed(fault)
        self._ended()
