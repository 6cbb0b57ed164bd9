"""From a stream of rows to a report: one pass, in memory that does not grow with the items.

Whoever has rows (a journal, a run that just ended) knows the nodes, and tells of each item once, in any
order::

    gathered = Aggregate(run, nodes, passes=passes, edges=edges)
    for row in rows:
        gathered.add(row)
    report = gathered.finish()

Counts, sums and extremes are exact. What is drawn is binned; :attr:`Report.left_out` says what that leaves
out."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import groupby

from batchmill.report import text
from batchmill.report.advice import advise
from batchmill.report.columns import CellStore
from batchmill.report.grouping import MOST_SHOWN, Grouping
from batchmill.report.measured import Budget
from batchmill.report.model import Report, Values
from batchmill.report.notable import CallSums, Describe, Highest, RetrySums
from batchmill.report.parts import Edge, Node, Pass, Provenance, Run, Shares
from batchmill.report.rows import Call, Death, LimitStep, Refusal, Row, Sample
from batchmill.report.sentences import tell
from batchmill.report.slot_time import SlotTime, attempts_of
from batchmill.report.sums import NodeSums
from batchmill.report.timeline import OTHERS, Timeline

SLOWEST, DEAREST, MOST_DEATHS = 20, 10, 50
ROOM_EVERY = 50_000  # rows between two looks at how many cells there are
MOST_VISITS = 100
UNTIMED: tuple[str, ...] = ("kept", "skipped", "not run")


class Aggregate:
    """Makes one report. Used by one thread.

    ``nodes`` are those of the run with what is known of them beforehand: all fields but those that are
    counted here (``counts``, ``work``, ``attempts``, ``durations``, ``waits``, ``histogram``, ``shares``,
    ``cpu``, ``peak_rss``, ``bytes_out``, ``calls``, ``cost``). A node that only rows tell of is added as one
    inside items. ``adaptive`` names for a node the limit that decides how many of its items may be under way.
    ``values`` is whose inputs and outputs may be shown: of ``failed`` and slowest items, of ``all`` that are
    listed, or ``none``."""

    def __init__(
        self,
        run: Run,
        nodes: Sequence[Node],
        *,
        passes: Sequence[Pass] = (),
        edges: Sequence[Edge] = (),
        provenance: Provenance | None = None,
        budgets: Sequence[Budget] = (),
        adaptive: Mapping[str, str] | None = None,
        missing: Mapping[str, str] | None = None,
        values: Values = "failed",
    ) -> None:
        self._run = run
        self._nodes = {node.id: node for node in nodes}
        self._facts = (list(passes), list(edges), provenance or Provenance(), list(budgets))
        self._adaptive, self._missing, self._values = dict(adaptive or {}), dict(missing or {}), values
        self._timeline = Timeline(run.wall, nodes)
        self._store = CellStore(run.wall)
        self._grouping = Grouping(run, with_values=values != "none")
        self._slowest, self._dearest = Highest(SLOWEST), Highest(DEAREST)
        self._retries, self._calls = RetrySums(), CallSums()
        self._deaths: list[Death] = []
        self._deaths_total = 0
        self._sums: dict[str, NodeSums] = {}
        self._fed = {edge.target for edge in edges if edge.stream}
        self._rows = self._untimed = 0

    def add(self, row: Row) -> None:
        """Count an item. Items may come in any order; each is to come once with ``final`` true."""
        self._rows += 1
        sums = self._sums.get(row.node) or self._begin(row.node)
        node = sums.node
        timed = row.start is not None and row.state not in UNTIMED
        attempted = tuple(attempts_of(row)) if timed else ()
        sums.add(row, attempted)
        if timed:
            self._timeline.add(row, attempted)
            self._retries.add(row)
            if node.batch and row.final:
                self._slowest.add(row.wall, row)
        elif row.start is None and row.state not in UNTIMED:
            self._untimed += 1
            self._retries.add(row)
        if not row.final:
            return
        if row.failed:
            self._grouping.add(row)
        if row.cost:
            self._dearest.add(row.cost, row)
        if node.batch:
            self._store.add(sums.cells, row)
            if not self._rows % ROOM_EVERY:
                self._store.make_room()

    def add_all(self, rows: Iterable[Row]) -> None:
        """Count many items."""
        for row in rows:
            self.add(row)

    def add_call(self, call: Call) -> None:
        """Count a call of a language model."""
        sums = self._sums.get(call.node) or self._begin(call.node)
        sums.add_call(call)
        self._calls.add(call)
        self._timeline.add_call(call)

    def add_limit(self, step: LimitStep) -> None:
        """Note that a limit changed."""
        self._timeline.add_limit(step)

    def add_refusal(self, refusal: Refusal) -> None:
        """Count a refusal."""
        self._timeline.add_refusal(refusal)

    def add_sample(self, sample: Sample) -> None:
        """Note what the machine did."""
        self._timeline.add_sample(sample)

    def add_death(self, death: Death) -> None:
        """Count a worker that died."""
        self._deaths_total += 1
        if len(self._deaths) < MOST_DEATHS:
            self._deaths.append(death)

    def _begin(self, name: str) -> NodeSums:
        node = self._nodes.get(name)
        if node is None:
            node = self._nodes[name] = Node(name, "", batch=True, nested=True)
        slots = None if node.nested else SlotTime(node.visits, streams=name in self._fed)
        self._sums[name] = NodeSums(node, slots, self._store.of(name, not node.nested))
        return self._sums[name]

    def finish(self, describe: Describe | None = None) -> Report:
        """The report. ``describe(node, index)`` gives an item as JSON text, for the slowest and dearest; None
        where it is gone."""
        if self._values == "none":
            describe = None
        for name in list(self._nodes):  # those without rows as well
            if name not in self._sums:
                self._begin(name)
        nodes = [self._finished(self._sums[name]) for name in self._nodes]
        passes, edges, provenance, budgets = self._facts
        report = Report(
            run=self._run,
            passes=passes,
            nodes=nodes,
            edges=edges,
            shares=sum((node.shares for node in nodes if node.shares is not None), Shares()),
            series=self._timeline.series(),
            lanes=[] if self._nothing_timed else self._timeline.lanes(),
            items=self._store.end({node.id: node.total or 0 for node in nodes}),
            slowest=self._slowest.found(self._run, describe),
            failures=self._grouping.failures(),
            retries=self._retries.retries(),
            calls=self._calls.sums(),
            budgets=budgets,
            dearest=self._dearest.found(self._run, describe),
            deaths=self._deaths,
            deaths_total=self._deaths_total,
            provenance=provenance,
            missing=self._missing,
            values=self._values,
            made=time.time(),
        )
        report = replace(report, left_out=list(self._left_out(report)))
        report = replace(report, advice=advise(report))
        return replace(report, told=tell(report))

    @property
    def _nothing_timed(self) -> bool:
        return self._rows > 0 and self._untimed == self._rows

    def _finished(self, sums: NodeSums) -> Node:
        steps = self._timeline.steps(self._adaptive.get(sums.node.id, ""))
        return replace(sums.finished(steps), visits=list(sums.node.visits[:MOST_VISITS]))

    def _left_out(self, report: Report) -> Iterable[str]:
        """What of the run cannot be seen in the report, in words."""
        if self._timeline.left_out and report.series.others:
            small = self._timeline.left_out
            yield f"Over time, {small:,} nodes with little to do are shown as one: {OTHERS}."
        wide = [one for one in report.items if one.group > 1]
        for size, alike in groupby(sorted(wide, key=lambda one: one.group), key=lambda one: one.group):
            names = ", ".join(text.line(one.node, 60) for one in list(alike)[:5])
            yield (
                f"Of {names}, a cell of the strip is {size} neighbouring items: it shows the worst state "
                "and the longest of them. Counts and sums are those of all items."
            )
        for lane in report.lanes:
            if lane.group > 1:
                yield f"Of {text.line(lane.node, 60)}, a lane is {lane.group} of its {lane.slots:,} slots."
        failures = report.failures
        shown = sum(len(group.examples) for group in failures.groups) + len(failures.more)
        if shown < failures.total:
            yield (
                f"{shown:,} of {failures.total:,} failures are listed one by one; "
                "each is counted in its group."
            )
        if failures.ungrouped:
            yield f"{failures.ungrouped:,} failures are in none of the {MOST_SHOWN} groups shown."
        if self._untimed and not self._nothing_timed:
            yield f"Of {self._untimed:,} items nobody noted when they ran: they are in no chart over time."
        if report.values == "none":
            yield "Inputs, params and outputs of items were left out, as asked."
        elif report.values == "failed":
            yield "Inputs, params and outputs are those of failed and slowest items only."
        if self._deaths_total > len(self._deaths):
            yield f"{len(self._deaths)} of {self._deaths_total:,} workers that died are listed."
