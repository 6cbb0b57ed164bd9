"""A run of a flow from start to end: which run of the journal it continues, and how it ends there.

To continue an unfinished run, run the same flow again, with a store of the same initial content or under the
same name.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypedDict, Unpack, cast

from batchmill.concurrency.cancel import CancelToken
from batchmill.errors import InvalidSetting, RunLocked
from batchmill.events import Bus, Event, Listener, Published, RunFinished, RunStarted, Status
from batchmill.flow.calls import NodeCall
from batchmill.flow.content import store_digest
from batchmill.flow.identity import (
    LARGEST_STORE,
    NOT_CONTENT,
    is_same,
    is_store,
    masker_of,
    named,
    nodes_of,
    record_of,
)
from batchmill.flow.running import FlowRun
from batchmill.graph.visits.record_codec import CODEC
from batchmill.journal.contract import FLOW, RUN_SCHEMA, RunRecord
from batchmill.journal.encoding import NOT_JSON
from batchmill.journal.journal import Journal, unfit_name
from batchmill.journal.locks import RunLock
from batchmill.journal.reading import Reader
from batchmill.journal.runlog import SqliteRunLog
from batchmill.mapping.keywords import refuse
from batchmill.record import LLM_CALLS_KEY
from batchmill.values import NotPlain, shown
from batchmill.values.masking import Masker

OnPiece = Callable[[Any, str], object]


_left: dict[tuple[str, str], str] = {}  # by journal and run: what a store held when its run had failed here
_lock = threading.Lock()


@dataclass(slots=True)
class Resuming:
    """A run of the journal to continue. At its end ``counts`` has the numbers of kept and repeated results,
    and ``changes`` the changes by node."""

    run: RunRecord
    counts: Mapping[str, int] = field(default_factory=dict)
    changes: Mapping[str, Sequence[str]] = field(default_factory=dict)


class RunKeywords(TypedDict, total=False):
    """The keyword arguments of ``run`` and ``run_async`` of nodes and flows.

    ``journal``, a path or a :class:`~batchmill.journal.journal.Journal`, saves the results of ``exec``. The
    next run of the same flow with a store of the same initial content continues a run that was killed,
    interrupted or failed: ``prep`` and ``post`` run again, ``exec`` only where it has no result yet. With
    ``name`` it continues the run of that name instead, with any store. ``listeners`` are called with every
    event of the run. ``on_piece(piece, node)`` is called with each piece that a node publishes
    (:func:`~batchmill.flow.publish`). Once you cancel the token ``stop``, no further ``exec`` begins, and
    :class:`~batchmill.errors.Stopped` is raised. ``resuming`` names the run to continue (:class:`Resuming`),
    as ``batchmill resume`` does.
    """

    journal: Journal | str | Path | None
    name: str | None
    listeners: Iterable[Listener]
    on_piece: OnPiece | None
    stop: CancelToken | None
    resuming: Resuming | None


def run_of(flow: object, shared: object, **given: Unpack[RunKeywords]) -> AbstractContextManager[FlowRun]:
    """A context around a run of ``flow`` on ``shared``; see :class:`RunKeywords`.

    Raises :class:`~batchmill.errors.UnknownSetting` for another keyword, and the errors of the run.
    """
    known = RunKeywords.__annotations__
    if unknown := given.keys() - known.keys():
        refuse("run()", sorted(unknown), known)
    return _run_of(flow, shared, **given)


@contextmanager
def _run_of(
    flow: object,
    shared: object,
    *,
    journal: Journal | str | Path | None = None,
    name: str | None = None,
    listeners: Iterable[Listener] = (),
    on_piece: OnPiece | None = None,
    stop: CancelToken | None = None,
    resuming: Resuming | None = None,
) -> Iterator[FlowRun]:
    """See :func:`run_of`. Raises :class:`InvalidSetting`, :class:`~batchmill.errors.StorageError`, and
    :class:`~batchmill.errors.RunLocked` if another process is running the run of that name."""
    heard = _listeners(listeners, on_piece)
    if journal is None:
        if name is not None:
            raise InvalidSetting("`name` is that of a run in a journal: give `journal`, too")
        with NodeCall(flow, shared) as call:
            call.run = run = FlowRun(bus=Bus(heard), stop=stop or CancelToken())
            yield run
        return
    log = _opened(_journal_of(journal), flow, shared, _checked(name), resuming)
    try:
        with NodeCall(flow, shared) as call, _ended(log, shared) as ending:
            call.run = run = FlowRun(log, Bus(heard), stop or CancelToken(), told=_has_calls(log, shared))
            ending.append(run)
            run.bus.emit(RunStarted(log.name, log.run.source, len(nodes_of(flow))))
            yield run
    finally:
        if resuming is not None:
            resuming.counts, resuming.changes = log.counts().as_json(), log.changes
        log.close()


def _listeners(listeners: Iterable[Listener], on_piece: OnPiece | None) -> list[Listener]:
    found = list(listeners) if isinstance(listeners, Iterable) else [listeners]
    if not all(map(callable, found)):
        raise InvalidSetting(f"`listeners` must be a list of functions, not {listeners!r}")
    if on_piece is None:
        return found
    if not callable(on_piece):
        raise InvalidSetting(f"`on_piece` must be a function, not {on_piece!r}")
    told = on_piece

    def heard(event: Event) -> None:
        if isinstance(event, Published):
            told(event.piece, event.node)

    return [*found, heard]


def _journal_of(given: object) -> Journal:
    if isinstance(given, Journal):
        return given
    if isinstance(given, (str, os.PathLike)) and str(given):
        return Journal(cast(Any, given))
    raise InvalidSetting(f"`journal` must be a path or a Journal, not {given!r}")


def _checked(name: str | None) -> str | None:
    if name is not None and not (isinstance(name, str) and name):
        raise InvalidSetting(f"`name` must be a text that is not empty, not {name!r}")
    if name is not None and (why := unfit_name(name)):
        raise InvalidSetting(f"`name` cannot be {name!r}, as {why}: choose another name")
    return name


def _opened(
    journal: Journal, flow: object, shared: object, name: str | None, resuming: Resuming | None
) -> SqliteRunLog:
    """The log of a run, continued or new."""
    masker = masker_of(shared)
    record = record_of(flow, shared, name, masker)
    if resuming is not None:
        return _resumed(journal, resuming.run, record, masker, journal.lock(resuming.run.name))
    if journal.path.exists():
        with Reader(journal) as reader:
            candidates = [
                run for run in reader.runs() if is_same(run, record, _left.get((str(journal.path), run.name)))
            ]
        for run in candidates:
            try:
                lock = journal.lock(run.name)
            except RunLocked:
                if name is not None:
                    raise
                continue
            with Reader(journal) as reader:
                run = reader.run(run.name)
            if not run.finished:
                return _resumed(journal, run, record, masker, lock)
            lock.release()
    return journal.begin(record, codec=CODEC, masker=masker, asks=False)


def _resumed(
    journal: Journal, run: RunRecord, record: RunRecord, masker: Masker, lock: RunLock
) -> SqliteRunLog:
    """Another pass of a run. Its identity does not change."""
    settings = {**record.settings, FLOW: run.settings[FLOW], **named(run.label or None)}
    now = replace(record, id=run.id, source=run.source, folder=run.folder, name=run.name, settings=settings)
    now = replace(now, started_at=run.started_at, inputs=run.inputs)
    try:
        return journal.resume(run.name, now, lock=lock, codec=CODEC, masker=masker, asks=False)
    except BaseException:
        lock.release()
        raise


@contextmanager
def _ended(log: SqliteRunLog, shared: object) -> Iterator[list[FlowRun]]:
    """Save how a run ended. Its exception propagates, with a note on how to resume the run."""
    holder: list[FlowRun] = []
    began = time.perf_counter()
    try:
        yield holder
    except BaseException as error:
        status = "failed" if isinstance(error, Exception) else "interrupted"
        with _lock:
            _left[str(log.path), log.name] = store_digest(shared, NOT_CONTENT)
        _note(error, log)
        if log.fault is None:
            log.finish(status, time.perf_counter() - began, holder[0].nodes() if holder else {}, None)
        _tell_end(holder, log, "failed", began)
        raise
    if log.fault is not None:
        raise log.fault
    run = holder[0]
    nodes = run.nodes()
    status = "degraded" if any(one.get("error_count") for one in nodes.values()) else "success"
    wall = time.perf_counter() - began
    log.finish(status, wall, nodes, _result(log, status, shared, nodes, wall))
    _tell_end(holder, log, cast(Status, status), began)


def _tell_end(holder: list[FlowRun], log: SqliteRunLog, status: Status, began: float) -> None:
    if holder:
        holder[0].bus.emit(RunFinished(log.name, status, time.perf_counter() - began))


def _has_calls(log: SqliteRunLog, shared: Any) -> bool:
    """Whether a store is the one of the pass before, with its calls."""
    with _lock:
        known = (str(log.path), log.name) in _left
    return known and is_store(shared) and bool(shared.get(LLM_CALLS_KEY))


def _note(error: BaseException, log: SqliteRunLog) -> None:
    """Add to the error how to continue the run."""
    told = log.run.settings[FLOW]
    again = "run the same flow again with this journal"
    other = f", or: batchmill resume {log.name} --journal {log.path}" if told.get("named") else ""
    error.add_note(f"run {log.name} is saved in {log.path}; to continue it, {again}{other}")


def _result(log: SqliteRunLog, status: str, shared: object, nodes: Any, wall: float) -> str | None:
    """The result of a run in the form of ``batchmill results``; None if it is too large to save."""
    result = log.masker.value(
        {
            "schema": RUN_SCHEMA,
            "run": log.name,
            "status": status,
            "outputs": outputs_of(shared),
            "nodes": dict(nodes),
            "errors": [],
            "warnings": [],
            "llm_calls": [call for _, call in log.calls()],
            "timing": {"started_at": log.run.started_at, "wall": round(wall, 6)},
        }
    )
    try:
        text = json.dumps(result)
    except NOT_JSON:
        return None
    return text if len(text) <= LARGEST_STORE else None


def outputs_of(shared: Any) -> dict[str, Any]:
    """A store at the end of its run as plain data."""
    if not is_store(shared):
        return {}
    found: dict[str, Any] = {}
    for key, value in shared.items():
        if key in NOT_CONTENT:
            continue
        try:
            found[str(key)] = shown(value)
        except NotPlain as fault:
            found[str(key)] = f"<{fault}>"
    return found
