"""What a batch node's outcomes are made into: where its results go, and the visit they come to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from batchmill.batch import Batch, Ending, OnBlock
from batchmill.batch.collected import Collected
from batchmill.batch.jsonl import JsonlResults
from batchmill.batch.keeping import Record
from batchmill.batch.results import DroppedResults, KeptResults, Results
from batchmill.errors import NodeError, StorageError
from batchmill.graph.surroundings import Surroundings
from batchmill.graph.visit import ENVIRONMENT, Visit, error_entry
from batchmill.ir.models.batch import BatchSpec
from batchmill.journal.encoding import NOT_JSON, encode, encode_all
from batchmill.outcome import Block, ErrorInfo
from batchmill.plain import shown
from batchmill.template import compile_value

_TOLD = ("executor", "workers", "reason", "max_concurrent")  # of the metadata, in the report of a run


def results_of(spec: BatchSpec, around: Surroundings) -> Results:
    """Where the block says that results go.

    Raises :class:`~batchmill.errors.TemplateError` and :class:`NodeError` for a path that is none,
    :class:`~batchmill.errors.StorageError` for a file that cannot be written.
    """
    if spec.results_path is not None:
        path = compile_value(spec.results_path).resolve(around.namespace.scope())
        if not isinstance(path, str) or not path:
            message = f"batch.collect.jsonl must be a path, but {spec.results_path} is {path!r}"
            raise NodeError(message, retryable=False, type_name="InvalidResultsPath")
        return JsonlResults(path, lambda value: around.masker.value(shown(value)))
    return KeptResults() if spec.keeps_results else DroppedResults()


def fits_of(spec: BatchSpec) -> Record | None:
    """What raises for results that have no form in the file they go to; None where they go to none."""
    return None if spec.results_path is None else _fits


def _fits(block: Block) -> None:
    try:
        encode_all(block.values)
        encode_all(block.items)
    except NOT_JSON:  # as it stands: JsonlResults writes what is shown of it
        for entry in entries(block):
            encode(shown(entry))


def entries(block: Block) -> list[Any]:
    """What stands in ``results`` for the items of a block: the node's outputs and the item, None where the
    item failed."""
    made: list[Any] = [
        {**(value or {}), "item": item} for value, item in zip(block.values, block.items, strict=False)
    ]
    for offset, outcome in block.special.items():
        if outcome.error is not None:
            made[offset] = None
    return made


def run_collected(batch: Batch, done: Collected, on_block: OnBlock) -> Ending:
    """Run a batch to its end, whatever that is, and end its results."""
    fault: StorageError | None = None
    try:
        ending = batch.run_into(done, on_block)
    finally:
        try:
            done.results.close()
        except StorageError as error:
            fault = error
    return ending if fault is None else replace(ending, fault=fault, failure=f"StorageError: {fault}")


def batch_visit(place: str, done: Collected, ending: Ending, retries: int) -> Visit:
    """The visit of the batch in the node at ``place``, which ran, perhaps not to its end. Its errors are
    those of items that were tried: of items that never started, perhaps a million, the node's own outputs
    tell."""
    failure, metadata = ending.failure, ending.metadata
    outputs = _outputs(done, metadata)
    if failure is not None:
        outputs["error"] = failure
    counts = {key: outputs[key] for key in ("count", "success_count", "error_count")}
    visit = Visit(
        outputs=outputs,
        failure=failure,
        present=frozenset(outputs),
        errors=_errors(done, ending),
        batch={**counts, **{key: metadata[key] for key in _TOLD if key in metadata}},
        retries=retries,
        environment=isinstance(ending.fault, ENVIRONMENT),
    )
    if failure is not None:
        _blame(visit, place, done, ending)
    visit.add_records(done.recorded(), place)
    return visit


def _blame(visit: Visit, place: str, done: Collected, ending: Ending) -> None:
    """The first item that failed by itself is the cause, unless the batch as a whole broke."""
    first = done.first_failed
    if first is None or first.error is None or ending.fault is not None:
        visit.blame(_own_error(ending), place)
    else:
        visit.blame(first.error, f"{place}[{first.index}]")


def _errors(done: Collected, ending: Ending) -> Sequence[dict[str, Any]]:
    """Those of the items; that of the batch where there are none, or where it was cut short by one."""
    tried = done.tried_errors
    if ending.failure is None or (tried and ending.fault is None):
        return tried
    own = error_entry(_own_error(ending), 0)
    return [own] if not tried else [*tried, own]


def _own_error(ending: Ending) -> ErrorInfo:
    if ending.fault is None:
        return ErrorInfo("BatchFailed", ending.failure or "", retryable=False)
    return ErrorInfo(type(ending.fault).__name__, str(ending.fault), retryable=False)


def _outputs(done: Collected, metadata: dict[str, Any]) -> dict[str, Any]:
    """What stands under a batch node's id."""
    return {
        **done.results.outputs(done.count, complete=done.success_count == done.count),
        "count": done.count,
        "success_count": done.success_count,
        "error_count": done.error_count,
        "errors": done.errors,
        "batch_metadata": metadata,
    }
