"""One visit of a node: its kind decides how it runs; the bus gets its events."""

from __future__ import annotations

from dataclasses import replace

from batchmill.errors import TemplateError
from batchmill.events import NodeFinished, NodeStarted
from batchmill.graph.compile.node import PlannedNode
from batchmill.graph.frame import NodeFrame
from batchmill.graph.node_run import LeftOpen, NodeRun, faulty_visit
from batchmill.graph.visits.batched import run_batched
from batchmill.graph.visits.looping import run_loop
from batchmill.graph.visits.single import run_single
from batchmill.template import compile_value
from batchmill.values import is_true


def run_visit(node: PlannedNode, around: NodeFrame) -> NodeRun:
    """Run a node once: single, batch or loop. Its outputs are in the result; only a loop enters anything into
    the namespace. Called from the thread of the branch, perhaps in parallel with others."""
    if around.services.rehearsal is not None:
        return around.services.rehearsal.visit(node, around)
    if not around.namespace.permissive:
        return _visited(node, around)
    left = LeftOpen()
    visit = _visited(node, replace(around, left_open=left))
    visit.leave_open(left)
    return visit


def _visited(node: PlannedNode, around: NodeFrame) -> NodeRun:
    if node.spec.batch is None and node.spec.when is not None:
        try:
            if not is_true(around.resolved(compile_value(node.spec.when), lazy=True)):
                return NodeRun(skipped=True)
        except TemplateError as fault:
            return faulty_visit(fault, around.place(node.id))
    if node.spec.batch is not None:
        return run_batched(node, node.spec.batch, around)
    around.services.bus.emit(NodeStarted(around.place(node.id)))
    if node.spec.loop is not None:
        return run_loop(node, node.spec.loop, around)
    return run_single(node, around)


def tell_end(node: PlannedNode, visit: NodeRun, wall: float, around: NodeFrame) -> None:
    """Send to the bus the result of a visit that took ``wall`` seconds."""
    bus = around.services.bus
    if not bus.heard:
        return
    name = around.place(node.id)
    is_batch, counts = node.spec.batch is not None, visit.batch or {}
    failed, every = counts.get("error_count", 0), counts.get("count", 0)
    succeeded, skipped = counts.get("success_count", 0), counts.get("skipped_count", 0)
    waiting = counts.get("waiting_count", 0)
    bus.emit(
        NodeFinished(
            name,
            visit.status,
            wall,
            succeeded=succeeded,
            failed=failed,
            cancelled=every - succeeded - failed - skipped - waiting,
            skipped=skipped,
            retries=visit.retries,
            error=visit.failure or "",
            errors=visit.errors if is_batch else (),
            is_batch=is_batch,
            degraded=counts.get("degraded_count", 0),
            waiting=waiting,
        )
    )
