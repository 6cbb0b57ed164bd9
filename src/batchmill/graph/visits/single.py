"""Run a node that is not a batch: its attempts are those of a batch of one item."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from batchmill.batch import Batch, BatchSettings
from batchmill.batch.keeping import refused
from batchmill.errors import InternalError, StorageError
from batchmill.events import NodeRetried
from batchmill.executors.local.inline import run_alone
from batchmill.graph.compile.node import PlannedNode
from batchmill.graph.frame import NodeFrame
from batchmill.graph.node_run import NodeRun, failed_visit
from batchmill.graph.visits.admission import gate_of, is_limited, paying_for
from batchmill.graph.visits.fingerprint import single_log
from batchmill.journal.contract import SingleLog
from batchmill.nodes import DEFAULT_ACTION, NodeResult
from batchmill.nodes.workflow import WorkflowNode
from batchmill.outcome import NO_WAITS, ErrorInfo, Outcome, cancelled
from batchmill.step import single_step
from batchmill.step.step import SingleStep


def run_single(node: PlannedNode, around: NodeFrame, carried: Mapping[str, object] | None = None) -> NodeRun:
    """Run ``node`` once, with its retries and timeout; ``carried`` overrides its params."""
    log = single_log(node, around, carried)
    known = log.known if log is not None else None
    if known is not None:
        outcome = Outcome(0, NodeResult(*_given_back(*known)), wall=known[0].wall, records=known[0].records)
    elif around.services.rehearsal is not None and not issubclass(node.kind, WorkflowNode):
        return around.services.rehearsal.would_run(around.place(node.id))
    else:
        began = time.perf_counter()
        made, paying = around.make(node), paying_for(node, around)
        told: dict[str, Any] = {"carried": carried, "paying": paying, "files": node.files_named}
        step = single_step(made, node.params, around.namespace, **told)
        outcome = _outcome(node, step, around)
        if log is not None:
            if outcome.waits == NO_WAITS:  # else its begin is known, which is when the waiting was over
                outcome = replace(outcome, wall=time.perf_counter() - began, began=began, worker=0)
            outcome = _kept(log, outcome)
    if outcome.error is not None:
        visit = failed_visit(outcome.error, outcome.attempts, node.diagnostics)
        visit.blame(outcome.error, around.place(node.id))
        visit.waiting = outcome.error.waiting
        visit.errors = [] if visit.waiting else visit.errors
        ended = outcome.error.kind == "cancelled" and not visit.waiting
        visit.stopped = ended or around.cancel.cancelled
    else:
        visit = _succeeded(outcome.value)
    if around.services.desk is not None and node.stays and not visit.waiting:
        around.services.desk.ended(around.place(node.id), [None], failed=outcome.error is not None)
    if outcome.records:
        visit.add_records([(None, outcome.records)], around.place(node.id))
    return visit


def _given_back(outcome: Outcome, action: str) -> tuple[dict[str, object], str]:
    return outcome.value, action or DEFAULT_ACTION


def _kept(log: SingleLog, outcome: Outcome) -> Outcome:
    """Keep an outcome in the journal; the error that takes its place where that cannot be done."""
    try:
        _record(log, outcome)
    except StorageError:
        raise
    except Exception as fault:  # noqa: BLE001  # becomes the node's error
        outcome = refused(outcome, fault)
        _record(log, outcome)
    return outcome


def _record(log: SingleLog, outcome: Outcome) -> None:
    """Record an outcome in the journal, which stores outputs and the action separately."""
    result = outcome.value
    if isinstance(result, NodeResult):
        log.record(replace(outcome, value=result.outputs), result.action)
    else:
        log.record(outcome, "")


def _outcome(node: PlannedNode, step: SingleStep, around: NodeFrame) -> Outcome:
    """The outcome of the node's attempts. A batch of one is made only if it is needed: for a thread that can
    be given up, a gate or a permit to wait for."""
    if node.spec.timeout is None and around.services.permits is None and not is_limited(node, around):
        return run_alone(step, node.retry, around.cancel, around.stop, partial(_tell_retry, node, around))
    settings = BatchSettings(executor="sequential", timeout=node.spec.timeout, retry=node.retry)
    settings = replace(settings, gate=gate_of(node, step, settings, around), permits=around.services.permits)
    batch = Batch(step, (None,), settings, ordered=False, cancel=around.cancel, stop=around.stop)
    outcomes = [outcome for block in batch.blocks() for outcome in block.outcomes()]
    return outcomes[0] if outcomes else cancelled(0)


def _tell_retry(node: PlannedNode, around: NodeFrame, attempt: int, error: ErrorInfo, after: float) -> None:
    reason = error.message or error.type
    around.services.bus.emit(NodeRetried(around.place(node.id), attempt, reason, after))


def _succeeded(result: NodeResult | None) -> NodeRun:
    if result is None:
        raise InternalError("a step without an error gave no result")
    return NodeRun(outputs=result.outputs, action=result.action)
