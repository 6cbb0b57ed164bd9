"""The attempts of items that are awaited on an event loop."""

from __future__ import annotations

import asyncio
import time

from batchmill.attempt import Attempt
from batchmill.concurrency.cancel import CancelToken
from batchmill.concurrency.deadline import deadline
from batchmill.executors.contract import Channel, Chunk, Task
from batchmill.executors.running.attempts import Attempts, Job, Wait
from batchmill.executors.running.runner import LATE_SECONDS
from batchmill.outcome import ErrorInfo, Outcome
from batchmill.record import Recorder


class AwaitedAttempts:
    """Makes the attempts of the items of one batch with ``task``. Set ``stopping`` when nothing may start any
    more, and ``over`` when what runs is cancelled.

    Concurrency: used by the loop's thread; ``task`` is set before, ``over`` by any thread.
    """

    def __init__(self, task: Task, job: Job, channel: Channel, cancel: CancelToken) -> None:
        self.task = task
        self.over = False
        self.stopping = asyncio.Event()
        self._job = job
        self._channel = channel
        self._cancel = cancel

    def of_item(self, index: int, lost: Chunk | None, recorder: Recorder, began: float) -> Attempts:
        """Those of one item; ``lost`` is the chunk of one that was lost, or failed, before."""
        return Attempts(self._job, index, recorder, self._cancel, began, lost)

    async def to_the_end(self, item: object, index: int, attempts: Attempts, then: Wait | Outcome) -> Outcome:
        """Do what is next for an item until its end. Not called where an exception is being handled: it would
        become the context of those that further attempts raise."""
        while isinstance(then, Wait):
            try:
                stopped = await self._stopped_within(then.seconds)
            except asyncio.CancelledError:
                if self._by_force():
                    raise
                stopped = self._channel.stopped  # the item's own, which came after its attempt
            if stopped:
                return attempts.stopped()
            _uncancel()
            attempts.begin()
            then = await self.make(item, index, attempts)
        return then

    async def make(self, item: object, index: int, attempts: Attempts) -> Wait | Outcome:
        """Make one, and say what is next."""
        try:
            return attempts.returned(await self._value(item, index, attempts))
        except BaseException as fault:  # noqa: BLE001  # whatever an item raises is its error
            return self.caught(fault, attempts)

    def caught(self, fault: BaseException, attempts: Attempts) -> Wait | Outcome:
        """What is next after an attempt that raised ``fault``."""
        if not isinstance(fault, asyncio.CancelledError):
            return attempts.raised(fault)
        if self._by_force():
            return attempts.ended_by_force()
        return attempts.failed(ErrorInfo("CancelledError", "the item cancelled itself"))

    def _by_force(self) -> bool:
        """Whether a cancellation is the batch's own."""
        return self._cancel.cancelled or self.over

    async def _stopped_within(self, seconds: float) -> bool:
        """Wait before another attempt; True as soon as nothing may start any more."""
        if not seconds:
            await asyncio.sleep(0)
            return self._channel.stopped
        try:
            async with asyncio.timeout(seconds):
                await self.stopping.wait()
        except TimeoutError:
            return self._channel.stopped
        return True

    async def _value(self, item: object, index: int, attempts: Attempts) -> object:
        """The result of an attempt."""
        number, recorder = attempts.number, attempts.recorder
        timeout = self._job.timeout
        if timeout is None:
            return await self.task.run_async(item, index, Attempt(number, None, recorder, self._cancel))
        attempt = Attempt(number, time.monotonic() + timeout, recorder, self._cancel, timeout)
        async with deadline(timeout + LATE_SECONDS, f"no result within {timeout:g} s"):  # as on threads
            return await self.task.run_async(item, index, attempt)


def _uncancel() -> None:
    """Forget the cancellations that an attempt asked for: another one begins."""
    task = asyncio.current_task()
    while task is not None and task.cancelling():
        task.uncancel()
