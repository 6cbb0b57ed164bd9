"""One ``exec`` of a node within a run: its result comes from the journal, or is made and saved.

A result is saved with the records of its making, before ``post`` sees it. A single node is one visit with one
result, a batch node one visit with a result for each item.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Awaitable, Callable, Iterator, MutableMapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from types import TracebackType
from typing import Any

from batchmill.block import Block
from batchmill.executors.describe import describe
from batchmill.flow.calls import NodeCall, call_of, recorder_in
from batchmill.flow.content import NODES, PARAMS, PREPARED, STORE, NodePlace, key_of, parts_inside
from batchmill.flow.publishing import Piece
from batchmill.flow.running import FlowRun
from batchmill.flow.typed_json import untyped
from batchmill.flow.typed_log import TypedItemLog, typed_outcome
from batchmill.journal.contract import ContentKey, SingleLog
from batchmill.journal.digest import NoDigest
from batchmill.outcome import Outcome
from batchmill.record import LLM_CALLS_KEY, Recorder


class KeptCall(NodeCall):
    """The part of a call that computes a result to save, with its own recorder."""

    __slots__ = ()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        around = self.around
        if around is not None and around.node is self.node:
            around.retry = self.retry
        super().__exit__(kind, error, trace)


class Making:
    """A result in the making: the code that makes it sets ``value``."""

    value: Any = None


class SingleVisit:
    """``exec`` of a node that is not a batch."""

    def __init__(self, call: NodeCall, prep_res: object) -> None:
        run: FlowRun = call.run
        self._run, self._call = run, call
        self._place = place_here(run, call)
        self._log = _single_log(run, self._place, call.node, prep_res)
        self.known = False
        self.value: Any = None
        outcome = None if self._log is None or self._log.known is None else self._log.known[0]
        if outcome is not None:
            try:
                self.value, self.known = untyped(outcome.value), True
            except ValueError:  # of another version of ours: made again
                return
            run.end(self._place, call.node, run.begin(self._place), None)
            if not run.told:
                _extend(call, outcome.records)

    @contextmanager
    def making(self) -> Iterator[Making]:
        """Around the making of the result. Keeps it, or the failure; raises what making it raised."""
        began = self._run.begin(self._place)
        made, error = Making(), None
        recorder = Recorder()
        try:
            with KeptCall(self._call.node, recorder=recorder):
                yield made
        except BaseException as fault:
            error = fault
            raise
        finally:
            records = recorder.drain()
            _extend(self._call, records)
            if self._log is not None:
                self._log.record(typed_outcome(_outcome(0, made.value, error, began, records)), "")
            self._run.end(self._place, self._call.node, began, error)


class BatchVisit:
    """``exec`` of a batch node, item by item.

    ``log`` lets the engine save outcomes of items; None if nothing is saved. A context manager that ends the
    visit.

    Concurrency: any thread or task may run items; ``_lock`` guards the data read from the journal.
    """

    def __init__(self, run: FlowRun, place: NodePlace, call: NodeCall, key: ContentKey | None) -> None:
        self.run, self.place = run, place
        self._call, self._node = call, call.node
        self._lock = threading.Lock()
        self._began = run.begin(place)
        self._count = self._failed = 0
        log = run.log
        self.log: TypedItemLog | None = None
        if log is not None:
            inner = log.batch_not_kept(place.address) if key is None else log.batch(place.address, key, None)
            self.log = TypedItemLog(inner, told=run.told)

    def item(self, item: object, index: int, one: Callable[[Any], object]) -> Any:
        """The result of ``one`` item."""
        known = self._known(item, index)
        if known is not None:
            return known.value
        with self._making(item, index) as made:
            made.value = one(item)
        return made.value

    async def item_async(self, item: object, index: int, one: Callable[[Any], Awaitable[object]]) -> Any:
        """The same, awaited."""
        known = self._known(item, index)
        if known is not None:
            return known.value
        with self._making(item, index) as made:
            made.value = await one(item)
        return made.value

    def _known(self, item: object, index: int) -> Outcome | None:
        with self._lock:
            self._count += 1
            found = {} if self.log is None or not self.log.knows else self.log.match(index, (item,))
        outcome = found.get(0)
        if outcome is not None:
            _extend(self._call, outcome.records)
        return outcome

    @contextmanager
    def _making(self, item: object, index: int) -> Iterator[Making]:
        made, error, began = Making(), None, time.perf_counter()
        recorder = Recorder()
        try:
            with KeptCall(self._node, recorder=recorder) as call:
                call.run, call.place, call.index = self.run.unkept(), self.place, index
                yield made
        except BaseException as fault:
            error = fault
            with self._lock:
                self._failed += 1
            raise
        finally:
            records = recorder.drain()
            _extend(self._call, records)
            if self.log is not None and (error is None or isinstance(error, Exception)):
                self.log.record(Block.of(_outcome(index, made.value, error, began, records), item))

    def counted(self, count: int, failed: int) -> None:
        """The counts of the engine."""
        self._count, self._failed = count, failed

    def publish(self, block: Block) -> None:
        """Tell what items in other processes published."""
        for outcome in block.special.values():
            for one in outcome.records:
                if isinstance(one, Piece):
                    self.run.bus.emit(one.event)

    def __enter__(self) -> BatchVisit:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if self.log is not None:
            self.log.close(self._count, read=error is None)
        self.run.end(self.place, self._node, self._began, error, (self._count, self._failed))


def visit_of(node: object) -> BatchVisit | None:
    """The current visit of a batch node; None if nothing is saved and there are no listeners."""
    call = call_of(node)
    while isinstance(call, KeptCall):
        call = call.around
    visit: BatchVisit | None = None if call is None else call.visit
    return visit


def kept_items(node: object, one: Callable[[Any], Awaitable[object]]) -> Callable[[Any, int], Awaitable[Any]]:
    """``one`` by item and index; if there is a visit it keeps what items come to."""
    visit = visit_of(node)
    if visit is None:
        return lambda item, index: one(item)
    return lambda item, index: visit.item_async(item, index, one)


@contextmanager
def batch_visit(call: NodeCall) -> Iterator[None]:
    """Around ``exec`` of the call's node, a batch: the call then has the visit."""
    run = call.run
    if run is None:
        yield
        return
    place = place_here(run, call)
    key = None if run.log is None else _key(place, call.node)
    call.visit = visit = BatchVisit(run, place, call, key)
    with visit:
        yield


