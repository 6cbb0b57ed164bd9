"""One model of a run: everything that is shown of it, as plain data with the schema id
``batchmill.report/1``.

It is made once, by :mod:`batchmill.report.aggregate`, and is small whatever the run: what grows with the
items is binned or sampled there, and :attr:`Report.left_out` says so. Totals never come from what is drawn.
Its fields are described where they are defined, here, in :mod:`.parts` and in :mod:`.measured`."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final, Literal

from pydantic import TypeAdapter, ValidationError

from batchmill.errors import InvalidReport
from batchmill.report.measured import (
    Budget,
    CallSum,
    Failures,
    ItemColumns,
    Lanes,
    Notable,
    Retries,
    Series,
)
from batchmill.report.parts import Edge, Node, Pass, Provenance, Run, Shares
from batchmill.report.rows import FAILURES, Death, State

SCHEMA: Final = "batchmill.report/1"
Values = Literal["none", "failed", "all"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What held the run back: ``kind`` names the rule, ``node`` where; ``share`` is of the slot-seconds of
    the whole run, ``seconds`` their number. ``sentence`` is for people, ``switch`` what to change, as it is
    written in a document or on the command line; both may be empty but for one."""

    kind: str
    node: str
    share: float
    seconds: float
    sentence: str
    switch: str = ""


@dataclass(frozen=True, slots=True)
class Delta:
    """One figure in two runs: ``this`` one and ``that`` one. ``unit`` is ``s``, ``items/s``, ``usd`` or
    ``items``; ``node`` is empty for the run. ``better`` says whether less is better or more."""

    name: str
    unit: str
    this: float | None
    that: float | None
    node: str = ""
    better: Literal["less", "more"] = "less"


@dataclass(frozen=True, slots=True)
class Differences:
    """Items of ``node`` that ended otherwise than in the other run, by position: at most 200 of each, and how
    many there are. ``changed`` have other content."""

    node: str
    newly_failed: list[int] = field(default_factory=list)
    newly_failed_total: int = 0
    mended: list[int] = field(default_factory=list)
    mended_total: int = 0
    changed: list[int] = field(default_factory=list)
    changed_total: int = 0


@dataclass(frozen=True, slots=True)
class Against:
    """The run beside another one of the same document. ``histograms`` are the other's durations by node.
    ``unknown`` says why items cannot be compared one by one, where they cannot."""

    run: str
    began: float
    status: str
    deltas: list[Delta] = field(default_factory=list)
    items: list[Differences] = field(default_factory=list)
    nodes_only_here: list[str] = field(default_factory=list)
    nodes_only_there: list[str] = field(default_factory=list)
    unknown: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """A run. ``told`` has for each section the sentences that sum it up, the first one for its heading;
    ``told["head"]`` is the run in a few sentences. ``missing`` says of a section that cannot be shown why
    not. ``values`` is whose inputs, params and outputs are in it. ``made`` is the time of day at which it was
    made."""

    run: Run
    passes: list[Pass] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)
    edges: list[Edge] = field(default_factory=list)
    shares: Shares = field(default_factory=Shares)
    advice: list[Finding] = field(default_factory=list)
    series: Series = field(default_factory=lambda: Series(1.0, 0))
    lanes: list[Lanes] = field(default_factory=list)
    items: list[ItemColumns] = field(default_factory=list)
    slowest: list[Notable] = field(default_factory=list)
    failures: Failures = field(default_factory=Failures)
    retries: Retries = field(default_factory=Retries)
    calls: list[CallSum] = field(default_factory=list)
    budgets: list[Budget] = field(default_factory=list)
    dearest: list[Notable] = field(default_factory=list)
    deaths: list[Death] = field(default_factory=list)
    deaths_total: int = 0
    against: Against | None = None
    provenance: Provenance = field(default_factory=Provenance)
    told: dict[str, list[str]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    values: Values = "failed"
    made: float = 0.0
    schema: Literal["batchmill.report/1"] = SCHEMA

    def as_json(self) -> dict[str, Any]:
        """The report as plain data; what is binary as base64."""
        found: dict[str, Any] = _adapter().dump_python(self, mode="json")
        return {"schema": found.pop("schema"), **found}

    @classmethod
    def from_json(cls, data: Any) -> Report:
        """The report that :meth:`as_json` gave. Raises :class:`~batchmill.errors.InvalidReport` for other
        data."""
        try:
            return _adapter().validate_python(data)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"]))
            raise InvalidReport(f"this is no report of schema {SCHEMA}: {place}: {first['msg']}") from error

    def epoch(self, at: float) -> float:
        """The time of day of a moment in run time."""
        here = [one for one in self.passes if one.at <= at] or self.passes[:1]
        return here[-1].began + at - here[-1].at if here else self.run.began + at

    @property
    def counts(self) -> dict[State, int]:
        """Items by state over the nodes whose items are the run's own: batch nodes, but for those inside
        items."""
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
