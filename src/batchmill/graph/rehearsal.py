"""A rehearsal of a resumed run: it walks the document like a run, and runs nothing.

A node whose outcomes are all known gives them, as in the run. For other nodes it reports how many items would
run and why; their outputs are unknown, and so is everything that refers to them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from batchmill.batch import BatchEnd
from batchmill.batch.results.collector import ResultCollector
from batchmill.batch.results.sinks import DroppedResults, KeptResults
from batchmill.block import Block
from batchmill.errors import BatchmillError
from batchmill.graph.compile.node import PlannedNode
from batchmill.graph.frame import NodeFrame
from batchmill.graph.node_run import NodeRun, faulty_visit
from batchmill.graph.visits.batched import items_at
from batchmill.graph.visits.collecting import batch_visit, entries
from batchmill.graph.visits.fingerprint import batch_log
from batchmill.graph.visits.looping import run_loop
from batchmill.graph.visits.single import run_single
from batchmill.ir.models.batch import BatchSpec
from batchmill.items.sources import as_source
from batchmill.journal.contract import ItemLog, Kept
from batchmill.journal.runlog import SqliteRunLog
from batchmill.nodes.workflow import WorkflowNode
from batchmill.outcome import Outcome
from batchmill.template import Path, compile_value

TOGETHER = 500  # items that are looked for at once
NOT_READ = "standard input"
NOT_CALLED = "the function of its items"
METADATA = "batch_metadata"
_WOULD_RUN = "it would run"


@dataclass(slots=True)
class Forecast:
    """What a resumed run would do at one node: ``counts`` of its items, or of its visits; what ``changed`` in
    it. ``waits_for`` names what must run before anything is known; ``fault`` says why nothing can be known.
    ``left_out`` items never began and are not wanted."""

    node: str
    counts: Kept = field(default_factory=Kept)
    changed: list[str] = field(default_factory=list)
    waits_for: str | None = None
    fault: str | None = None
    left_out: int = 0

    @property
    def again(self) -> int:
        """How many items would be run."""
        return self.counts.redone + self.counts.new + self.counts.changed

    def as_json(self) -> dict[str, Any]:
        """The forecast as plain data."""
        told: dict[str, Any] = {"node": self.node, **self.counts.as_json(), "changed_by": self.changed}
        more = {"waits_for": self.waits_for, "fault": self.fault, "left_out": self.left_out or None}
        return {**told, **{name: value for name, value in more.items() if value is not None}}


class Rehearsal:
    """One walk; see :class:`~batchmill.graph.frame.Rehearsing`.

    Used with one job, so by one thread at a time.
    """

    def __init__(self, log: SqliteRunLog) -> None:
        self._log = log
        self._forecasts: dict[str, Forecast] = {}
        self._unknown: set[str] = set()  # addresses of nodes of which it is not known what they give
        self._batches: set[str] = set()  # of which it is, but for how they are run

    @property
    def forecasts(self) -> list[Forecast]:
        """One for each node that was reached, in that order."""
        return list(self._forecasts.values())

    def visit(self, node: PlannedNode, around: NodeFrame) -> NodeRun:
        """Visit a node."""
        place = around.place(node.id)
        waits_for = self._waits_for(node, around)
        if waits_for is not None:
            self._of(place).waits_for = waits_for
            return self._unknown_visit(place)
        if node.spec.batch is not None:
            return self._batch(node, node.spec.batch, around)
        before = self._log.counts()
        visit = run_single(node, around) if node.spec.loop is None else run_loop(node, node.spec.loop, around)
        if not issubclass(node.kind, WorkflowNode):  # of which the nodes inside are counted
            self._count(place, before)
        inside = any(one.startswith(f"{place}.") for one in self._unknown)
        return self._unknown_visit(place) if inside or place in self._unknown else visit

    def would_run(self, place: str) -> NodeRun:
        """The visit of the node at ``place``, of which no outcome is known."""
        return self._unknown_visit(place)

    def _of(self, place: str) -> Forecast:
        return self._forecasts.setdefault(place, Forecast(place))

    def _count(self, place: str, before: Kept) -> None:
        forecast, now = self._of(place), self._log.counts()
        forecast.counts = forecast.counts + (now - before)
        forecast.changed = list(self._log.changes.get(place, ()))

    def _unknown_visit(self, place: str) -> NodeRun:
        """Continue the walk as if the node had succeeded; its outputs are unknown."""
        self._unknown.add(place)
        return NodeRun(failure=_WOULD_RUN, stopped=True)

    def _waits_for(self, node: PlannedNode, around: NodeFrame) -> str | None:
        """The first node that this one refers to and whose outputs are not known."""
        for path in _references(node):
            for one in path.walk():
                place = around.place(one.root)
                if place in self._unknown or (place in self._batches and _tells_how_it_ran(one)):
                    return place
        if node.spec.batch is not None and node.spec.batch.items_kind == "stdin":
            return NOT_READ
        if node.spec.batch is not None and node.spec.batch.calls_code:
            return NOT_CALLED
        return None

    def _batch(self, node: PlannedNode, spec: BatchSpec, around: NodeFrame) -> NodeRun:
        place, before = around.place(node.id), self._log.counts()
        done = ResultCollector(KeptResults() if spec.keeps_results else DroppedResults())
        every = True
        try:
            items = items_at(node, spec, around)
            log = batch_log(node, spec, items, around)
            for found in _matched(log, items):
                every = _collect(found, done, spec.item) and every
        except (BatchmillError, OSError) as fault:
            self._of(place).fault = f"{fault}"
            return faulty_visit(fault, place)
        if log is not None:
            log.close(done.count)
            self._of(place).left_out = log.left_out
        self._count(place, before)
        if not every or spec.results_path is not None:  # a file is not written, so it is not known either
            return self._unknown_visit(place)
        self._batches.add(place)
        return batch_visit(place, done, BatchEnd(None, False, None, {}), 0)


def _tells_how_it_ran(path: Path) -> bool:
    """Whether a reference to a batch takes its times and its workers along, which are others each time."""
    return not path.segments or path.segments[0] == METADATA


def _references(node: PlannedNode) -> Iterator[Path]:
    yield from node.params.references
    yield from node.files.references
    spec = node.spec
    if spec.batch is not None:
        yield from compile_value(spec.batch.items_value).references
        yield from compile_value(spec.batch.items_templates).references
    if spec.loop is not None:
        yield from compile_value([spec.loop.while_, spec.loop.until, dict(spec.loop.carry)]).references


def _matched(log: ItemLog | None, items: Any) -> Iterator[Block | int]:
    """The items in order: blocks of those that are known, and the numbers of others in between."""
    source, start = as_source(items), 0
    while part := source.take(TOGETHER):
        known: Mapping[int, Outcome] = {} if log is None else log.match(start, part)
        for offset, item in enumerate(part):
            outcome = known.get(offset)
            if outcome is None or outcome.error is not None:
                yield start + offset
            else:
                yield Block.of(outcome, item)
        start += len(part)


def _collect(found: Block | int, done: ResultCollector, item_kept: bool | list[str]) -> bool:
    """Take what is known of an item; whether it is."""
    if isinstance(found, int):
        done.count = max(done.count, found + 1)
        return False
    found.values = entries(found, item_kept)
    done.add(found)
    return True


def totals(forecasts: Iterable[Forecast]) -> Kept:
    """The counts of several nodes together."""
    whole = Kept()
    for forecast in forecasts:
        whole = whole + forecast.counts
    return whole
