"""Running a node that is no batch: a batch of one, so that attempts work the same everywhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from batchmill.batch import BatchResult, BatchSettings, run_batch
from batchmill.errors import InternalError
from batchmill.graph.limited import gate_of
from batchmill.graph.surroundings import RunnableNode, Surroundings
from batchmill.graph.visit import Visit, failed_visit
from batchmill.nodes import NodeResult
from batchmill.step import single_step


def run_single(node: RunnableNode, around: Surroundings, carried: Mapping[str, Any] | None = None) -> Visit:
    """Run ``node`` once, with the retries and the timeout it asks for; ``carried`` lies over its params."""
    step = single_step(node.made(around), node.params, around.namespace, carried=carried)
    settings = BatchSettings(executor="sequential", timeout=node.spec.timeout, retry=node.retry)
    settings = replace(settings, gate=gate_of(node, step, settings, around), permits=around.permits)
    done: BatchResult[NodeResult] = run_batch(step, (None,), settings, cancel=around.cancel, stop=around.stop)
    outcome = done.failed.get(0)
    if outcome is not None and outcome.error is not None:
        visit = failed_visit(outcome.error, outcome.attempts, node.diagnostics)
        visit.blame(outcome.error, around.place(node.id))
        visit.stopped = outcome.error.kind == "cancelled" or around.cancel.cancelled
    else:
        visit = _succeeded(done.values[0])
    visit.add_records(((None, record) for record in done.records), around.place(node.id))
    return visit


def _succeeded(result: NodeResult | None) -> Visit:
    if result is None:
        raise InternalError("a step without an error gave no result")
    return Visit(outputs=result.outputs, action=result.action)
