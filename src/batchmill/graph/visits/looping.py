"""The loop of a node: run it, look at the condition, carry values over, run it again.

The first time the params are used as written; from the second time on the ``carry`` values lie over
them (over ``params.inputs`` where the node has that object).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from batchmill.errors import TemplateError
from batchmill.graph.compile.node import PlannedNode
from batchmill.graph.frame import NodeFrame
from batchmill.graph.node_run import NodeRun, faulty_visit
from batchmill.graph.visits.single import run_single
from batchmill.ir.models.node import LoopSpec
from batchmill.lists import materialize
from batchmill.template import compile_value
from batchmill.values import is_true

STOPPED = "loop_stopped"
ITERATIONS = "loop_iterations"

Ending = Literal["condition", "max_iterations", "failed", "interrupted"]


def run_loop(node: PlannedNode, spec: LoopSpec, around: NodeFrame) -> NodeRun:
    """Run ``node`` until its condition ends the loop or ``max_iterations`` are done.

    The visit is the last iteration's, its outputs with ``loop_iterations`` and ``loop_stopped`` added;
    records of all iterations are in it.
    """
    loop = _Loop(node, spec, around)
    try:
        ending = loop.run()
    except TemplateError as fault:  # of the condition or of a carried value; those of params are the node's
        loop.visit, ending = faulty_visit(fault, around.place(node.id)), "failed"
    visit = loop.visit
    visit.outputs = {**visit.outputs, ITERATIONS: loop.iterations, STOPPED: ending}
    visit.tell_instead(loop.told)
    return visit


class _Loop:
    """One running loop."""

    def __init__(self, node: PlannedNode, spec: LoopSpec, around: NodeFrame) -> None:
        self._node, self._around = node, around
        self._most = spec.max_iterations
        self._carry = compile_value(dict(spec.carry))
        self._wanted = spec.until is not None
        self._condition = compile_value(spec.until or spec.while_)
        self.iterations = 0
        self.visit = NodeRun()
        self.told: list[NodeRun] = []

    def run(self) -> Ending:
        """Go round; raises :class:`TemplateError` for a condition or a carried value."""
        carried: Mapping[str, Any] = {}
        while self._once(carried):
            if self._is_over():
                return "condition"
            if self.iterations == self._most:
                return "max_iterations"
            if self._around.ending:
                self.visit.failure = f"stopped after {self.iterations} iterations of its loop"
                self.visit.stopped = True
                return "interrupted"
            namespace = self._around.namespace
            carried = self._around.resolved(self._carry)
            carried = materialize(carried) if namespace.lazy else carried
        return "failed"

    def _once(self, carried: Mapping[str, object]) -> bool:
        """One iteration; its outputs are where the condition and ``carry`` look for them."""
        self.visit = visit = run_single(self._node, self._around, carried)
        self.iterations += 1
        self.told.append(visit.without_outputs())
        if not visit.failed:
            self._around.namespace.put(self._node.id, {**visit.outputs, ITERATIONS: self.iterations})
        return not visit.failed

    def _is_over(self) -> bool:
        return is_true(self._around.resolved(self._condition)) is self._wanted
