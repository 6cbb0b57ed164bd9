"""The report of a walk through a plan: a report for each node, the errors and the status."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from batchmill.graph.address import address_of
from batchmill.graph.node_run import NodeRun, VisitStatus, error_entry
from batchmill.graph.schedule.error_log import ErrorLog
from batchmill.outcome import ErrorInfo

RunStatus = Literal["success", "degraded", "failed"]


@dataclass(slots=True)
class NodeReport:
    """The report of a node over all its visits. ``wall`` is in seconds; ``batch`` has the counts of a batch
    node's last visit and how it ran."""

    type: str
    status: VisitStatus = "success"
    wall: float = 0.0
    visits: int = 0
    failure: str | None = None
    batch: dict[str, Any] = field(default_factory=dict)

    def add(self, visit: NodeRun, wall: float) -> None:
        """Count one more visit; its status is the node's."""
        ended = None if visit.ended_by is None else f"stopped along with `{visit.ended_by}`"
        self.status, self.failure = visit.status, visit.failure or ended
        self.wall += wall
        self.visits += 1
        self.batch = visit.batch or self.batch

    def add_later(self, later: NodeReport) -> None:
        """Add what the node did in a later run of its workflow; its status is the node's."""
        self.status, self.failure = later.status, later.failure
        self.wall += later.wall
        self.visits += later.visits
        self.batch = later.batch or self.batch

    def as_json(self) -> dict[str, Any]:
        """The report as plain data; ``failure`` is there where the node failed."""
        told = {"type": self.type, "status": self.status, "wall": round(self.wall, 6), "visits": self.visits}
        why = {} if self.failure is None else {"failure": self.failure}
        return {**told, **self.batch, **why}


@dataclass(slots=True)
class RunReport:
    """The result of a walk. ``reports`` and ``errors`` are in document order, not in the order of running.
    ``errors`` have the keys of a batch's entries and ``node``, the node's address. ``last`` is the id of the
    node that ran last, None if none did: if branches never joined, it is that of the longest, and of several
    such the last in the document. ``cause`` is the error that failed the walk, with the address of its
    origin. ``waiting`` says that the only reason for its failure is that nodes wait for a service."""

    status: RunStatus = "success"
    inner_reports: dict[str, NodeReport] = field(default_factory=dict)
    reports: dict[str, NodeReport] = field(default_factory=dict)
    errors: ErrorLog = field(default_factory=ErrorLog)
    last: str | None = None
    interrupted: bool = False
    waiting: bool = False
    environment: bool = False
    cause: ErrorInfo | None = None

    def add_inner(self, reports: Iterable[tuple[str, NodeReport]]) -> None:
        """Add the reports of nodes inside a sub-workflow, each with its address."""
        for place, report in reports:
            known = self.inner_reports.setdefault(place, report)
            if known is not report:
                known.add_later(report)

    def addressed_reports(self, within: str = "") -> dict[str, NodeReport]:
        """The reports by address; nodes inside a sub-workflow come after the node that runs it."""
        found: dict[str, NodeReport] = {}
        for name, report in self.reports.items():
            place = address_of(name, within=within)
            found[place] = report
            inside = [one for one in self.inner_reports if one.startswith(f"{place}.")]
            found.update({one: self.inner_reports[one] for one in inside})
        return found

    def degrade(self) -> None:
        """Note that something went wrong that does not end the run."""
        if self.status == "success":
            self.status = "degraded"

    def fail(self, node: str | None, error: ErrorInfo) -> None:
        """Fail for a reason outside of any attempt; ``node`` is None if no node caused it."""
        self.status = "failed"
        self.cause = self.cause or error
        self.errors.append({"node": node, **error_entry(error, 0)})

    def fail_first(self, error: ErrorInfo) -> None:
        """Fail with the error that caused the others; it is listed before them."""
        self.status = "failed"
        self.cause = error
        self.errors.prepend({"node": None, **error_entry(error, 0)})

    def interrupt(self) -> None:
        """The run is ended from outside."""
        self.interrupted = True
        self.status = "failed"
