"""Run a batch node: its items, its settings, and the outputs made of its outcomes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from batchmill.batch import Batch, BatchEnd, BatchSettings, OnBlock
from batchmill.batch.results.collector import ResultCollector
from batchmill.batch.results.sinks import PATH_KEY, DroppedResults
from batchmill.batch.stream_buffer import StreamBuffer
from batchmill.block import Block
from batchmill.concurrency.semaphore import FairSemaphore
from batchmill.errors import BatchmillError
from batchmill.events import Noticed
from batchmill.graph.attached import NOTHING_ATTACHED
from batchmill.graph.compile.foreign import items_are_named
from batchmill.graph.compile.node import PlannedNode
from batchmill.graph.frame import NodeFrame
from batchmill.graph.node_run import NodeRun, faulty_visit
from batchmill.graph.visits.admission import gate_of, paying_for
from batchmill.graph.visits.batch_items import items_at
from batchmill.graph.visits.collecting import batch_visit, entries, results_of, run_collected, skipped_in
from batchmill.graph.visits.columns import Columns
from batchmill.graph.visits.conditions import looked_at_again
from batchmill.graph.visits.fingerprint import batch_log
from batchmill.graph.visits.first_items import first_items
from batchmill.graph.visits.item_folders import NamingLog, folders_of
from batchmill.graph.visits.no_items import no_items
from batchmill.graph.visits.node_progress import NodeProgress
from batchmill.graph.visits.source_files import entered_files
from batchmill.ir.models.batch import BatchSpec
from batchmill.policy import RetryPolicy
from batchmill.step import ItemFolders, ItemStep, folder_step, item_step
from batchmill.template import compile_value
from batchmill.traits import TRAITS
from batchmill.warned import Warned


def run_batched(node: PlannedNode, spec: BatchSpec, around: NodeFrame) -> NodeRun:
    """Run ``node`` on every item; what keeps the batch from running at all fails the node."""
    try:
        tap = around.taps.get(node.id)
        items = items_at(node, spec, around)
        batch = NodeBatch(node, spec, items, around, ordered=tap is not None)
        batch.tell_start()
        return batch.run(tap)
    except (BatchmillError, OSError) as fault:
        return faulty_visit(fault, around.place(node.id))


class NodeBatch:
    """One visit of a batch node: the batch, its events, the resulting visit.

    ``ordered`` and ``apart`` are those of :class:`~batchmill.batch.engine.Batch`. Made in the scheduler's
    thread, run in one thread. Raises :class:`~batchmill.errors.InvalidSetting`.
    """

    def __init__(
        self,
        node: PlannedNode,
        spec: BatchSpec,
        items: Iterable[object] | StreamBuffer,
        around: NodeFrame,
        *,
        ordered: bool = False,
        apart: bool = False,
    ) -> None:
        settings = settings_of(node, spec, around)
        keyed = keys_of(node, around)
        self._folders = folders = folders_of(node, around, keyed)
        step = step_of(node, spec, around, keyed, folders)
        if TRAITS[settings.executor].elsewhere:  # nobody else asks, and there may be much to look at
            step.credential = node.credential
        settings = replace(settings, gate=gate_of(node, step, settings, around, spec))
        log = looked_at_again(node, step, batch_log(node, spec, items, around))
        log = log if folders is None else NamingLog(log, folders)
        log = around.attached.get(node.id, NOTHING_ATTACHED).heard(log)
        self._columns = Columns(spec, around, keyed)
        self.batch = Batch(
            step,
            items,
            settings,
            ordered=ordered,
            cancel=around.cancel,
            stop=around.stop,
            apart=apart,
            log=log,
            judge=self._columns.judge if self._columns.judges else None,
        )
        self._place = around.place(node.id)
        self._reading = entered_files(items, around, self._place)
        self._spec = spec
        self._skips = node.spec.when is not None
        self._hands_in = node.stays
        self._around = around
        self._progress = NodeProgress(self._place, around, self.batch.total)

    def tell_start(self) -> None:
        """Tell the bus that the node begins."""
        self._progress.started(self.batch)

    def run(self, hand_on: OnBlock | None = None) -> NodeRun:
        """Run to the end; ``hand_on`` is given every block, with finished entries as its values.

        Raises what keeps the batch from running.
        """
        try:
            return self._run(hand_on)
        finally:
            if self._folders is not None:
                self._folders.tidy()
            for entry in self._reading:
                self._around.services.files.done(entry)

    def _run(self, hand_on: OnBlock | None) -> NodeRun:
        done = ResultCollector(results_of(self._spec, self._around, self._place))
        self.batch.on_choice, self.batch.on_death = self._progress.chosen, self._progress.died
        self.batch.on_worker = self._progress.placed

        if self._skips:
            done.note_skipped(0)

        desk = self._around.services.desk if self._hands_in else None
        drops = hand_on is None and isinstance(done.results, DroppedResults)  # nobody looks at the values

        def on_block(block: Block) -> None:
            self._progress.add(block)
            if desk is not None:
                succeeded, failed = _ended_in(block)
                desk.ended(self._place, succeeded)
                desk.ended(self._place, failed, failed=True)
            if self._skips:
                skipped = skipped_in(block)
                done.note_skipped(skipped)
                self.batch.watch.skipped += skipped
            rows = self._columns.rows(block) if self._columns.chosen else None
            if not drops:
                block.values = entries(block, self._spec.item)
            if hand_on is not None:
                hand_on(block)
            if rows is not None:
                block.values = rows

        with self._around.services.under_way.shown(self._place, self.batch):
            ending = run_collected(self.batch, done, on_block)
        return self._ended(done, ending)

    def _ended(self, done: ResultCollector, ending: BatchEnd) -> NodeRun:
        """What became of the node."""
        visit = batch_visit(self._place, done, ending, self._progress.retries)
        unfinished = done.cancelled_count > 0 or ending.unread
        ended = self._around.cancel.cancelled or (ending.stopped and unfinished)
        visit.stopped = ended and not (done.complete and not ending.unread)
        if not visit.failed and not isinstance(self.batch.source, StreamBuffer):
            visit.warnings += self._warnings(done.count)
        if visit.failed and self._spec.results_path is not None:
            path = visit.outputs[PATH_KEY]
            self._around.services.bus.emit(Noticed(f"its results so far are in {path}", self._place))
        return visit

    def _warnings(self, count: int) -> tuple[Warned, ...]:
        """What is odd about the number of items."""
        none = None if count else no_items(self._spec, self._around)
        first = first_items(self._spec, self._around, count)
        return tuple(one for one in (none, first) if one is not None)


def keys_of(node: PlannedNode, around: NodeFrame) -> tuple[str, ...]:
    """The parts of the node's item keys, besides the items."""
    return str(around.services.run.get("id", "")), around.inside, node.id


