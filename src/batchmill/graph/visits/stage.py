"""One running stage of a chain of streaming batch nodes."""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from batchmill.batch.stream_buffer import StreamBuffer
from batchmill.block import Block
from batchmill.concurrency.cancel import CancelToken
from batchmill.errors import BatchmillError
from batchmill.graph.compile.node import PlannedNode
from batchmill.graph.frame import NodeFrame
from batchmill.graph.node_run import NodeRun, faulty_visit
from batchmill.graph.visits.batch_items import items_of
from batchmill.graph.visits.batched import NodeBatch
from batchmill.graph.visits.places_of_rows import asks_for_source
from batchmill.ir.streams import Stage
from batchmill.items.selection import Selection


class RunningStage:
    """A batch node whose items come from ``source`` or, if that is None, from the node's own source.

    ``around`` has tokens of the stage's own. ``failed`` is called, perhaps more than once and from any
    thread, when the stage has failed or can only fail.

    Concurrency: made, started and joined in the scheduler's thread, run in its own. ``visit``, ``wall`` and
    ``crash`` belong to its own thread and are read after its end. Any thread may ask for ``failing`` and call
    ``stop``.
    """

    def __init__(
        self,
        stage: Stage,
        node: PlannedNode,
        source: StreamBuffer | None,
        around: NodeFrame,
        failed: Callable[[RunningStage], None],
    ) -> None:
        self.id = stage.id
        self.before = stage.before
        self.node = node
        self.visit = NodeRun()
        self.wall = 0.0
        self.crash: BaseException | None = None
        self._around = around
        self._source = source
        self._failed = failed
        self._outlets: list[_Outlet] = []
        self._handed = 0
        self._batch = self._prepared()
        work = contextvars.copy_context().run
        self._thread = threading.Thread(target=work, args=(self._work,), name="batchmill-stage", daemon=True)

    def _prepared(self) -> NodeBatch | None:
        """The batch; None if it cannot be made, which fails the visit."""
        spec = self.node.spec.batch
        if spec is None:
            raise ValueError(f"node {self.id!r} is no batch")
        try:
            items: Any = self._source
            if items is None:
                items = items_of(spec, self._around, asks_for_source(self.node.spec))
            return NodeBatch(self.node, spec, items, self._around, ordered=True, apart=True)
        except (BatchmillError, OSError) as fault:
            self.visit = faulty_visit(fault, self._around.place(self.id))
            return None

    def outlet(self, succeeded: bool, selection: Selection, stop: CancelToken) -> StreamBuffer:
        """The outlet for the results that another stage takes: without those of failed items if it takes only
        ``succeeded``, and limited by its ``selection``. ``stop`` makes that stage start no more items."""
        total = None if succeeded or self._batch is None else self._batch.batch.total
        handoff = StreamBuffer(total, selection)
        self._outlets.append(_Outlet(handoff, succeeded, stop))
        return handoff

    @property
    def broken(self) -> bool:
        """Whether it cannot run at all."""
        return self._batch is None

    def look_out(self) -> None:
        """Report a failure as soon as there is one: no item of a later stage should start after it."""
        if self._batch is None:
            self._failed(self)
        else:
            self._batch.batch.on_stop(self._stopping)

    def _stopping(self) -> None:
        if self.failing:
            self._failed(self)

    @property
    def failing(self) -> bool:
        """Whether items failed that fail the stage, as far as is known."""
        return self._batch is None or self._batch.batch.failing

    @property
    def alive(self) -> bool:
        """Whether its thread runs."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Start the thread. Raises RuntimeError when the system has none to give."""
        if self._batch is not None:
            self._batch.tell_start()
        self._thread.start()

    def join(self, seconds: float | None = None) -> None:
        """Wait for the stage's end."""
        if self._thread.ident is not None:
            self._thread.join(seconds)

    def stop(self) -> None:
        """Let no new item start."""
        self._around.stop.cancel()

    def _work(self) -> None:
        began = time.perf_counter()
        try:
            self._run()
        except BaseException as fault:  # noqa: BLE001  # raised again in the scheduler's thread
            self.crash = fault
            self._failed(self)
        finally:
            self.wall = time.perf_counter() - began
            self._close()

    def _run(self) -> None:
        if self._batch is None:
            return
        try:
            self.visit = self._batch.run(self._hand_on)
            self.visit.leave_open(self._around.left_open)
        except (BatchmillError, OSError) as fault:
            self.visit = faulty_visit(fault, self._around.place(self.id))
        if self.visit.failed and (self.failing or not self.visit.stopped):
            self._failed(self)

    def _hand_on(self, block: Block) -> None:
        """Give a block's entries to the stages that wait for them; waits while they have enough."""
        batch = self._batch.batch if self._batch is not None else None
        self._handed += len(block)
        if self.failing:  # this may be known here before the batch has told those that look out for it
            self._failed(self)
        if (tap := self._around.taps.get(self.id)) is not None:
            tap(block)
        if _has_unfinished(block):
            self._stop_later_stages()
        for to in self._outlets:
            to.buffer.put(_kept(block.values, to.succeeded), batch.hold if batch is not None else None)

    def _stop_later_stages(self) -> None:
        """From now on some items do not run to their end. Later stages count these, but must not take them
        for failed ones and run without a result."""
        for to in self._outlets:
            to.stop.cancel()
            to.buffer.stop()  # as another thread may be stopping the stage, and have come only half way

    def _close(self) -> None:
        """Nothing more comes from here, and nothing more is taken."""
        if self._source is not None:
            self._source.stop()
        never_read = self.visit.outputs.get("count", 0) - self._handed
        if never_read > 0:
            self._stop_later_stages()
        for to in self._outlets:
            to.buffer.put(_kept([None] * never_read, to.succeeded))
            to.buffer.end()


class _Outlet(NamedTuple):
    """The source that another stage takes results from, whether failed items are left out, and the way to
    stop that stage."""

    buffer: StreamBuffer
    succeeded: bool
    stop: CancelToken


def _has_unfinished(block: Block) -> bool:
    errors = (outcome.error for outcome in block.special.values())
    return any(error is not None and error.kind == "cancelled" for error in errors)


def _kept(entries: Sequence[object], succeeded: bool) -> Sequence[object]:
    return [entry for entry in entries if entry is not None] if succeeded else entries
