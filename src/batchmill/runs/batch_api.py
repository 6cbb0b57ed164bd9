"""The batches of a run that a service answers later: where they are saved, when requests are submitted, and
how the run waits for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any

from batchmill.concurrency.cancel import CancelToken
from batchmill.concurrency.clock import SYSTEM_CLOCK, Clock
from batchmill.concurrency.resources import resource_scope
from batchmill.errors import BatchmillError, InvalidSetting, Stopped
from batchmill.events import Noticed
from batchmill.graph.compile.plan import Plan
from batchmill.graph.frame import NodeFrame
from batchmill.graph.schedule.run_report import RunReport
from batchmill.journal.runlog import SqliteRunLog
from batchmill.journal.service_batches import JournalBatches
from batchmill.outcome import ErrorInfo
from batchmill.record.service_batches import OVER, ServiceBatch
from batchmill.runs.ledger import all_nodes

if TYPE_CHECKING:  # it imports clients of services
    from batchmill.nodes.llm.batch_api.desk import BatchDesk

FIRST_PAUSE, GROWTH, LONGEST_PAUSE = 10.0, 1.5, 300.0  # seconds between two looks at batches
MOST_NAMED = 3
NEEDS_JOURNAL = (
    "the node {!r} uses `batch_api`, and the ids of its batches are kept in the journal: answers come hours "
    "later, and without the ids you could not collect what you paid for; run it with a journal"
)


@dataclass(slots=True)
class WaitRoom:
    """The state that outlives the passes of a waiting run: the ``desk`` of the last one, and in ``failed``
    the requests whose answers made items fail. Those are not asked again before the waiting is over.
    ``pause`` is the time to the next look; it goes on growing while answers cannot be read."""

    clock: Clock = SYSTEM_CLOCK
    desk: BatchDesk | None = None
    failed: list[int] = field(default_factory=list)
    told: Callable[[str], object] = lambda words: None
    pause: float = FIRST_PAUSE

    def waited(self, journal: Any, run: int, stop: CancelToken) -> bool:
        """Wait until the services are done with all batches; False where ``stop`` was cancelled before."""
        with closing(JournalBatches(journal.path, run)) as store, resource_scope(), suppress(Stopped):
            while self.desk is not None and not stop.cancelled:
                self.desk.keep_in(store)
                waiting = self.desk.waiting()
                self.told(in_words(list(map(as_json, waiting))))
                self._sleep(self.pause, stop)
                over = not stop.cancelled and self.desk.look_again(stop)
                told = any(one.why for one in waiting)
                self.pause = FIRST_PAUSE if over and not told else min(LONGEST_PAUSE, self.pause * GROWTH)
                if over:
                    return True
        return False

    def _sleep(self, seconds: float, stop: CancelToken) -> None:
        if self.clock is SYSTEM_CLOCK:
            stop.wait(seconds)
        else:
            self.clock.sleep(seconds)

    def settle(self, journal: Any, run: int) -> None:
        """End the waiting: items that failed are asked again when the run is resumed."""
        failed, self.failed = self.failed, []
        if failed:
            with closing(JournalBatches(journal.path, run)) as store:
                store.settle(failed)


@contextmanager
def desk_of_the_run(
    log: SqliteRunLog | None, plan: Plan, room: WaitRoom | None
) -> Iterator[BatchDesk | None]:
    """The desk that takes requests; None for a run that makes none. Raises :class:`InvalidSetting` for one
    that makes some and is not saved."""
    node = next((one for one in all_nodes(plan) if one.stays and one.sub is None), None)
    if node is None:
        yield None
        return
    if log is None or log.temporary:
        raise InvalidSetting(NEEDS_JOURNAL.format(node.id))
    for stages in plan.stages.values():
        if streamed := next((one.id for one in stages if plan.nodes[one.id].stays), None):
            raise InvalidSetting(
                f"the node {streamed!r} uses `batch_api` and cannot stream: take out `stream`"
            )
    if final := next((one for one in plan.finals if plan.nodes[one].stays), None):
        raise InvalidSetting(
            f"the node {final!r} of `finally` uses `batch_api`: nobody would collect its answers"
        )
    with closing(JournalBatches(log.path, log.run.id)) as store:
        clock = SYSTEM_CLOCK if room is None else room.clock
        failed, goes_on = (None, False) if room is None else (room.failed, room.desk is not None)
        desks = import_module("batchmill.nodes.llm.batch_api.desk")
        desk: BatchDesk = desks.BatchDesk(store, log.name, clock, failed, goes_on=goes_on)
        if room is not None:
            room.desk = desk
        try:
            yield desk
        finally:
            desk.close()


def handed_in(around: NodeFrame, walk: RunReport, log: SqliteRunLog | None) -> list[ServiceBatch]:
    """Submit the gathered requests if the run is sound, or only its budget is used up, and record those that
    are paid; returns the pending batches."""
    desk = around.services.desk
    if desk is None or log is None:
        return []
    if walk.waiting or around.services.gates.exhausted is not None:
        try:
            bus = around.services.bus
            desk.submit(around.cancel, around.stop, lambda words: bus.emit(Noticed(words)))
        except BatchmillError as fault:
            walk.waiting = False
            kind = str(getattr(fault, "type_name", type(fault).__name__))
            walk.fail_first(ErrorInfo(kind, str(fault)))
    log.flush()
    desk.settle()
    calls = around.services.calls
    for call in desk.left() if calls is not None else ():
        calls.begin(call)  # type: ignore[union-attr]  # see above
        calls.end(call)  # type: ignore[union-attr]
    return desk.waiting()


def as_json(batch: ServiceBatch) -> dict[str, Any]:
    """A pending batch in the form of a run's result."""
    return {
        "batch": batch.remote,
        "status": batch.status or batch.state,
        "requests": batch.count,
        "answered": batch.answered,
        "model": batch.model,
        "server": batch.server,
        "submitted_at": batch.sent_at or batch.made_at,
        "why": batch.why,
    }


def in_words(batches: Sequence[Mapping[str, Any]]) -> str:
    """The pending batches in one line; they have the form of :func:`as_json`."""
    number, requests = len(batches), sum(one["requests"] for one in batches)
    answered = sum(one["answered"] for one in batches)
    named = ", ".join(
        f"{one['batch'] or 'one that was sent'} {one['status']}" for one in batches[:MOST_NAMED]
    )
    more = ", ..." if number > MOST_NAMED else ""
    told = f"{answered:,} of {requests:,} requests answered"
    words = f"waiting for {number:,} {'batch' if number == 1 else 'batches'}: {told} ({named}{more})"
    if why := next((one["why"] for one in batches if one["why"]), ""):
        later = "the answers stay there, and a later resume reads them"
        return f"{words}; the service could not be asked or read now: {why}; {later}"
    if done := sum(one["status"] in OVER for one in batches):
        words += (
            f"; {'it is' if number == 1 else f'{done:,} of them are'} done: resume to collect the answers"
        )
    return words
