"""Run a chain of streaming batch nodes: every stage's batch in a thread of its own, all at once.

    stage 1 ==blocks, in order==> StreamBuffer ==> stage 2 ==> StreamBuffer ==> stage 3 ...

A chain leaves the same results as its nodes run one after another. A stage that fails ends the ones after it:
they would never have begun. It also ends all others if the run ends with it. If an error edge of it or of an
earlier stage leads on, or a block around it continues, the others run to their end, as later nodes may need
their results.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from batchmill.concurrency.cancel import CancelToken
from batchmill.graph.compile.node import PlannedNode
from batchmill.graph.frame import NodeFrame
from batchmill.graph.node_run import LeftOpen, NodeRun, cut_short
from batchmill.graph.visits.batch_items import selection_of
from batchmill.graph.visits.stage import RunningStage
from batchmill.ir.streams import Stage

CLOSE_SECONDS = 1.0  # what running items get to finish when the run itself is broken off


class StageEnd(NamedTuple):
    """The end of a stage; ``wall`` is in seconds."""

    node: PlannedNode
    visit: NodeRun
    wall: float


class Chain:
    """One visit of all stages of a chain; ``handled`` names those whose failure may not end the run: they
    have an error edge, or are in a block that continues.

    Concurrency: made and run in the scheduler's thread, which alone touches the namespace. Each stage has a
    thread; failures are reported from there and by the workers of its batch. ``_lock`` guards ``_ended_by``.
    """

    def __init__(
        self,
        stages: Sequence[Stage],
        node_of: Callable[[str], PlannedNode],
        handled: Collection[str],
        around: NodeFrame,
    ) -> None:
        self._lock = threading.Lock()
        self._ended_by: dict[str, str] = {}
        self._handled = handled
        self._around = around
        self._cancel = CancelToken(around.cancel)
        self._stages: dict[str, RunningStage] = {}
        for stage in stages:
            feeder, node, source = self._stages.get(stage.source or ""), node_of(stage.id), None
            left = LeftOpen() if around.namespace.permissive else None
            own = replace(around, cancel=self._cancel, stop=CancelToken(), left_open=left)
            if feeder is not None and node.spec.batch is not None:
                source = feeder.outlet(stage.succeeded, selection_of(node.spec.batch, own), own.stop)
            self._stages[stage.id] = RunningStage(stage, node, source, own, self._failed)
        self._over: set[str] = set()  # failed, or stopped from outside: nothing after them counts

    def run(self) -> Iterator[StageEnd]:
        """Run all stages; yields the end of each one in the order of the chain, as soon as it is known.

        Raises the error of a stage that broke for another reason than a failure of its node; by then no stage
        runs any more.
        """
        stages = list(self._stages.values())
        forget = [self._around.stop.on_cancel(stage.stop) for stage in stages]
        self._cancel.follow()
        try:
            if stages[0].broken:  # no items: nothing begins
                del stages[1:]
            for stage in stages:
                stage.look_out()
            for stage in stages:
                stage.start()
            for stage in stages:
                stage.join()
                if stage.crash is not None:
                    raise stage.crash
                yield StageEnd(stage.node, self._judged(stage), stage.wall)
        finally:
            self._break_off(stages)
            self._cancel.leave()
            for each in forget:
                each()

    def _failed(self, failed: RunningStage) -> None:
        """A stage has failed or is about to. Called once or more, from any thread."""
        goes_on = not {failed.id, *failed.before}.isdisjoint(self._handled)
        for stage in self._stages.values():
            if stage is not failed and (failed.id in stage.before or not goes_on):
                with self._lock:
                    self._ended_by.setdefault(stage.id, failed.id)
                stage.stop()

    def _judged(self, stage: RunningStage) -> NodeRun:
        """A stage's visit as the run sees it, once those before it are judged."""
        visit = stage.visit
        for name in stage.before:
            if name in self._over:
                return _void(visit, name)
        if visit.stopped and not stage.failing and stage.id in self._ended_by:
            return cut_short(visit, self._ended_by[stage.id])
        visit.stopped = visit.stopped and self._around.ending
        if visit.failed or visit.stopped:
            self._over.add(stage.id)
        return visit

    def _break_off(self, stages: Sequence[RunningStage]) -> None:
        """End the stages that still run, if the run was interrupted or a stage broke."""
        if not any(stage.alive for stage in stages):
            return
        for stage in stages:
            stage.stop()
        _wait_for(stages)
        self._cancel.cancel()
        _wait_for(stages)


def _wait_for(stages: Sequence[RunningStage]) -> None:
    end = time.monotonic() + CLOSE_SECONDS
    for stage in stages:
        stage.join(max(0.0, end - time.monotonic()))


def _void(visit: NodeRun, name: str) -> NodeRun:
    """The visit of a stage that would not have begun if it had waited for the one called ``name``. It leaves
    no outputs and no errors, but reports its cost."""
    return NodeRun(ended_by=name, void=True, batch=visit.batch, records=visit.records, retries=visit.retries)
