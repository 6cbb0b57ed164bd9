"""Batch classes on the engine: convert their options to its settings, and its result to the argument of
``post``."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, MutableMapping
from typing import Any, TypeVar

from batchmill.batch import BatchResult, BatchSettings, run_batch
from batchmill.block import Block
from batchmill.concurrency.cancel import CancelToken
from batchmill.errors import InvalidSetting
from batchmill.executors.contract import Task
from batchmill.executors.running.cause import cause_of
from batchmill.flow.calls import call_of, recorder_in
from batchmill.flow.flow_end import FlowEnd
from batchmill.flow.flow_tasks import ShippedFlowTask, flow_task
from batchmill.flow.item_tasks import exec_task
from batchmill.flow.keeping import BatchVisit, entries_visit, visit_of
from batchmill.flow.options import BatchOptions
from batchmill.flow.publishing import Piece
from batchmill.flow.results import BatchResults

T = TypeVar("T")


def exec_batch(
    node: Any, items: Iterable[object], options: BatchOptions, cancel: CancelToken | None = None
) -> BatchResults[Any]:
    """``exec`` of a batch node on every item. Raises :class:`~batchmill.errors.BatchFailed`."""
    settings = options.settings(max_retries=node.max_retries, retry_wait=node.wait)
    visit, call = visit_of(node), call_of(node)
    task = exec_task(node, settings.retry.max_attempts, share=not options.isolated)
    if visit is not None:
        task.listen(visit.place, visit.run, in_process=settings.traits.in_process)
    result = _run(task, items, settings, options, cancel, visit)
    records = [one for one in result.records if not isinstance(one, Piece)]
    if records and call is not None and isinstance(call.shared, MutableMapping):
        recorder_in(call.shared).extend(records)
    return _checked(result, result.values)


def flow_batch(
    flow: object,
    shared: object,
    entries: Iterable[object],
    options: BatchOptions,
    cancel: CancelToken | None = None,
) -> BatchResults[Any]:
    """Run every entry of a batch flow; the values are last actions, or the results of the last nodes.

    Raises :class:`~batchmill.errors.BatchFailed`. In other processes entries work on copies of ``shared``;
    their changes are applied here in the order of the entries, including those of a batch that failed.
    """
    settings = options.settings()
    if settings.traits.in_process:
        _recorder(shared)
        task = flow_task(flow, shared, options.isolated, options.results)
        result = _run(task, entries, settings, options, cancel)
        return _checked(result, result.values)
    if not isinstance(shared, MutableMapping):
        raise InvalidSetting(
            f"executor={settings.executor!r} needs a dict as shared store, not {type(shared).__name__}"
        )
    with entries_visit(flow, shared) as visit:
        result = _run(
            ShippedFlowTask(flow, shared, options.results), entries, settings, options, cancel, visit
        )
    recorder_in(shared).extend(result.records)
    return _checked(result, [_applied(end, shared) for end in result.values])


def _checked(result: BatchResult[object], values: Iterable[object]) -> BatchResults[Any]:
    cause = cause_of(result.first_failure) if result.failure is not None else None
    return BatchResults.of(result, values).checked(result.failure, cause)


def _recorder(shared: object) -> None:
    if isinstance(shared, MutableMapping):
        recorder_in(shared)


def _applied(end: FlowEnd | None, shared: MutableMapping[str, object]) -> Any:
    if end is None:
        return None
    if end.changes is not None:
        end.changes.onto(shared)
    return end.value


def _run(
    task: Task,
    items: Iterable[object],
    settings: BatchSettings,
    options: BatchOptions,
    cancel: CancelToken | None,
    visit: BatchVisit | None = None,
) -> BatchResult[Any]:
    token = cancel or CancelToken()
    stops = options.on_failure == "cancel" and options.fail_fast

    def heard(block: Block) -> None:
        if stops and block.failures:
            token.cancel()
        if visit is not None:
            visit.publish(block)

    on_block = heard if stops or visit is not None else None
    if visit is None:
        return run_batch(task, items, settings, cancel=token, on_block=on_block)
    result = run_batch(
        task, items, settings, cancel=token, stop=visit.run.stop, on_block=on_block, log=visit.log
    )
    visit.counted(len(result), len(result.errors))
    return result


async def off_the_loop(work: Callable[[CancelToken], T]) -> T:
    """Run ``work`` in its own thread while the event loop continues.

    If the caller is cancelled, the batch is cancelled too, and has ended before the cancellation continues.
    """
    token = CancelToken()
    running = asyncio.ensure_future(asyncio.to_thread(work, token))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        token.cancel()
        await asyncio.wait([running])
        if not running.cancelled():
            running.exception()  # looked at: the cancellation is what the caller hears of
        raise
