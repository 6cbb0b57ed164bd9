"""The events of a running batch."""

from __future__ import annotations

from dataclasses import dataclass

from batchmill.batch import Batch
from batchmill.batch.admissions.gate_claim import calls_in
from batchmill.block import Block
from batchmill.events import (
    BatchProgress,
    ItemsTimed,
    NodeStarted,
    Noticed,
    ProgressThrottle,
    WorkerDied,
    WorkerJoined,
)
from batchmill.executors.contract import Choice, WorkerDeath, WorkerPlace
from batchmill.graph.frame import NodeFrame
from batchmill.record import Usage


@dataclass(slots=True)
class NodeProgress:
    """Counts a batch's outcomes as they come, and sends events to the bus."""

    node: str
    around: NodeFrame
    total: int | None
    done: int = 0
    failed: int = 0
    retries: int = 0
    tokens: int = 0
    cost: float = 0.0
    pace: ProgressThrottle | None = None
    detailed: bool = False

    def started(self, batch: Batch) -> None:
        self.pace = ProgressThrottle()
        self.detailed = self.around.services.bus.detailed
        self.around.services.bus.emit(
            NodeStarted(self.node, self.total, batch.settings.executor, batch.workers)
        )

    def chosen(self, choice: Choice) -> None:
        """The executor ``auto`` has chosen one; called from another thread."""
        self.around.services.bus.emit(Noticed(choice.reason, self.node))

    def died(self, death: WorkerDeath) -> None:
        """A worker process died; called from another thread."""
        self.around.services.bus.emit(WorkerDied(self.node, **death._asdict()))

    def placed(self, place: WorkerPlace) -> None:
        """A worker of a cluster sent its first results; called from another thread."""
        self.around.services.bus.emit(WorkerJoined(self.node, **place._asdict()))

    def add(self, block: Block) -> None:
        self.done += len(block)
        for outcome in block.special.values():
            self.failed += outcome.error is not None and not outcome.error.waiting
            self.retries += 0 if outcome.kept else max(0, outcome.attempts - 1)
            if outcome.records and not outcome.kept:
                spent = Usage.total(calls_in(outcome.records))
                self.tokens, self.cost = self.tokens + spent.tokens, self.cost + spent.cost
        if self.detailed:
            self.around.services.bus.emit(ItemsTimed(self.node, block.start, tuple(block.walls)))
        if self.pace is not None and self.pace.due():
            counted = self.done, self.failed, self.total, self.retries
            self.around.services.bus.emit(BatchProgress(self.node, *counted, self.tokens, self.cost))