@contextmanager
def entries_visit(flow: object, shared: Any) -> Iterator[BatchVisit | None]:
    """A context around the entries of a batch flow that run in other processes, on copies of ``shared``: each
    is saved as a whole, with its changes."""
    call = call_of(flow)
    run: FlowRun | None = None if call is None else call.run
    if call is None or run is None:
        yield None
        return
    place, key = place_here(run, call), None
    if run.log is not None:
        store = {name: value for name, value in shared.items() if name != LLM_CALLS_KEY}
        key = _key(place, flow, **{NODES: parts_inside(flow), STORE: store})
    with BatchVisit(run, place, call, key) as visit:
        yield visit


def place_here(run: FlowRun, call: NodeCall) -> NodePlace:
    """The place of the node of a call, by the walk around it."""
    around = call.around
    if around is not None and around.place is not None and around.visiting:
        place: NodePlace = around.place
        return place
    return run.place_alone(call.node, prefix_of(call))


def prefix_of(call: NodeCall | None) -> str:
    """The prefix of the addresses of nodes inside a call."""
    run = None if call is None else call.run
    while call is not None and call.run is run:
        if call.place is not None:
            return f"{call.place.address}."
        call = call.around
    return ""


def _key(place: NodePlace, node: Any, **more: object) -> ContentKey | None:
    try:
        return key_of(place.parts, **{PARAMS: node.params}, **more)
    except NoDigest:
        return None


def _single_log(run: FlowRun, place: NodePlace, node: object, prep_res: object) -> SingleLog | None:
    if run.log is None:
        return None
    key = _key(place, node, **{PREPARED: prep_res})
    return run.log.single_not_kept(place.address) if key is None else run.log.single(place.address, key)


def _outcome(
    index: int, value: object, error: BaseException | None, began: float, records: tuple[object, ...]
) -> Outcome:
    wall = time.perf_counter() - began
    if error is None:
        return Outcome(index, value, wall=wall, records=records, began=began, worker=0)
    info = describe(error)
    if not isinstance(error, Exception):  # Ctrl-C, a task that is cancelled
        info = replace(info, kind="cancelled")
    return Outcome(index, error=info, wall=wall, records=records, began=began, worker=0)


def _extend(call: NodeCall, records: Sequence[object]) -> None:
    """Hand records on to where the call records."""
    if not records:
        return
    if call.recorder is not None:
        call.recorder.extend(records)
    elif isinstance(call.shared, MutableMapping):
        recorder_in(call.shared).extend(records)
