"""The scheduler: walks a plan from its start node along the edges that the nodes' actions pick.

After a node has run, the edge with its action leads on. Where there is none the run ends there, as a
node may end it on purpose with an action of its own choice. A node that failed takes its ``error`` edge,
which makes the run degraded; without one the run has failed. Backward edges may lead to a node again,
at most ``MAX_VISITS`` times.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any, Literal

from batchmill.events import NodeFinished, NodeStarted, Noticed
from batchmill.graph.batched import run_batched
from batchmill.graph.error_log import ErrorLog
from batchmill.graph.looping import run_loop
from batchmill.graph.plan import Plan
from batchmill.graph.single import run_single
from batchmill.graph.streaming import Chain, StageEnd
from batchmill.graph.surroundings import RunnableNode, Surroundings
from batchmill.graph.visit import Visit, VisitStatus, error_entry
from batchmill.nodes import DEFAULT_ACTION, ERROR_ACTION
from batchmill.outcome import ErrorInfo

MAX_VISITS = 1_000  # of one node; more than a person means by going round, soon reached by a mistake

RunStatus = Literal["success", "degraded", "failed"]


@dataclass(slots=True)
class NodeReport:
    """What a node did in a run, over all its visits. ``wall`` is in seconds; ``batch`` has the counts of a
    batch node's last visit and how it was run."""

    type: str
    status: VisitStatus = "success"
    wall: float = 0.0
    visits: int = 0
    failure: str | None = None
    batch: dict[str, Any] = field(default_factory=dict)

    def add(self, visit: Visit, wall: float) -> None:
        """Count one more visit; its status is the node's."""
        ended = None if visit.ended_by is None else f"stopped along with `{visit.ended_by}`"
        self.status, self.failure = visit.status, visit.failure or ended
        self.wall += wall
        self.visits += 1
        self.batch = visit.batch or self.batch

    def as_json(self) -> dict[str, Any]:
        """The report as plain data; ``failure`` is there where the node failed."""
        told = {"type": self.type, "status": self.status, "wall": round(self.wall, 6), "visits": self.visits}
        why = {} if self.failure is None else {"failure": self.failure}
        return {**told, **self.batch, **why}


@dataclass(slots=True)
class Walk:
    """What a walk came to. ``errors`` have the keys of a batch's entries and ``node``; ``last`` is the id of
    the node that ran last, None where none did; ``cause`` is the error that failed the walk, with the
    address of where it arose."""

    status: RunStatus = "success"
    reports: dict[str, NodeReport] = field(default_factory=dict)
    errors: ErrorLog = field(default_factory=ErrorLog)
    last: str | None = None
    interrupted: bool = False
    environment: bool = False
    cause: ErrorInfo | None = None

    def degrade(self) -> None:
        """Something went otherwise than meant, and the run goes on."""
        if self.status == "success":
            self.status = "degraded"

    def fail(self, node: str | None, error: ErrorInfo) -> None:
        """Fail for a reason that is not an attempt's; ``node`` is None where it is no node's either."""
        self.status = "failed"
        self.cause = self.cause or error
        self.errors.append({"node": node, **error_entry(error, 0)})

    def interrupt(self) -> None:
        """The run is ended from outside."""
        self.interrupted = True
        self.status = "failed"


