"""Collect a batch node's outcomes: where its results go, and the resulting visit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from batchmill.batch import Batch, BatchEnd, OnBlock
from batchmill.batch.results.collector import ResultCollector
from batchmill.batch.results.sinks import DroppedResults, KeptResults, Results
from batchmill.block import Block
from batchmill.errors import BatchmillError
from batchmill.graph.frame import NodeFrame
from batchmill.graph.node_run import ENVIRONMENT, NodeRun, error_entry, error_of
from batchmill.ir.models.batch import BatchSpec
from batchmill.outcome import SKIPPED, ErrorInfo
from batchmill.sourced import all_bare

_TOLD = ("executor", "workers", "reason", "max_concurrent")  # of the metadata, in the report of a run


def results_of(spec: BatchSpec, around: NodeFrame, place: str) -> Results:
    """The destination of the results of the node at ``place``, by its block.

    Raises :class:`~batchmill.errors.TemplateError` and :class:`NodeError` for an invalid path,
    :class:`~batchmill.errors.FileInUse` for a file that must not be written to, and
    :class:`~batchmill.errors.StorageError` for one that cannot be written.
    """
    to = spec.collect_file
    if to is None:
        return KeptResults() if spec.keeps_results else DroppedResults()
    from batchmill.graph.visits.result_files import results_in_files  # most batches have none

    return results_in_files(to, around, place)


def entries(block: Block, item_kept: bool | list[str] = True) -> list[Any]:
    """The entries in ``results`` for the items of a block: the node's outputs and the kept part of the item,
    None if the item failed or was skipped."""
    if item_kept is False:
        made: list[object] = [None if value is SKIPPED else value or {} for value in block.values]
    else:
        keys, items = None if item_kept is True else item_kept, all_bare(block.items)
        items = items if keys is None else [_part(item, keys) for item in items]
        made = [
            None if value is SKIPPED else {**(value or {}), "item": item}
            for value, item in zip(block.values, items, strict=False)
        ]
    for offset, outcome in block.special.items():
        if outcome.error is not None:
            made[offset] = None
    return made


def skipped_in(block: Block) -> int:
    """The number of skipped items in a block whose values still come from the step."""
    return sum(value is SKIPPED for value in block.values)


def _part(item: object, keys: list[str]) -> dict[str, object]:
    """The chosen keys that an item has; none for an item that is not an object."""
    return {key: item[key] for key in keys if key in item} if isinstance(item, Mapping) else {}


def run_collected(batch: Batch, done: ResultCollector, on_block: OnBlock) -> BatchEnd:
    """Run a batch to its end, with any outcome, and close its results."""
    try:
        ending = batch.run_into(done, on_block)
    except BaseException:
        done.results.close(complete=False)
        raise
    try:
        done.results.close(complete=ending.failure is None)
    except BatchmillError as fault:
        return replace(ending, fault=fault, failure=f"{type(fault).__name__}: {fault}")
    return ending


def batch_visit(place: str, done: ResultCollector, ending: BatchEnd, retries: int) -> NodeRun:
    """The visit of the batch in the node at ``place``, which may have ended early. Its errors are those of
    items that were tried. Items that never started, perhaps a million, are only counted in the node's own
    outputs."""
    failure, metadata = ending.failure, ending.metadata
    outputs = _outputs(done, metadata)
    if failure is not None:
        outputs["error"] = failure
    counts = {key: outputs[key] for key in ("count", "success_count", "error_count")}
    if done.skipped_count is not None:
        counts["skipped_count"] = done.skipped_count
    visit = NodeRun(
        outputs=outputs,
        failure=failure,
        waiting=ending.waiting,
        present=frozenset(outputs),
        errors=_errors(done, ending),
        batch={**counts, **{key: metadata[key] for key in _TOLD if key in metadata}},
        retries=retries,
        environment=isinstance(ending.fault, ENVIRONMENT),
    )
    if done.waiting_count:
        counts_waiting = {"waiting_count": done.waiting_count}
        visit.batch = {**(visit.batch or {}), **counts_waiting}
    if failure is not None:
        _blame(visit, place, done, ending)
    visit.add_records(done.recorded(), place)
    if visit.degraded_items and visit.batch is not None:
        visit.batch["degraded_count"] = visit.degraded_items
    return visit


def _blame(visit: NodeRun, place: str, done: ResultCollector, ending: BatchEnd) -> None:
    """The first item that failed by itself is the cause, unless the batch as a whole broke."""
    first = done.first_failed
    if first is None or first.error is None or ending.fault is not None:
        visit.blame(_own_error(ending), place)
    else:
        visit.blame(first.error, f"{place}[{first.index}]")


def _errors(done: ResultCollector, ending: BatchEnd) -> Sequence[dict[str, Any]]:
    """The errors of the items; that of the batch if there are none, or if it cut the batch short."""
    tried = done.tried_errors
    if ending.failure is None or ending.waiting or (tried and ending.fault is None):
        return tried
    own = error_entry(_own_error(ending), 0)
    return [own] if not tried else [*tried, own]


def _own_error(ending: BatchEnd) -> ErrorInfo:
    if ending.fault is None:
        return ErrorInfo("BatchFailed", ending.failure or "", retryable=False)
    return error_of(ending.fault)


def _outputs(done: ResultCollector, metadata: dict[str, object]) -> dict[str, object]:
    """The outputs under a batch node's id."""
    return {
        **done.results.outputs(done.count, complete=done.success_count == done.count),
        "count": done.count,
        "success_count": done.success_count,
        "error_count": done.error_count,
        **({} if done.skipped_count is None else {"skipped_count": done.skipped_count}),
        "errors": done.errors,
        "batch_metadata": metadata,
    }
