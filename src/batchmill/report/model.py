"""The model of a run: everything that a report shows, as plain data with the schema id
``batchmill.report/1``.

:mod:`batchmill.report.aggregate` makes it once. It is small for any run: data that grows with the items is
binned or sampled there, and :attr:`Report.left_out` says so. Totals are never computed from drawn data. The
fields are described where they are defined: here, in :mod:`.parts` and in :mod:`.measured`."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final, Literal

from pydantic import TypeAdapter

from batchmill.report.measured import (
    BudgetSpent,
    CallSum,
    Failures,
    ItemColumns,
    Lanes,
    Notable,
    Retries,
    Series,
)
from batchmill.report.parts import Pass, Provenance, ReportEdge, ReportNode, Run, Shares
from batchmill.report.rows import FAILURES, DeathRow, State

SCHEMA: Final = "batchmill.report/1"
Values = Literal["none", "failed"]


@dataclass(frozen=True, slots=True)
class Finding:
    """A cause of lost time: ``kind`` names the rule, ``node`` the node. ``share`` is of the slot-seconds of
    the whole run, ``seconds`` their number. ``sentence`` is for people, ``switch`` is the setting to change,
    as written in a document or on the command line. One of the two may be empty."""

    kind: str
    node: str
    share: float
    seconds: float
    sentence: str
    switch: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """A run. ``told`` maps each section to the sentences that sum it up, the first one for its heading;
    ``told["head"]`` is the run in a few sentences. ``missing`` says why a section cannot be shown. ``values``
    chooses the items whose inputs, params and outputs are included. ``made`` is the time of day at which the
    report was made."""

    run: Run
    passes: list[Pass] = field(default_factory=list)
    nodes: list[ReportNode] = field(default_factory=list)
    edges: list[ReportEdge] = field(default_factory=list)
    shares: Shares = field(default_factory=Shares)
    advice: list[Finding] = field(default_factory=list)
    series: Series = field(default_factory=lambda: Series(1.0, 0))
    lanes: list[Lanes] = field(default_factory=list)
    items: list[ItemColumns] = field(default_factory=list)
    slowest: list[Notable] = field(default_factory=list)
    failures: Failures = field(default_factory=Failures)
    retries: Retries = field(default_factory=Retries)
    calls: list[CallSum] = field(default_factory=list)
    budgets: list[BudgetSpent] = field(default_factory=list)
    dearest: list[Notable] = field(default_factory=list)
    deaths: list[DeathRow] = field(default_factory=list)
    deaths_total: int = 0
    provenance: Provenance = field(default_factory=Provenance)
    told: dict[str, list[str]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    values: Values = "failed"
    made: float = 0.0
    schema: Literal["batchmill.report/1"] = SCHEMA

    def as_json(self) -> dict[str, Any]:
        """The report as plain data, with its :attr:`counts`; what is binary as base64."""
        found: dict[str, Any] = _adapter().dump_python(self, mode="json")
        return {"schema": found.pop("schema"), "counts": self.counts, **found}

    @property
    def counts(self) -> dict[State, int]:
        """Items by state, over the batch nodes of the run itself, not those inside items."""
        total: dict[State, int] = {}
        for node in self.nodes:
            if node.batch and not node.nested:
                for state, count in node.counts.items():
                    total[state] = total.get(state, 0) + count
        return total

    @property
    def failed(self) -> int:
        """Items that failed, of those in :attr:`counts`."""
        return sum(count for state, count in self.counts.items() if state in FAILURES)


@cache
def _adapter() -> TypeAdapter[Report]:
    return TypeAdapter(Report)
