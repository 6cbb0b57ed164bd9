"""The async batch classes: one item after another, or all at once within a limit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast

from batchmill.concurrency.deadline import deadline
from batchmill.flow.async_flow import AsyncFlow
from batchmill.flow.async_node import AsyncNode
from batchmill.flow.batch import BatchFlow, BatchNode
from batchmill.flow.calls import NodeCall
from batchmill.flow.engine import exec_batch, flow_batch, off_the_loop
from batchmill.flow.flow_tasks import flow_for_one_run
from batchmill.flow.keeping import batch_visit, kept_items
from batchmill.flow.looped import gather_items
from batchmill.flow.options import DEFAULTS, options_of
from batchmill.flow.typevars import ParamsT, SharedT


class _OfItems(AsyncNode[SharedT, ParamsT, Any, Any], BatchNode[SharedT, ParamsT]):
    """Shared by both nodes: a visit with a result for each item."""

    async def _kept_async(self, call: NodeCall, prep_res: object) -> Any:
        with batch_visit(call):
            return await self._exec(prep_res)

    async def _tried_async(self, prep_res: object, *, of_item: bool) -> Any:
        return await super()._tried_async(prep_res, of_item=True)  # whatever asks for it


class AsyncBatchNode(_OfItems[SharedT, ParamsT]):
    """A :class:`~batchmill.flow.BatchNode` with coroutines: ``exec_async`` per item, one after another."""

    async def _exec(self, items: Iterable[Any] | None) -> Any:
        options, one = options_of(self), kept_items(self, super()._exec)
        if options == DEFAULTS:
            return [await one(item, index) for index, item in enumerate(items or [])]
        if options.executor is not None:
            return await off_the_loop(lambda cancel: exec_batch(self, items or [], options, cancel))
        return await gather_items(self, one, items or [], options, limit=1)


class AsyncParallelBatchNode(_OfItems[SharedT, ParamsT]):
    """Runs ``exec_async`` of all items at once in the caller's event loop, ``max_concurrent`` at a time.

    The first failure is raised at once, and running items continue. With ``on_failure`` they are cancelled,
    or finish, before it is raised.
    """

    async def _exec(self, items: Iterable[Any] | None) -> Any:
        options = options_of(self)
        if options.executor is not None:
            return await off_the_loop(lambda cancel: exec_batch(self, items or [], options, cancel))
        one = kept_items(self, super()._exec)
        return await gather_items(self, one, items or [], options, limit=options.limit)


class AsyncBatchFlow(AsyncFlow[SharedT, ParamsT], BatchFlow[SharedT, ParamsT]):
    """A :class:`~batchmill.flow.BatchFlow` of async nodes, one entry after another."""

    async def _run_async(self, shared: SharedT) -> Any:
        with NodeCall(self, shared):
            entries: Iterable[Mapping[str, Any]] = await self.prep_async(shared) or []
            options = options_of(self)
            if options == DEFAULTS:
                for entry in entries:
                    await self._orch_async(shared, {**cast(Any, self.params), **entry})
                return await self.post_async(shared, entries, None)
            return await self.post_async(shared, entries, await _entries(self, shared, entries, 1))


class AsyncParallelBatchFlow(AsyncFlow[SharedT, ParamsT], BatchFlow[SharedT, ParamsT]):
    """Runs all entries at once in the caller's event loop, ``max_concurrent`` at a time.

    Each visit works on a shallow copy of its node, so entries share the store and the objects that nodes
    hold. With ``isolate=True``, and on an executor, they share only the store. Failures are handled as in
    :class:`AsyncParallelBatchNode`.
    """

    async def _run_async(self, shared: SharedT) -> Any:
        with NodeCall(self, shared):
            entries: Iterable[Mapping[str, Any]] = await self.prep_async(shared) or []
            options = options_of(self)
            actions = await _entries(self, shared, entries, options.limit)
            return await self.post_async(shared, entries, None if options == DEFAULTS else actions)


async def _entries(
    flow: Any, shared: object, entries: Iterable[Mapping[str, object]], limit: int | None
) -> Any:
    options = options_of(flow)
    if options.executor is not None:
        return await off_the_loop(lambda cancel: flow_batch(flow, shared, entries, options, cancel))

    async def one(entry: Mapping[str, Any], index: int) -> Any:
        twin = flow_for_one_run(flow, options.isolated)
        with NodeCall(twin, shared) as call:
            async with deadline(options.timeout, f"no result within {options.timeout or 0:g} s"):
                action = await twin._orch_async(shared, {**flow.params, **entry})
            return call.last if options.results else action

    return await gather_items(flow, one, entries, options, limit=limit, attempts=options.max_retries)
