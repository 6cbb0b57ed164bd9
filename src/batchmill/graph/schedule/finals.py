"""The nodes of ``finally``: they run one after another when all else has ended, in any case."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Literal

from batchmill.events import Finishing
from batchmill.graph.compile.node import PlannedNode
from batchmill.graph.compile.plan import Plan
from batchmill.graph.frame import NodeFrame
from batchmill.graph.node_run import NodeRun
from batchmill.graph.schedule.run_report import NodeReport, RunReport, RunStatus
from batchmill.graph.visits.visiting import run_visit, tell_end
from batchmill.ir.faults import path_text
from batchmill.step.namespace import NodeOutputs
from batchmill.warned import Warned


def run_finals(plan: Plan, around: NodeFrame, walk: RunReport) -> None:
    """Run the nodes of ``finally`` of a plan that has been walked, and whose outputs are known.

    Only ``around.last`` ends them, not the event that ended the run. If one fails, the others still run, and
    a run that had succeeded becomes degraded. Only later nodes of ``finally`` see their outputs.
    """
    if not plan.finals:
        return
    status: RunStatus | Literal["interrupted", "waiting"] = "interrupted" if walk.interrupted else walk.status
    status = "waiting" if walk.waiting else status
    around.services.bus.emit(Finishing(status, len(plan.finals), around.address))
    namespace = around.namespace.told_of_run(status=status)
    inside = replace(
        around, namespace=namespace, stop=around.last, cancel=around.last, anew=True, taps={}, attached={}
    )
    for name in plan.finals:
        if around.last.cancelled:
            _tell_left_out(plan, name, around)
            continue
        node = plan.nodes[name]
        began = time.perf_counter()
        visit = run_visit(node, inside)
        wall = time.perf_counter() - began
        _enter(plan, node, visit, wall, inside, walk)
        around.namespace.record(visit.records, node.index, 1)
        tell_end(node, visit, wall, inside)


def _enter(
    plan: Plan, node: PlannedNode, visit: NodeRun, wall: float, inside: NodeFrame, walk: RunReport
) -> None:
    """Enter what a visit left into the namespace of those behind it, and into the reports of the run."""
    place, path = inside.place(node.id), path_text(plan.nodes[node.id].path)
    for secret in visit.secrets:
        inside.masker.add(secret)
    for warned in visit.warned():
        own = not warned.node or warned.node == place
        inside.warnings.add(
            replace(warned, node=place, path="" if inside.address else path) if own else warned
        )
    outputs = None if visit.skipped else visit.outputs
    present = visit.present if visit.failed else None
    inside.namespace.set(node.id, NodeOutputs(outputs, present, 1, skipped=visit.skipped))
    walk.add_inner(visit.inner_reports)
    report = walk.reports.setdefault(node.id, NodeReport(node.spec.type))
    report.add(visit, wall)
    walk.errors.add(place, visit.errors)
    walk.errors.extend(visit.inner_errors)
    if visit.status not in ("success", "skipped"):
        walk.degrade()


def _tell_left_out(plan: Plan, name: str, around: NodeFrame) -> None:
    message = f"`{name}` of `finally` did not run: the run was ended before"
    path = "" if around.address else path_text(plan.nodes[name].path)
    around.warnings.add(Warned("finally-left-out", message, "", path, node=around.place(name)))
