"""A rehearsal of a resumed run: it walks the document like a run, without running any node.

A node whose outcomes are all saved gives them, as in the run. For other nodes it reports how many items would
run and why; their outputs are unknown, and so is everything that refers to them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from batchmill.attempt import Attempt
from batchmill.batch import BatchEnd
from batchmill.batch.made_blocks import parts
from batchmill.batch.matched_together import MatchedTogether
from batchmill.batch.results.collector import ResultCollector
from batchmill.batch.results.sinks import DroppedResults, KeptResults
from batchmill.block import Block
from batchmill.errors import BatchmillError, InternalError
from batchmill.graph.compile.node import PlannedNode
from batchmill.graph.frame import NodeFrame
from batchmill.graph.node_run import NodeRun, faulty_visit
from batchmill.graph.visits.batch_items import items_at
from batchmill.graph.visits.batched import keys_of, step_of
from batchmill.graph.visits.collecting import batch_visit, entries, skipped_in
from batchmill.graph.visits.conditions import looked_at_again
from batchmill.graph.visits.fingerprint import batch_log
from batchmill.graph.visits.looping import run_loop
from batchmill.graph.visits.result_files import files_gone
from batchmill.graph.visits.single import run_single
from batchmill.ir.models.batch import BatchSpec
from batchmill.items.sources import as_source
from batchmill.journal.contract import ItemLog, Kept
from batchmill.journal.rehearsed_items import RehearsedInside, RehearsedItems
from batchmill.journal.runlog import SqliteRunLog
from batchmill.journal.visits import gone_files
from batchmill.nodes.workflow import WorkflowNode
from batchmill.template import Path, compile_value

MOST_NAMED = 5  # items, of a batch, that a forecast names
MOST_LOOKED_INTO = 1_000  # unfinished items of a batch of sub-workflows
NOT_READ = "standard input"
NOT_CALLED = "the function of its items"
METADATA = "batch_metadata"
_WOULD_RUN = "it would run"


@dataclass(slots=True)
class Forecast:
    """What a resumed run would do at one node: ``counts`` of its items, or of its visits, and what
    ``changed`` in it. ``waits_for`` names the node that must run before more is known; ``fault`` says why
    nothing can be known. ``left_out`` items never began and will not run. ``first`` are the positions of the
    first items of a batch that would run. ``inside`` has the first of the items that run a partly saved
    sub-workflow, ``n_inside`` their number.
    """

    node: str
    counts: Kept = field(default_factory=Kept)
    changed: list[str] = field(default_factory=list)
    waits_for: str | None = None
    fault: str | None = None
    left_out: int = 0
    first: list[int] = field(default_factory=list)
    inside: list[InsideItem] = field(default_factory=list)
    n_inside: int = 0

    @property
    def again(self) -> int:
        """How many items would be run."""
        return self.counts.redone + self.counts.new + self.counts.changed

    def as_json(self) -> dict[str, Any]:
        """The forecast as plain data."""
        told: dict[str, Any] = {"node": self.node, **self.counts.as_json(), "changed_by": self.changed}
        more = {
            "waits_for": self.waits_for,
            "fault": self.fault,
            "left_out": self.left_out or None,
            "first": self.first or None,
            "inside": [one.as_json() for one in self.inside] or None,
            "items_inside": self.n_inside or None,
        }
        return {**told, **{name: value for name, value in more.items() if value is not None}}


@dataclass(frozen=True, slots=True)
class InsideItem:
    """The forecast by node for the inside of the item at ``index``, whose sub-workflow is partly saved."""

    index: int
    nodes: list[Forecast]

    def as_json(self) -> dict[str, object]:
        """The item as plain data."""
        return {"item": self.index, "nodes": [one.as_json() for one in self.nodes]}


class Rehearsal:
    """One walk; see :class:`~batchmill.graph.frame.Rehearsing`.

    Used with one job, so by one thread at a time.
    """

    def __init__(self) -> None:
        self.log: SqliteRunLog | RehearsedInside | None = None  # that of the nodes that were visited
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
        log = self._log_of(around)
        before = log.counts()
        visit = run_single(node, around) if node.spec.loop is None else run_loop(node, node.spec.loop, around)
        if not issubclass(node.kind, WorkflowNode):  # of which the nodes inside are counted
            self._count(place, log, before)
        inside = any(one.startswith(f"{place}.") for one in self._unknown)
        return self._unknown_visit(place) if inside or place in self._unknown else visit

    def would_run(self, place: str) -> NodeRun:
        """The visit of the node at ``place``, of which no outcome is known."""
        return self._unknown_visit(place)

    def _of(self, place: str) -> Forecast:
        return self._forecasts.setdefault(place, Forecast(place))

    def _log_of(self, around: NodeFrame) -> SqliteRunLog | RehearsedInside:
        if not isinstance(around.log, (SqliteRunLog, RehearsedInside)):
            raise InternalError("a rehearsal needs a log that counts")
        if self.log is None:
            self.log = around.log
        return around.log

    def _count(self, place: str, log: SqliteRunLog | RehearsedInside, before: Kept) -> None:
        forecast, now = self._of(place), log.counts()
        forecast.counts = forecast.counts + (now - before)
        forecast.changed = list(log.changes.get(place, ()))

    def _unknown_visit(self, place: str) -> NodeRun:
        """Continue the walk as if the node had succeeded; its outputs are unknown."""
        self._unknown.add(place)
        return NodeRun(failure=_WOULD_RUN, stopped=True)

    def _waits_for(self, node: PlannedNode, around: NodeFrame) -> str | None:
        """The first node that this one refers to and whose outputs are unknown."""
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
        place, counting = around.place(node.id), self._log_of(around)
        before, unknown = counting.counts(), _Unknown()
        done = ResultCollector(KeptResults() if spec.keeps_results else DroppedResults())
        every = True
        try:
            items = items_at(node, spec, around)
            log = batch_log(node, spec, items, around)
            if log is not None and node.spec.when is not None:
                step = step_of(node, spec, around, keys_of(node, around))
                log = looked_at_again(node, step, log)
                done.note_skipped(0)
            for found in _matched(log, items, unknown):
                every = _collect(found, done, spec.item) and every
            gone = files_gone(spec, around)
        except (BatchmillError, OSError) as fault:
            self._of(place).fault = f"{fault}"
            return faulty_visit(fault, place)
        if log is not None:
            log.close(done.count)
            self._of(place).left_out = log.left_out
        self._count(place, counting, before)
        if gone and self._of(place).counts.kept:  # else it may never have been reached
            self._of(place).changed.append(gone_files(gone[0], len(gone)))
        self._of(place).first = [index for index, _ in unknown.first[:MOST_NAMED]]
        self._look_inside(node, spec, around, unknown)
        if not every or spec.results_path is not None:  # a file is not written, so it is not known either
            return self._unknown_visit(place)
        self._batches.add(place)
        return batch_visit(place, done, BatchEnd(None, False, None, {}), 0)

    def _look_inside(self, node: PlannedNode, spec: BatchSpec, around: NodeFrame, unknown: _Unknown) -> None:
        """Walk the sub-workflows of unfinished items as their next attempts would."""
        saved = around.services.items
        if not issubclass(node.kind, WorkflowNode) or not isinstance(saved, RehearsedItems):
            return
        # an item's own folder exists only during an attempt, but the keys of the work inside contain it
        if node.spec.workdir is not None or not (saved.any_left or isinstance(around.log, RehearsedInside)):
            return
        forecast = self._of(around.place(node.id))
        for index, item in unknown.first:
            inside = _inside(node, spec, around, index, item)
            if inside is not None:
                forecast.n_inside += 1
                if len(forecast.inside) < MOST_NAMED:
                    forecast.inside.append(inside)


@dataclass(slots=True)
class _Unknown:
    """The first items of a batch that would run, with their positions."""

    first: list[tuple[int, object]] = field(default_factory=list)

    def add(self, index: int, item: object) -> None:
        if len(self.first) < MOST_LOOKED_INTO:
            self.first.append((index, item))


def _inside(
    node: PlannedNode, spec: BatchSpec, around: NodeFrame, index: int, item: object
) -> InsideItem | None:
    """The forecast of the inside of an item; None if nothing of it is saved, or if an attempt would fail
    before it begins."""
    walk = Rehearsal()
    frame = replace(around, services=replace(around.services, rehearsal=walk))
    try:
        step_of(node, spec, frame, keys_of(node, frame)).run(item, index, Attempt())
    except Exception as fault:  # noqa: BLE001  # in most cases that something inside would run
        if not isinstance(fault, (BatchmillError, OSError)):
            return None
    if not isinstance(walk.log, RehearsedInside):
        return None
    for one in walk.forecasts:
        changed = min(one.counts.new, walk.log.left(one.node))
        one.counts = replace(one.counts, new=one.counts.new - changed, changed=changed)
    saved = any(one.counts.kept or one.counts.changed or one.inside for one in walk.forecasts)
    return InsideItem(index, walk.forecasts) if saved else None


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


def _matched(log: ItemLog | None, items: Any, unknown: _Unknown) -> Iterator[Block | int]:
    """The items in order: blocks of saved ones, and the numbers of the others in between. Adds those that
    would run to ``unknown``."""
    source, start, together = as_source(items), 0, MatchedTogether()
    while part := source.take(together.count):
        known = {} if log is None else log.match(start, part)
        together.note(part, known)
        for found in parts(start, part, known):
            if isinstance(found, Block):
                yield from _with_results(found)
                continue
            for index, item in enumerate(found.items, found.start):
                unknown.add(index, item)
                yield index
        start += len(part)


def _with_results(known: Block) -> Iterator[Block | int]:
    """Items whose outcomes are known; of those that failed, and stay so, the numbers."""
    begin = 0
    for failed in known.failures:
        offset = failed.index - known.start
        if begin < offset:
            yield known.part(begin, offset)
        yield failed.index
        begin = offset + 1
    if begin < len(known):
        yield known.part(begin) if begin else known


def _collect(found: Block | int, done: ResultCollector, item_kept: bool | list[str]) -> bool:
    """Take what is known of an item; whether it is."""
    if isinstance(found, int):
        done.count = max(done.count, found + 1)
        return False
    if done.skipped_count is not None:
        done.note_skipped(skipped_in(found))
    found.values = entries(found, item_kept)
    done.add(found)
    return True


def totals(forecasts: Iterable[Forecast]) -> Kept:
    """The counts of several nodes together."""
    whole = Kept()
    for forecast in forecasts:
        whole = whole + forecast.counts
    return whole
