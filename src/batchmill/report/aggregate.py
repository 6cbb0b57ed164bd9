"""Make a report from the facts of a run: one pass over its items, in memory that does not grow with them.

Counts, sums and extremes are exact. Drawn data is binned; :attr:`Report.left_out` says what that leaves out.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import replace
from itertools import groupby

from batchmill.report import text
from batchmill.report.advice import advise
from batchmill.report.columns import CellStore
from batchmill.report.facts import Facts
from batchmill.report.grouping import MOST_SHOWN, Grouping
from batchmill.report.hosts import HostSums
from batchmill.report.model import Report, Values
from batchmill.report.notable import CallSums, Highest, RetrySums
from batchmill.report.parts import ReportNode, Shares
from batchmill.report.plain import Plain
from batchmill.report.rows import CallRow, Row, refusals_of
from batchmill.report.sentences import tell
from batchmill.report.slot_time import SlotTime, attempts_of
from batchmill.report.sums import NodeSums
from batchmill.report.timeline import OTHERS, Timeline

SLOWEST, DEAREST, MOST_DEATHS = 20, 10, 50
ROOM_EVERY = 50_000  # rows between two looks at how many cells there are
MOST_VISITS = 100
UNTIMED: tuple[str, ...] = ("kept", "skipped", "not run")


def report_of(facts: Facts, values: Values = "failed") -> Report:
    """The report of a run. ``values`` chooses the items whose inputs and outputs it may show: ``failed`` (and
    the slowest), or ``none``."""
    gathered = Aggregate(facts, values)
    for one in facts.columns():
        if isinstance(one, Plain):
            gathered.add_plain(one)
        else:
            gathered.add(one)
    for call in facts.calls():
        gathered.add_call(call)
    return gathered.finish()


class Aggregate:
    """Makes one report. Used by one thread.

    It counts these fields of a node: ``counts``, ``work``, ``attempts``, ``durations``, ``waits``,
    ``histogram``, ``shares``, ``cpu``, ``peak_rss``, ``bytes_out``, ``calls``, ``cost``. A node that appears
    only in rows is added as one inside items."""

    def __init__(self, facts: Facts, values: Values = "failed") -> None:
        self._facts, self._values = facts, values
        self._nodes = {node.id: node for node in facts.nodes}
        self._timeline = Timeline(facts.run.wall, facts.nodes, facts.slot_names)
        self._store = CellStore(facts.run.wall)
        self._grouping = Grouping(facts.run, with_values=values != "none")
        self._slowest, self._dearest = Highest(SLOWEST), Highest(DEAREST)
        self._retries, self._calls = RetrySums(), CallSums()
        self._sums: dict[str, NodeSums] = {}
        self._fed = {edge.target for edge in facts.edges if edge.stream}
        self._rows = self._untimed = 0
        for step in facts.limits:
            self._timeline.add_limit(step)
        for refusal in facts.refusals():
            self._timeline.add_refusal(refusal)
        for sample in facts.samples():
            self._timeline.add_sample(sample)

    def add(self, row: Row) -> None:
        """Count an item."""
        self._count(1)
        sums = self._sums.get(row.node) or self._begin(row.node)
        node = sums.node
        ran = row.state not in UNTIMED
        attempted = tuple(attempts_of(row)) if ran else ()
        sums.add(row, attempted)
        if ran:
            self._retries.add(row)
            for refusal in refusals_of(row):
                self._timeline.add_refusal(refusal)
            if row.start is None:
                self._untimed += node.batch
            else:
                self._timeline.add(row, attempted)
            if node.batch and row.final and row.wall:
                self._slowest.add(row.wall, row)
        if not row.final:
            return
        if row.failed:
            self._grouping.add(row)
        if row.cost:
            self._dearest.add(row.cost, row)
        if node.batch:
            self._store.add(sums.cells, row)

    def add_plain(self, items: Plain) -> None:
        """Count items of a batch that are done at the first attempt; at least one."""
        self._count(len(items))
        sums = self._sums.get(items.node) or self._begin(items.node)
        sums.add_plain(items)
        self._retries.add_plain(len(items))
        self._timeline.add_plain(items)
        self._slowest.add_all(items.walls, items)
        if items.costs is not None:
            self._dearest.add_all([cost or 0.0 for cost in items.costs], items)
        self._store.add_plain(sums.cells, items)

    def _count(self, number: int) -> None:
        """So many more items come; keep the cells of all nodes within bounds."""
        if self._rows // ROOM_EVERY != (self._rows + number) // ROOM_EVERY:
            self._store.make_room()
        self._rows += number

    def add_call(self, call: CallRow) -> None:
        """Count a call of a language model."""
        sums = self._sums.get(call.node) or self._begin(call.node)
        sums.add_call(call)
        self._calls.add(call)
        self._timeline.add_call(call)

    def _begin(self, name: str) -> NodeSums:
        node = self._nodes.get(name)
        if node is None:
            node = self._nodes[name] = ReportNode(name, "", batch=True, nested=True)
        slots = None if node.nested else SlotTime(node.visits, streams=name in self._fed)
        names = self._facts.slot_names
        hosts = HostSums(name, names) if names.names(name) else None
        self._sums[name] = NodeSums(node, slots, self._store.of(name, not node.nested), hosts)
        return self._sums[name]

    def finish(self) -> Report:
        """The report."""
        for name in list(self._nodes):  # those without rows as well
            if name not in self._sums:
                self._begin(name)
        nodes = [self._finished(self._sums[name]) for name in self._nodes]
        facts = self._facts
        describe = None if self._values == "none" else facts.describe
        report = Report(
            run=facts.run,
            passes=list(facts.passes),
            nodes=nodes,
            edges=list(facts.edges),
            shares=sum((node.shares for node in nodes if node.shares is not None), Shares()),
            series=self._timeline.series(),
            lanes=self._timeline.lanes(),
            items=self._store.end({node.id: node.total or 0 for node in nodes}),
            slowest=self._slowest.found(facts.run, describe),
            failures=self._grouping.failures(),
            retries=self._retries.retries(),
            calls=self._calls.sums(),
            budgets=list(facts.budgets),
            dearest=self._dearest.found(facts.run, describe),
            deaths=list(facts.deaths[:MOST_DEATHS]),
            deaths_total=len(facts.deaths),
            provenance=facts.provenance,
            missing=dict(facts.missing),
            values=self._values,
            made=time.time(),
        )
        report = replace(report, left_out=list(self._left_out(report)))
        report = replace(report, advice=advise(report))
        return replace(report, told=tell(report))

    def _finished(self, sums: NodeSums) -> ReportNode:
        steps = self._timeline.steps(self._facts.adaptive.get(sums.node.id, ""))
        adaptive = sums.node.id in self._facts.adaptive
        return replace(sums.finished(steps), visits=list(sums.node.visits[:MOST_VISITS]), adaptive=adaptive)

    def _left_out(self, report: Report) -> Iterable[str]:
        """The facts of the run that the report does not show, in words."""
        if self._timeline.left_out and report.series.others:
            small = self._timeline.left_out
            yield f"Charts over time show {small:,} nodes with little to do as one: {OTHERS}."
        wide = [one for one in report.items if one.group > 1]
        for size, alike in groupby(sorted(wide, key=lambda one: one.group), key=lambda one: one.group):
            names = ", ".join(text.line(one.node, 60) for one in list(alike)[:5])
            yield (
                f"A cell in the strip of {names} is {size} neighbouring items: it shows the worst state "
                "and the longest of them. Counts and sums are those of all items."
            )
        for lane in report.lanes:
            if lane.group > 1:
                yield f"A lane of {text.line(lane.node, 60)} is {lane.group} of its {lane.slots:,} slots."
        failures = report.failures
        shown = sum(len(group.examples) for group in failures.groups) + len(failures.more)
        if shown < failures.total:
            yield (
                f"{shown:,} of {failures.total:,} failures are listed one by one; "
                "each is counted in its group."
            )
        if failures.ungrouped:
            yield f"{failures.ungrouped:,} failures are in none of the {MOST_SHOWN} groups shown."
        if self._untimed:
            yield f"{self._untimed:,} items have no recorded start time: charts over time do not show them."
        if report.values == "none":
            yield "Inputs, params and outputs of items were left out, as asked."
        else:
            yield "Inputs, params and outputs are those of failed and slowest items only."
        if report.deaths_total > len(report.deaths):
            yield f"{len(report.deaths)} of {report.deaths_total:,} workers that died are listed."
