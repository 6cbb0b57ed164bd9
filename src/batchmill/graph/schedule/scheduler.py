"""The scheduler: runs a plan from its start until no node can run.

The machine (:mod:`batchmill.graph.schedule.machine`) decides what may start when; the layer of the namespace
(:mod:`batchmill.graph.schedule.namespaces`) decides what each node sees of the others. Nodes run in the
caller's own thread while only one can run at a time, and from the first fan-out on in the threads of a crew.

A failed node takes its ``error`` edge, which makes the run degraded. Without one its branch has failed; the
blocks around it decide how far the failure reaches. If it reaches the whole run, no node starts after that.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import NamedTuple

from batchmill.concurrency.cancel import CancelToken
from batchmill.graph.address import without_index
from batchmill.graph.compile.node import PlannedNode
from batchmill.graph.compile.plan import Plan
from batchmill.graph.compile.topology import Topology
from batchmill.graph.compile.warnings.dead import leads_nowhere
from batchmill.graph.frame import NodeFrame
from batchmill.graph.node_run import NodeRun, cut_short
from batchmill.graph.schedule.machine import MAX_VISITS, Machine, NodeDecision
from batchmill.graph.schedule.namespaces import BranchNamespaces
from batchmill.graph.schedule.node_threads import NodeThreads
from batchmill.graph.schedule.run_report import NodeReport, RunReport
from batchmill.graph.schedule.stop_tokens import StopTokens
from batchmill.graph.visits.streaming import Chain, StageEnd
from batchmill.graph.visits.visiting import run_visit, tell_end
from batchmill.ir.faults import path_text
from batchmill.nodes import DEFAULT_ACTION, ERROR_ACTION
from batchmill.outcome import ErrorInfo
from batchmill.step.namespace import NodeOutputs
from batchmill.traits import TRAITS
from batchmill.warned import Warned

MOST_AT_ONCE = 1000  # nodes, where the run has no number of jobs


class Start(NamedTuple):
    """A node to run, and its inputs."""

    node: PlannedNode
    around: NodeFrame


class Scheduler:
    """Runs one plan once. ``nodes`` are those that an earlier run of the plan prepared, and grow;
    ``topology`` is the plan's, if it was made before.

    Concurrency: one thread calls :meth:`run`; nodes run in it or in the crew's threads. ``_lock`` guards the
    machine, the views and all other state of the run as a whole.
    """

    def __init__(
        self,
        plan: Plan,
        around: NodeFrame,
        topology: Topology | None = None,
    ) -> None:
        topology = topology or Topology(plan)
        self._plan = plan
        self._outside = around
        self._cancel = CancelToken(around.cancel)
        self._stops = StopTokens(topology, around.stop, alone=not plan.branches)
        self._around = replace(around, cancel=self._cancel)
        self._lock = threading.Lock()
        self._machine = Machine(topology, MAX_VISITS)
        self._views = BranchNamespaces(around.namespace, topology)
        self._prepared: dict[str, StageEnd] = {}
        self._depths: dict[str, int] = {}
        self._errors: dict[tuple[int, int], tuple[str, NodeRun]] = {}
        self._ended_by: str | None = None
        self._walk = RunReport()

    def run(self) -> RunReport:
        """Walk to the end; failures of nodes are part of the result, not raised."""
        try:
            with self._cancel:
                with self._lock:
                    ready = self._started(self._machine.begin())
                while len(ready) == 1:
                    ready = self._do(ready[0])
                if ready:
                    most = self._outside.services.jobs or MOST_AT_ONCE
                    NodeThreads(self._do, self._break_off, most).run(ready)
        finally:
            self._stops.close()
        self._finish()
        return self._walk

    def _break_off(self) -> None:
        """The run itself is broken off: nothing starts, what runs is ended."""
        with self._lock:
            self._machine.stop()
        self._stops.all()
        self._cancel.cancel()

    def _started(self, decisions: Iterable[NodeDecision]) -> list[Start]:
        """Under the lock: the nodes to start by these decisions."""
        starts: list[Start] = []
        for decision in decisions:
            view = self._views.decided(decision)
            depth = max([self._depths[name] for name in decision.after], default=0)
            self._depths[decision.node] = depth + decision.starts
            if decision.starts:
                stop = self._stops.of(decision.node)
                if view is not self._around.namespace or stop is not self._around.stop:
                    self._around = replace(self._around, namespace=view, stop=stop)
                starts.append(Start(self._plan.nodes[decision.node], self._around))
        return starts

    def _do(self, start: Start) -> list[Start]:
        """Visit a node, in any thread; returns the nodes to run next. Listeners learn of its end after its
        successors are decided and before they begin."""
        name = start.node.id
        with self._lock:
            end = self._prepared.pop(name, None)
            if end is not None:  # a stage of a chain that has run, and been told of
                return self._started(self._follow(end))
            if self._outside.ending:
                self._walk.interrupt()
                self._machine.stop()
                return self._started(self._machine.ended(name, ""))
        if self._streams(name):
            end = self._go_through(start)
            with self._lock:
                return self._started(self._follow(end))
        began = time.perf_counter()
        visit = run_visit(start.node, start.around)
        wall = time.perf_counter() - began
        self._warn(name, visit)
        with self._lock:
            end = self._entered(StageEnd(start.node, visit, wall))
            ready = self._started(self._follow(end))
        tell_end(*end, start.around)
        return ready

    def _streams(self, name: str) -> bool:
        """Whether a chain of stages begins here. In a sequential run, stages run one after another."""
        asked = self._outside.services.executor
        return name in self._plan.stages and (asked is None or TRAITS[asked].side_by_side)

    def _go_through(self, start: Start) -> StageEnd:
        """Visit all stages of a chain at once. The results of the later stages are kept until it is their
        turn."""
        stages = self._plan.stages[start.node.id]
        with self._lock:
            handled = {stage.id for stage in stages if self._machine.survives(stage.id)}
            nodes = {stage.id: self._plan.nodes[stage.id] for stage in stages}
        first = StageEnd(start.node, NodeRun(), 0.0)
        for came in Chain(stages, nodes.__getitem__, handled, start.around).run():
            self._warn(came.node.id, came.visit)
            with self._lock:
                end = self._entered(came)
                if end.node is start.node:
                    first = end
                elif not end.visit.void:
                    self._prepared[end.node.id] = end
            tell_end(*end, start.around)
        return first

    def _entered(self, end: StageEnd) -> StageEnd:
        """Under the lock: enter a visit into the reports; a visit that was stopped because another branch
        failed counts as cut short."""
        if end.visit.stopped and not self._outside.ending and self._ended_by is not None:
            end = end._replace(visit=cut_short(end.visit, self._ended_by))
        self._report(*end)
        return end

    def _report(self, node: PlannedNode, visit: NodeRun, wall: float) -> None:
        """Under the lock: enter a visit into the reports and errors of the run."""
        for secret in visit.secrets:
            self._around.masker.add(secret)
        self._walk.add_inner(visit.inner_reports)
        report = self._walk.reports.setdefault(node.id, NodeReport(node.spec.type))
        report.add(visit, wall)
        place = self._plan.nodes[node.id].index
        if visit.errors or visit.inner_errors:
            self._errors[place, report.visits] = (self._around.place(node.id), visit)
        self._views.keep(visit.records, place, report.visits)

    def _warn(self, name: str, visit: NodeRun) -> None:
        """Report the warnings of a visit. The node's own warnings get its address, and, in the document that
        is run, its place."""
        for warned in (*visit.warned(), *self._lost_action(name, visit)):
            place = self._outside.place(name)
            if not warned.node or without_index(warned.node) == place:
                path = "" if self._outside.address else path_text(self._plan.nodes[name].path)
                warned = replace(warned, node=warned.node or place, path=path)
            self._outside.warnings.add(warned)

    def _lost_action(self, name: str, visit: NodeRun) -> Iterator[Warned]:
        """A warning if the node ended with an action that none of its edges has, unless the check of the
        document has already given it."""
        planned = self._plan.nodes[name]
        if visit.failed or planned.spec.batch is not None or planned.kind.actions(planned.spec.params):
            return
        actions = [edge.action for edge in self._plan.leaving.get(name, ())]
        looped = any(name in loop.body for loop in self._plan.loops)
        words = leads_nowhere(visit.action, name, actions, looped=looped)
        if words is not None:
            yield Warned("lost-action", *words)

    def _follow(self, end: StageEnd) -> list[NodeDecision]:
        """Under the lock: enter what a visit left into the namespace, and where the run goes after it."""
        node, visit, _ = end
        self._enter(node, visit)
        if visit.stopped and self._outside.ending:
            self._walk.interrupt()
            self._machine.stop()
        if visit.waiting and not visit.stopped:
            self._walk.waiting = True
            return self._machine.waits(node.id)
        if visit.failed and not visit.stopped:
            return self._failed(node, visit)
        if visit.status == "degraded":
            self._walk.degrade()
        return self._machine.ended(node.id, visit.action or DEFAULT_ACTION)

    def _enter(self, node: PlannedNode, visit: NodeRun) -> None:
        number = self._walk.reports[node.id].visits
        present = visit.present if visit.failed else None
        outputs = None if visit.skipped else visit.outputs
        self._views.enter(node.id, NodeOutputs(outputs, present, number, skipped=visit.skipped))
        if visit.records:
            self._views.record(node.id, visit.records, self._plan.nodes[node.id].index, number)

    def _failed(self, node: PlannedNode, visit: NodeRun) -> list[NodeDecision]:
        """Under the lock: a node failed; its error edge leads on, or its branch ends with it."""
        if self._machine.handles(node.id, ERROR_ACTION):
            self._walk.degrade()
            return self._machine.ended(node.id, ERROR_ACTION)
        failure, decisions = self._machine.failed(node.id)
        if failure.run:
            self._walk.status = "failed"
            self._walk.environment = self._walk.environment or visit.environment
            self._walk.cause = self._walk.cause or visit.cause
        else:
            self._walk.degrade()
        self._ended_by = node.id
        self._stops.end(failure.scopes)
        return decisions

    def _finish(self) -> None:
        """Put everything in document order."""
        walk, nodes = self._walk, self._plan.nodes
        walk.waiting = walk.waiting and walk.status != "failed" and not walk.interrupted
        walk.status = "failed" if walk.waiting else walk.status
        self._views.collect()
        walk.reports = {name: walk.reports[name] for name in nodes if name in walk.reports}
        for key in sorted(self._errors):
            name, visit = self._errors[key]
            walk.errors.add(name, visit.errors)
            walk.errors.extend(visit.inner_errors)
        ended = (name for name, report in walk.reports.items() if report.status != "skipped")
        ran = [name for name in ended if self._views.has(name)]
        walk.last = max(reversed(ran), key=self._depths.__getitem__, default=None)
        if self._machine.over_limit is not None:
            message = (
                f"node {self._machine.over_limit!r} was visited {MAX_VISITS} times; "
                "let the loop end by an action without an edge, or give the node a `loop` with a condition"
            )
            walk.fail(self._machine.over_limit, ErrorInfo("VisitLimit", message, retryable=False))