class Scheduler:
    """Runs one plan once. ``nodes`` are those that an earlier run of the plan made ready, to be added to.

    Concurrency: one thread calls :meth:`run`; batches use threads and processes of their own, below.
    """

    def __init__(
        self, plan: Plan, around: Surroundings, nodes: dict[str, RunnableNode] | None = None
    ) -> None:
        self._plan = plan
        self._around = around
        self._nodes = {} if nodes is None else nodes
        self._walk = Walk()

    def run(self) -> Walk:
        """Walk to the end; failures of nodes are in what comes back, not raised."""
        here: str | None = self._plan.start
        while here is not None:
            if self._around.ending:
                self._walk.interrupt()
                break
            if not self._may_visit(here):
                break
            here = self._go_through(here) if self._streams(here) else self._go(here)
        return self._walk

    def _go(self, name: str) -> str | None:
        """Visit a node; where the run goes on."""
        node, began = self._node(name), time.perf_counter()
        visit = self._run(node)
        self._enter(node, visit, time.perf_counter() - began)
        return self._follow(name, visit)

    def _streams(self, name: str) -> bool:
        """Whether a chain of stages begins here; one after another where the run is to be sequential."""
        return name in self._plan.stages and self._around.executor != "sequential"

    def _go_through(self, head: str) -> str | None:
        """Visit all stages of a chain at once; where the run goes on after the first that failed or was
        stopped, or after the last."""
        stages = self._plan.stages[head]
        handled = {stage.id for stage in stages if self._plan.follow(stage.id, ERROR_ACTION) is not None}
        last = StageEnd(self._node(head), Visit(), 0.0)
        for end in Chain(stages, self._node, handled, self._around).run():
            self._enter(*end)
            if end.visit.status == "degraded":
                self._walk.degrade()
            last = end if end.visit.ended_by is None else last
        return self._follow(last.node.id, last.visit)

    def _node(self, name: str) -> RunnableNode:
        node = self._nodes.get(name)
        if node is None:
            planned = self._plan.nodes[name]
            node = self._nodes[name] = RunnableNode(planned.spec, planned.kind, planned.sub)
        return node

    def _enter(self, node: RunnableNode, visit: Visit, wall: float) -> None:
        """Enter what came of a visit into namespace, reports, errors and events."""
        namespace, walk = self._around.namespace, self._walk
        if visit.failed:
            namespace.put_failed(node.id, visit.outputs, visit.present)
        elif not visit.void:
            namespace.put(node.id, visit.outputs)
        namespace.recorder.extend(visit.records)
        walk.reports.setdefault(node.id, NodeReport(node.spec.type)).add(visit, wall)
        walk.errors.add(self._around.place(node.id), visit.errors)
        if visit.inner_errors:
            walk.errors.extend(visit.inner_errors)
        if not visit.void:
            walk.last = node.id
        self._tell(node, visit, wall)

    def _run(self, node: RunnableNode) -> Visit:
        if node.spec.batch is not None:
            return run_batched(node, node.spec.batch, self._around)
        self._around.bus.emit(NodeStarted(self._around.place(node.id)))
        if node.spec.loop is not None:
            return run_loop(node, node.spec.loop, self._around)
        return run_single(node, self._around)

    def _tell(self, node: RunnableNode, visit: Visit, wall: float) -> None:
        bus = self._around.bus
        if not bus.heard:
            return
        place = self._around.place(node.id)
        for reference in visit.unresolved:
            bus.emit(Noticed(f"{reference} could not be resolved and was left as it stands", place))
        is_batch, counts = node.spec.batch is not None, visit.batch or {}
        failed, every = counts.get("error_count", 0), counts.get("count", 0)
        succeeded = counts.get("success_count", 0)
        bus.emit(
            NodeFinished(
                place,
                visit.status,
                wall,
                succeeded=succeeded,
                failed=failed,
                cancelled=every - succeeded - failed,
                retries=visit.retries,
                error=visit.failure or "",
                errors=visit.errors if is_batch else (),
                is_batch=is_batch,
            )
        )

    def _follow(self, name: str, visit: Visit) -> str | None:
        """Where the run goes after a visit, None where it ends; sets the run's status on the way."""
        walk = self._walk
        if visit.stopped:
            walk.interrupt()
            return None
        if visit.failed:
            handler = self._plan.follow(name, ERROR_ACTION)
            walk.status = "degraded" if handler is not None else "failed"
            walk.environment = handler is None and visit.environment
            walk.cause = visit.cause if handler is None else None
            return handler
        if visit.status == "degraded":
            walk.degrade()
        return self._plan.follow(name, visit.action or DEFAULT_ACTION)

    def _may_visit(self, name: str) -> bool:
        report = self._walk.reports.get(name)
        if report is None or report.visits < MAX_VISITS:
            return True
        message = (
            f"node {name!r} was visited {MAX_VISITS} times; "
            "let the loop end by an action without an edge, or give the node a `loop` with a condition"
        )
        place = self._around.place(name)
        self._walk.fail(place, ErrorInfo("VisitLimit", message, retryable=False, address=place))
        return False