def step_of(
    node: PlannedNode,
    spec: BatchSpec,
    around: NodeFrame,
    keyed: tuple[str, ...],
    folders: ItemFolders | None = None,
) -> ItemStep:
    """The node as a step for one item; each item runs in its own folder if there are ``folders``."""
    told: dict[str, Any] = {
        "item_name": spec.as_,
        "folder": around.folder,
        "as_json": spec.results_path is not None,
        "paying": paying_for(node, around),
        "when": None if node.spec.when is None else compile_value(node.spec.when),
        "files": node.files_named,
        "keyed": keyed,
        "named": not node.params.urls or items_are_named(spec, around.namespace.is_foreign),
    }
    given = around.make(node), node.params, around.namespace
    step = item_step(*given, **told) if folders is None else folder_step(*given, folders, **told)
    step.masker, step.needs_folder = around.masker, node.needs_folder
    return step


def _ended_in(block: Block) -> tuple[list[int], list[int]]:
    """The indices of the items of a block that have come to their ends with results, and as failures."""
    errors = {offset: one.error for offset, one in block.special.items() if one.error is not None}
    failed = [block.start + offset for offset, error in errors.items() if error.kind != "cancelled"]
    return [block.start + offset for offset in range(len(block)) if offset not in errors], failed


def settings_of(node: PlannedNode, spec: BatchSpec, around: NodeFrame) -> BatchSettings:
    """The batch block as settings, with the overrides of the run."""
    executor = around.services.executor or spec.executor_name
    reason = ""
    if around.in_worker and TRAITS[executor].within_worker:
        reason = f"{executor} was asked for, and a worker process has no workers of its own"
        executor = TRAITS[executor].within_worker
    if node.stays and TRAITS[executor].own_processes:
        reason = f"{executor} was asked for, and requests of a batch API are gathered in one process"
        executor = "thread"
    traits = TRAITS[executor]
    wanted = spec.fixed_concurrent if around.services.jobs is None else around.services.jobs
    return replace(
        BatchSettings.of_block(spec),
        executor=executor,
        max_concurrent=wanted if traits.side_by_side else None,
        timeout=spec.timeout if spec.timeout is not None else node.spec.timeout,
        retry=_retry(node, spec),
        failures=replace(spec.failure_policy(), watches_denials=node.kind.requests is not False),
        memory_limit_bytes=spec.memory_limit if traits.own_processes else None,
        reason=reason,
        permits=around.services.permits or around.attached.get(node.id, NOTHING_ATTACHED).permits,
        slots=_slots(executor, spec, around),
        cluster=around.services.cluster,
    )


def _slots(executor: str, spec: BatchSpec, around: NodeFrame) -> FairSemaphore | None:
    if around.services.quota is None or not TRAITS[executor].starts_here:
        return None
    return around.services.quota.slots(asked=spec.max_concurrent is not None)


def _retry(node: PlannedNode, spec: BatchSpec) -> RetryPolicy:
    """The block's own policy, or the node's ``retry`` if the block has none."""
    own = spec.retry_keys_given or node.spec.retry is None
    return spec.retry_policy(node.usual_retry) if own else node.retry
