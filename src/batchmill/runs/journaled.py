"""A run and its journal: what is saved of it, and what happens if saving fails."""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

from batchmill.concurrency.cancel import CancelToken
from batchmill.errors import StorageError
from batchmill.events import Listener
from batchmill.events.happened import BatchProgress, Event, ItemsTimed, NodeFinished
from batchmill.file_table import working_folder
from batchmill.graph.compile.plan import Plan
from batchmill.graph.visits.record_codec import CODEC
from batchmill.journal.contract import Kept, RunRecord
from batchmill.journal.encoding import NOT_JSON
from batchmill.journal.journal import Journal
from batchmill.journal.runlog import SqliteRunLog
from batchmill.lists import holds_lazy
from batchmill.record import CallsUnderWay
from batchmill.runs.environment import surroundings
from batchmill.runs.ledger import addresses, all_calls, asks_models, spent_before
from batchmill.runs.result import RunResult
from batchmill.runs.settings import RunSettings
from batchmill.values.masking import Masker

LARGEST_RESULT = 8 << 20  # characters; a larger result is rebuilt from the outcomes on demand


@dataclass(frozen=True, slots=True)
class RunRequest:
    """A run to make: the plan, the document as read, its ``source`` (a file's path if ``is_file``) and the
    checked inputs."""

    plan: Plan
    document: Any
    source: str
    is_file: bool
    inputs: dict[str, Any]
    settings: RunSettings

    def record(self) -> RunRecord:
        """The record for the journal. It leaves out secret inputs: give them again to resume the run."""
        secret = {name for name, spec in self.plan.inputs.items() if spec.secret}
        shown = {name: value for name, value in self.inputs.items() if name not in secret}
        source = os.path.abspath(self.source) if self.is_file else self.source
        set_ = self.settings
        own: dict[str, Any] = {"executor": set_.executor, "jobs": set_.jobs, "limit": set_.limit}
        if set_.cluster is not None:
            own["cluster"] = set_.cluster
        if set_.part is not None:
            own["part"] = set_.part.as_json()
        own["around"] = surroundings()
        settings = {**self.settings.remembered, **own}
        return RunRecord(source, working_folder(), self.document, shown, settings)


Opening = Callable[[Masker, CancelToken], SqliteRunLog | None]
"""Makes a run's log; the token is cancelled when the log cannot be written any more."""


def nothing_kept(masker: Masker, stop: CancelToken) -> None:
    """The opening of a run without a journal."""


def begun(journal: Journal, order: RunRequest, masker: Masker, stop: CancelToken) -> SqliteRunLog:
    """The opening of a new run. Raises :class:`~batchmill.errors.StorageError`."""

    def failed(fault: StorageError) -> None:
        journal.fault = fault
        if not journal.temporary:
            stop.cancel()

    return journal.begin(
        order.record(),
        codec=CODEC,
        masker=masker,
        failed=failed,
        order=addresses(order.plan),
        asks=asks_models(order.plan),
    )


def told_of(log: SqliteRunLog | None) -> dict[str, str]:
    """The values of a run for templates: its name, its start time, which stays the same after a resume, and
    its working folder."""
    name = secrets.token_hex(4) if log is None else log.name
    started = time.time() if log is None else log.run.started_at
    started_at = datetime.fromtimestamp(started, UTC).isoformat(timespec="seconds")
    return {"id": name, "started": started_at, "folder": working_folder()}


@contextmanager
def closing_log(log: SqliteRunLog | None) -> Iterator[None]:
    """Close the log at the end, also after an exception."""
    try:
        yield
    finally:
        if log is not None:
            log.close()


def event_listeners(log: SqliteRunLog | None) -> tuple[Listener, ...]:
    """The listener that saves events, except those about every item."""
    if log is None:
        return ()

    def keep(event: Event) -> None:
        if not isinstance(event, (BatchProgress, ItemsTimed)):
            log.event(type(event).__name__, _detail(event))

    return (keep,)


def _detail(event: Event) -> Mapping[str, Any]:
    if isinstance(event, NodeFinished):
        event = replace(event, errors=())  # they stand with the items
    return asdict(event)


def with_all_calls(result: RunResult, under_way: CallsUnderWay | None) -> RunResult:
    """The result of a run that is not saved, plus the calls of attempts that returned nothing."""
    return replace(result, llm_calls=all_calls(result.llm_calls, None, under_way))


def only_told(log: SqliteRunLog, result: RunResult, under_way: CallsUnderWay | None) -> RunResult:
    """Save the result in a temporary journal; the result says no journal, as for a run without one."""
    result = with_all_calls(result, under_way)
    if log.fault is None:
        with suppress(StorageError):  # the journal has it, for who makes something of what is there
            log.finish(_status(result), result.timing["wall"], result.nodes, None)
    return result


def _counts(log: SqliteRunLog, *, whole: bool) -> dict[str, int]:
    """The counts of a resumed run: kept, redone and so on; ``whole`` adds results that its document no longer
    has."""
    lost = sum(count for _, count in log.gone()) if whole and log.fault is None else 0
    return (log.counts() + Kept(gone=lost)).as_json()


def finished(log: SqliteRunLog, result: RunResult) -> RunResult:
    """Save the result in the journal. If the journal broke before the end, the run fails because of its
    environment and can be resumed from what was saved."""
    fault = log.fault
    resumed = _counts(log, whole=not result.interrupted) if log.resumed else None
    result = replace(result, resumed=resumed, changed_by=log.changes, journal=str(log.path))
    if fault is None:
        try:
            before = spent_before(log) if log.resumed else None
            calls = all_calls(result.llm_calls, log, None)
            result = replace(result, llm_calls=calls, spent_before=before)
        except StorageError as error:
            fault = error
    if fault is None:
        text = _result_text(result)
        try:
            log.finish(_status(result), result.timing["wall"], result.nodes, text)
        except Exception:  # told below, as any fault of the journal is
            fault = log.fault
            if fault is None:
                raise
    if fault is None:
        return result
    entry = {"node": None, "index": None, "item": None, "type": "StorageError", "message": str(fault)}
    errors = [*result.errors, {**entry, "attempts": 0, "kind": "exception", "traceback": ""}]
    return replace(result, status="failed", environment=True, errors=errors)


def _status(result: RunResult) -> str:
    """The journal's word for the end of a pass."""
    ended = result.interrupted or result.limit is not None
    return (result.stopped_by or "interrupted") if ended else result.status


def _result_text(result: RunResult) -> str | None:
    """The result as JSON; None if it is rebuilt from the outcomes on demand."""
    whole = result.as_object()
    if result.status == "failed" or holds_lazy(whole):
        return None
    try:
        text = json.dumps(whole)
    except NOT_JSON:
        return None
    return text if len(text) <= LARGEST_RESULT else None
