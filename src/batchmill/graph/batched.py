"""Running a batch node: its items, its settings, and the outputs that its outcomes make together."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from batchmill.batch import Batch, BatchResult, BatchSettings, OnBlock
from batchmill.batch.handoff import Handoff
from batchmill.batch.readers import open_source
from batchmill.errors import BatchmillError, NodeError
from batchmill.events import BatchProgress, NodeStarted, Pace
from batchmill.graph.surroundings import RunnableNode, Surroundings
from batchmill.graph.visit import Visit, error_entry, faulty_visit
from batchmill.ir.models.batch import BatchSpec
from batchmill.outcome import Block, ErrorInfo
from batchmill.policy import RetryPolicy
from batchmill.step import item_step
from batchmill.template import compile_value

_RETRY_KEYS = {"max_retries", "retry_wait", "retry_backoff", "retry_max_wait", "retry_jitter"}
_TOLD = ("executor", "workers", "reason", "max_concurrent")  # of the metadata, in the report of a run


def run_batched(node: RunnableNode, spec: BatchSpec, around: Surroundings) -> Visit:
    """Run ``node`` on every item; what keeps the batch from running at all fails the node."""
    try:
        batch = NodeBatch(node, spec, items_of(spec, around), around)
        batch.tell_start()
        return batch.run()
    except (BatchmillError, OSError) as fault:
        return faulty_visit(fault)


class NodeBatch:
    """One visit of a batch node: the batch, what it tells of itself meanwhile, the visit it comes to.

    ``ordered`` and ``apart`` are those of :class:`~batchmill.batch.engine.Batch`. Made in the scheduler's
    thread, run in one thread. Raises :class:`~batchmill.errors.InvalidSetting`.
    """

    def __init__(
        self,
        node: RunnableNode,
        spec: BatchSpec,
        items: Iterable[Any] | Handoff,
        around: Surroundings,
        *,
        ordered: bool = False,
        apart: bool = False,
    ) -> None:
        settings = settings_of(node, spec, around)
        step = item_step(node.kind(), node.params, around.namespace, item_name=spec.as_, folder=around.folder)
        self.batch = Batch(
            step, items, settings, ordered=ordered, cancel=around.cancel, stop=around.stop, apart=apart
        )
        self._node = node.id
        self._around = around
        self._progress = _Progress(node.id, around, self.batch.total)

    def tell_start(self) -> None:
        """Tell the bus that the node begins."""
        self._progress.started(self.batch)

    def run(self, hand_on: OnBlock | None = None) -> Visit:
        """Run to the end; ``hand_on`` is given every block, with finished entries as its values.

        Raises what keeps the batch from running.
        """

        def on_block(block: Block) -> None:
            self._progress.add(block)
            block.values = entries(block)
            if hand_on is not None:
                hand_on(block)

        done = self.batch.gather(on_block)
        visit = _visit(self._node, done, self._progress.retries)
        visit.stopped = bool(done.failed) and (self._around.cancel.cancelled or _has_cancelled(done))
        return visit


def items_of(spec: BatchSpec, around: Surroundings) -> Iterable[Any]:
    """The items, with templates resolved; sources are opened here and read later, as workers ask.

    Raises :class:`~batchmill.errors.TemplateError`, :class:`NodeError` for a reference to something that
    is no list, :class:`~batchmill.errors.StorageError` for a source that cannot be opened.
    """
    value = compile_value(spec.items_value).resolve(around.namespace.scope())
    kind = spec.items_kind
    if kind == "list":
        return list(value)
    if kind != "reference":
        return open_source({kind: value})
    return _as_list(value, str(spec.items))


def _as_list(value: Any, written: str) -> Iterable[Any]:
    if isinstance(value, str):
        value = _parsed(value)
    if isinstance(value, (list, tuple, range)):
        return value
    shown = type(value).__name__ if not isinstance(value, str) else f"text ({value[:40]!r})"
    raise NodeError(
        f"batch.items must be a list, but {written} is {shown}", retryable=False, type_name="InvalidItems"
    )


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:  # no JSON: the caller says what it is instead
        return text


def settings_of(node: RunnableNode, spec: BatchSpec, around: Surroundings) -> BatchSettings:
    """The batch block as settings, with the overrides of the run."""
    executor = around.executor or spec.executor_name
    wanted = spec.max_concurrent if around.jobs is None else around.jobs
    return BatchSettings(
        executor=executor,
        max_concurrent=None if executor == "sequential" else wanted,
        chunk_size=spec.fixed_chunk_size,
        timeout=spec.timeout if spec.timeout is not None else node.spec.timeout,
        retry=_retry(node, spec),
        failures=spec.failure_policy(),
        memory_limit_bytes=spec.memory_limit if executor == "process" else None,
    )


def _retry(node: RunnableNode, spec: BatchSpec) -> RetryPolicy:
    """The block's own policy; the node's ``retry`` where the block says nothing of retries."""
    own = bool(_RETRY_KEYS & spec.model_fields_set)
    return spec.retry_policy() if own or node.spec.retry is None else node.retry


@dataclass(slots=True)
class _Progress:
    """Counts a batch's outcomes as they come, and tells the bus."""

    node: str
    around: Surroundings
    total: int | None
    done: int = 0
    failed: int = 0
    retries: int = 0
    pace: Pace | None = None

    def started(self, batch: Batch) -> None:
        self.pace = Pace()
        self.around.bus.emit(NodeStarted(self.node, self.total, batch.settings.executor, batch.workers))

    def add(self, block: Block) -> None:
        self.done += len(block)
        for outcome in block.special.values():
            self.failed += outcome.error is not None
            self.retries += max(0, outcome.attempts - 1)
        if self.pace is not None and self.pace.due():
            self.around.bus.emit(BatchProgress(self.node, self.done, self.failed, self.total))


def _visit(node: str, done: BatchResult[Any], retries: int) -> Visit:
    """The visit of a batch that ran. Its errors are those of items that were tried: of items that never
    started, perhaps a million, the node's own outputs tell."""
    outputs = outputs_of(done)
    if done.failure is not None:
        outputs["error"] = done.failure
    counts = {key: outputs[key] for key in ("count", "success_count", "error_count")}
    visit = Visit(
        outputs=outputs,
        failure=done.failure,
        present=frozenset(outputs),
        errors=[entry for entry in outputs["errors"] if entry["attempts"] or entry["kind"] != "cancelled"],
        batch={**counts, **{key: done.metadata[key] for key in _TOLD if key in done.metadata}},
        retries=retries,
    )
    if done.failure is not None and not visit.errors:
        visit.errors.append(error_entry(ErrorInfo("BatchFailed", done.failure, retryable=False), 0))
    visit.add_records(done.recorded, node)
    return visit


def _has_cancelled(done: BatchResult[Any]) -> bool:
    """Whether items were left out because the run was stopped, not because another item failed."""
    return done.stopped and len(done.failed) > done.error_count


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


def outputs_of(done: BatchResult[Any]) -> dict[str, Any]:
    """What stands under a batch node's id; the values of ``done`` are entries. ``succeeded`` is ``results``
    without the places of failed items; the entries are the same objects, so it costs a list of references
    and no more."""
    results = done.values
    return {
        "results": results,
        "count": done.count,
        "success_count": done.success_count,
        "error_count": done.error_count,
        "errors": done.errors,
        "batch_metadata": done.metadata,
        "succeeded": [value for value in results if value is not None] if done.failed else results,
    }
