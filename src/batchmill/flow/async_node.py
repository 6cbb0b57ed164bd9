"""A node whose steps are coroutines."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncGenerator, Awaitable, Coroutine
from types import CoroutineType
from typing import Any, Unpack, cast

from batchmill.concurrency.deadline import deadline
from batchmill.concurrency.promises import KEPT_AS_THEY_ARE, settled
from batchmill.executors.contract import Task
from batchmill.flow.calls import NodeAttempts, NodeCall
from batchmill.flow.item_tasks import AsyncOwnRetriesTask
from batchmill.flow.journaled import RunKeywords, run_of
from batchmill.flow.keeping import SingleVisit
from batchmill.flow.node import Node
from batchmill.flow.options import options_of
from batchmill.flow.publishing import pieces
from batchmill.flow.tries import Tries
from batchmill.flow.typevars import ExecT, ParamsT, PrepT, SharedT
from batchmill.flow.warned import class_of
from batchmill.values.tracebacks import warn


def _read_out(work: object, of_item: bool) -> Awaitable[Any]:
    """The result of ``exec_async``; values that a generator yields are published."""
    read = of_item or isinstance(work, AsyncGenerator)
    return settled(pieces(work)) if read else cast(Awaitable[Any], work)


class AsyncNode(Node[SharedT, ParamsT, PrepT, ExecT]):
    """A node with coroutines: ``prep_async``, ``exec_async``, ``post_async``, run with ``run_async``.

    Retries, waits and ``cur_retry`` are those of :class:`Node`; after the last attempt
    ``exec_fallback_async`` is called.
    """

    async def prep_async(self, shared: SharedT) -> PrepT:
        """Read what ``exec_async`` needs out of the shared store."""
        return cast(PrepT, None)

    async def exec_async(self, prep_res: PrepT) -> ExecT:
        """Do the work, without the shared store; if it raises, it is retried."""
        return cast(ExecT, None)

    async def exec_fallback_async(self, prep_res: PrepT, exc: Exception) -> ExecT:
        """The result to use when the last attempt failed too; raises ``exc`` unless overridden."""
        raise exc

    async def post_async(self, shared: SharedT, prep_res: PrepT, exec_res: ExecT) -> Any:
        """Write the result to the shared store; the action returned picks the next node."""
        return None

    async def _exec(self, prep_res: Any) -> Any:
        return await self._tried_async(prep_res, of_item=False)

    def _item_async(self, item: object) -> Coroutine[Any, Any, Any]:
        """``exec_async`` of an item of a batch; its result must be a plain value afterwards."""
        return self._tried_async(item, of_item=True)

    async def _tried_async(self, prep_res: Any, *, of_item: bool) -> Any:
        """The result of ``exec_async`` after its retries; ``of_item``: it must be a plain value."""
        limit = options_of(self).timeout
        with NodeAttempts(self):
            tries: Tries | None = None
            for retry in itertools.count():
                self.cur_retry = retry
                try:
                    if limit is None:
                        work: Any = self.exec_async(prep_res)
                        # Each coroutine around it would cost at every turn of the loop.
                        value = await (work if type(work) is CoroutineType else _read_out(work, of_item))
                    else:
                        async with deadline(limit, f"no result within {limit:g} s"):
                            value = await _read_out(self.exec_async(prep_res), of_item)
                    if of_item and type(value) not in KEPT_AS_THEY_ARE:
                        value = await settled(value)
                    return value
                except Exception as error:  # noqa: BLE001  # a try ends here; the last one's error goes on
                    tries = tries or Tries(self.max_retries, self.wait)
                    wait = tries.again(max(retry, self.cur_retry), error)
                    if wait is None:
                        return await self.exec_fallback_async(prep_res, error)
                if wait > 0:
                    await asyncio.sleep(wait)
        return None

    async def _kept_async(self, call: NodeCall, prep_res: object) -> Any:
        """The result of ``exec_async`` in a run that is saved or has listeners."""
        visit = SingleVisit(call, prep_res)
        if not visit.known:
            with visit.making() as made:
                made.value = await self._exec(prep_res)
            return made.value
        return visit.value

    async def run_async(self, shared: SharedT, **keeping: Unpack[RunKeywords]) -> Any:
        """Run this node alone, or this flow, and return the result of ``post_async``. Warns if a node has
        successors. The keywords are those of :class:`~batchmill.flow.journaled.RunKeywords`."""
        if self.successors:
            warn(f"Node won't run successors. Use AsyncFlow. ({class_of(self)})")
        if not keeping:
            return await self._run_async(shared)
        with run_of(self, shared, **keeping):
            return await self._run_async(shared)

    async def _run_async(self, shared: SharedT) -> Any:
        with NodeCall(self, shared) as call:
            prep_res = await self.prep_async(shared)
            exec_res = await (self._exec(prep_res) if call.run is None else self._kept_async(call, prep_res))
            call.tell(exec_res)
            return await self.post_async(shared, prep_res, exec_res)

    def _run(self, shared: SharedT) -> Any:
        raise RuntimeError("Use run_async.")

    def as_task(self) -> Task:
        """The task that :func:`batchmill.map` runs: ``exec_async`` of one item, with this node's
        own retries."""
        return AsyncOwnRetriesTask(self, AsyncNode._item_async)
