"""A batch in the caller's own event loop, under the policies that need no executor."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from batchmill.errors import BatchFailed
from batchmill.executors.describe import describe
from batchmill.flow.calls import NodeCall
from batchmill.flow.gathering import BoundedGather
from batchmill.flow.options import BatchOptions
from batchmill.flow.results import BatchResults
from batchmill.flow.tries import Tries
from batchmill.outcome import Outcome
from batchmill.policy import FailureWatch

Work = Callable[[Any, int], Awaitable[Any]]


async def gather_items(
    node: object,
    work: Work,
    items: Iterable[object],
    options: BatchOptions,
    *,
    limit: int | None,
    attempts: int = 1,
) -> list[Any]:
    """Await ``work(item, index)`` for every item, up to ``limit`` at once; the results in item order.

    ``attempts`` above 1 retries a failed item. Raises the first failure unchanged or, if failures are
    tolerated, :class:`BatchFailed` when there were too many.
    """
    options.need_no_engine()
    if attempts > 1:
        work = _retried(work, options, attempts)
    if options.fail_fast:
        alone = BoundedGather(work, limit=limit, on_failure=options.on_failure or "go on")
        return await alone.run(items)
    tally = _Tally(node, work, list(items), options)
    gathering = BoundedGather(tally.attempt, limit=limit, on_failure=options.on_failure or "cancel")
    try:
        values = await gathering.run(tally.items)
    except BatchFailed as failed:
        if failed is not tally.exceeded:
            raise
        return BatchResults(gathering.results, tally.errors()).checked(failed.message, tally.first)
    return BatchResults(values, tally.errors()).checked(tally.watch.verdict(), tally.first)


def _retried(work: Work, options: BatchOptions, attempts: int) -> Work:
    async def tried(item: object, index: int) -> Any:
        tries = Tries(attempts, options.retry_wait)
        for retry in itertools.count():
            try:
                return await work(item, index)
            except Exception as error:
                wait = tries.again(retry, error)
                if wait is None:
                    raise
            await asyncio.sleep(wait)
        return None

    return tried


class _Tally:
    """The failures of a batch that continues after them.

    Concurrency: used in one event loop's thread.
    """

    def __init__(self, node: object, work: Work, items: list[object], options: BatchOptions) -> None:
        self.items = items
        self.watch = FailureWatch(options.settings().failures, len(items))
        self.exceeded: BatchFailed | None = None
        self.first: Exception | None = None  # that of the lowest index would take all of them to be kept
        self._node = node
        self._work = work
        self._failed: dict[int, Outcome] = {}

    async def attempt(self, item: object, index: int) -> Any:
        """The item's result; None if it failed and the batch continues."""
        with NodeCall(self._node) as call:
            try:
                value = await self._work(item, index)
            except Exception as error:  # noqa: BLE001  # an item's end: kept as its error
                self.first = self.first or error
                self._failed[index] = Outcome(index, error=describe(error), attempts=call.retry + 1)
                self._count_failure()
                return None
        self.watch.add(1, 0)
        return value

    def _count_failure(self) -> None:
        self.watch.add(0, 1)
        if self.watch.must_stop():
            self.exceeded = self.exceeded or BatchFailed(self.watch.verdict() or "too many items failed")
            raise self.exceeded

    def errors(self) -> list[dict[str, Any]]:
        return [self._failed[index].as_error(self.items[index]) for index in sorted(self._failed)]
