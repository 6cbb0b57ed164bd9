"""Resume a run: walk its document again, and run only what has no result."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Literal

from batchmill.batch import OnBlock
from batchmill.concurrency.cancel import CancelToken
from batchmill.concurrency.clock import SYSTEM_CLOCK, Clock
from batchmill.errors import InvalidSetting
from batchmill.events import Listener, Noticed
from batchmill.file_table import OwnFile
from batchmill.graph.attached import Attachment
from batchmill.graph.visits.record_codec import CODEC
from batchmill.items.byte_streams import standard_input_is_empty
from batchmill.journal.contract import MAP, Kept, Reuse, RunRecord
from batchmill.journal.journal import DEFAULT_PATH, Journal
from batchmill.journal.locks import RunLock
from batchmill.journal.reading import Reader
from batchmill.journal.runlog import SqliteRunLog
from batchmill.runs.arguments import check_arguments, journal_of
from batchmill.runs.batch_api import WaitRoom
from batchmill.runs.hooks import RunHooks
from batchmill.runs.journaled import RunRequest
from batchmill.runs.ledger import addresses, asks_models
from batchmill.runs.rehearse import changed_nodes
from batchmill.runs.result import NOT_LOOKED_AT, RunResult
from batchmill.runs.resumable import STDIN_NOT_READ, Changes, Resumable, not_looked_at, require_document
from batchmill.runs.run import execute
from batchmill.values.masking import Masker
from batchmill.warned import Warned


def resume(
    run: str | None = None,
    params: Mapping[str, object] | None = None,
    *,
    journal: Journal | str | Path = DEFAULT_PATH,
    failed_only: bool = False,
    executor: str | None = None,
    jobs: int | None = None,
    limit: int | Literal["all"] | None = None,
    cluster: str | Mapping[str, object] | None = None,
    listeners: Iterable[Listener] = (),
    cancel: CancelToken | None = None,
    stop: CancelToken | None = None,
    text_params: Mapping[str, str] | None = None,
    taps: Mapping[str, OnBlock] | None = None,
    masker: Masker | None = None,
    warnings: Iterable[Warned] = (),
    own_files: Mapping[str, str | OwnFile] | None = None,
    remembered: Mapping[str, object] | None = None,
    attached: Mapping[str, Attachment] | None = None,
    last: CancelToken | None = None,
    only: str | None = None,
    from_: str | None = None,
    until: str | None = None,
    whole: bool = False,
    wait: bool = False,
    clock: Clock = SYSTEM_CLOCK,
) -> RunResult:
    """Continue a run that was interrupted or failed: everything that has a result keeps it.

    ``run`` is its name or a prefix that no other run shares; by default the latest unfinished run. Results
    are matched by content: what you edited, in the document or among the items, runs again; what only moved
    does not. ``params`` override inputs of the same name; give secret ones again. ``failed_only`` runs the
    items that had failed, and leaves out those that never began. ``executor``, ``jobs``, ``limit``,
    ``cluster`` and ``remembered`` are by default those of the run; the limit "all" removes the limit.

    ``only``, ``from_`` and ``until`` name a node, as in :func:`batchmill.run`; ``only`` and ``from_`` run
    their nodes again even if they have results. A run of a part continues that part unless you name another;
    ``whole`` also runs all the rest. The other arguments are those of :func:`batchmill.run`.

    ``wait`` waits for requests that are in batches of a service (``batch_api`` of ``llm``). It polls the
    service, after 10 seconds at first and every 5 minutes at the end by ``clock``, until all batches are
    done, then continues the run. It repeats this until nothing is pending, or ``stop`` or ``cancel`` is
    cancelled.

    A run's paths are relative to the folder where it began: resume it there, and call ``os.chdir`` first if
    this process works in another folder. Give items from standard input once more.

    A finished run only runs again if something has changed since (its document, a file that it read or wrote,
    code, items), or if you give inputs or ``failed_only``. Otherwise you get its earlier result. The result's
    ``resumed`` has the counts.

    Raises what :func:`batchmill.run` raises, :class:`~batchmill.errors.UnknownRun`,
    :class:`~batchmill.errors.RunLocked` if another process is running it, and
    :class:`~batchmill.errors.InvalidSetting` for another folder, for missing standard input and for a source
    of items that was emptied.
    """
    listeners = check_arguments(params, text_params, listeners)
    if run is not None and not isinstance(run, str):
        raise InvalidSetting(f"`run` is the name of a run, not {run!r}")
    kept = journal_of(journal)
    changes = Changes(
        params, text_params, failed_only, executor, jobs, limit, cluster, own_files, remembered, warnings,
        only, from_, until, whole,
    )  # fmt: skip
    hooks = RunHooks(listeners, cancel, stop, taps, masker, attached, last)
    with Reader(kept) as reader:
        found = reader.to_resume(run, failed_only)
    if not wait:
        return _one_pass(kept, found, changes, hooks)
    room = WaitRoom(clock)
    room.told = lambda words: [listener(Noticed(words)) for listener in listeners]
    try:
        with CancelToken(stop, cancel) as ending:
            result = _one_pass(kept, found, changes, hooks, room)
            while result.status == "waiting" and room.waited(kept, found.id, ending):
                result = _one_pass(kept, found, changes, hooks, room)
            return result
    finally:
        room.settle(kept, found.id)


def _one_pass(
    kept: Journal, found: RunRecord, changes: Changes, hooks: RunHooks, room: WaitRoom | None = None
) -> RunResult:
    """A further pass of a run."""
    lock = kept.lock(found.name)
    try:
        with Reader(kept) as reader:
            found = reader.run(found.name)
            require_document(found)
            going_on = Resumable(kept, found, changes)
            done = going_on.is_done
            result = _as_it_was(reader, found, going_on.document) if done else None
        # a look takes as long as making a result again: without a saved one it is only worth it for failures
        looks = result is not None or (done and found.status == "degraded")
        same = looks and not changed_nodes(kept, found, going_on.document, hooks.masker)
        if result is not None and same:
            return _told_of_stdin(result, going_on)
        order = going_on.order_here()
        reuse = Reuse(changes.failed_only, same, going_on.part.again(order.plan))
        return execute(order, partial(_opened, kept, found, order, lock, reuse), hooks, room)
    finally:
        lock.release()


def _as_it_was(reader: Reader, run: RunRecord, document: str | dict[str, object]) -> RunResult | None:
    """The result of a finished run; None if it is not saved."""
    found = reader.result(run)
    if found is None:
        return None
    names = ("run", "status", "outputs", "nodes", "errors", "warnings", "llm_calls", "timing")
    count = sum(visit.done - visit.failed for visit in reader.visits(run))
    resumed = Kept(kept=count).as_json()
    fields = {name: found[name] for name in names if name in found}
    if MAP not in run.settings and (why := not_looked_at(run, document)):
        told = Warned(NOT_LOOKED_AT, f"did not check whether files or code have changed: {why}")
        fields["warnings"] = [*fields.get("warnings", ()), told.as_json()]
    return RunResult(**fields, resumed=resumed, journal=str(reader.journal.path), untouched=True)


def _told_of_stdin(result: RunResult, going_on: Resumable) -> RunResult:
    """The earlier result, with a warning if this process was given the standard input that the run reads."""
    if MAP in going_on.run.settings or not going_on.reads_stdin() or standard_input_is_empty(wait=False):
        return result
    told = Warned(NOT_LOOKED_AT, STDIN_NOT_READ)
    return replace(result, warnings=[*result.warnings, told.as_json()])


def _opened(
    journal: Journal,
    run: RunRecord,
    order: RunRequest,
    lock: RunLock,
    reuse: Reuse,
    masker: Masker,
    stop: CancelToken,
) -> SqliteRunLog:
    """The opening of a further pass."""
    now = replace(order.record(), id=run.id, source=run.source, folder=run.folder, name=run.name)
    now = replace(now, started_at=run.started_at)
    return journal.resume(
        run.name,
        now,
        reuse,
        lock=lock,
        codec=CODEC,
        masker=masker,
        failed=lambda fault: stop.cancel(),
        order=addresses(order.plan),
        asks=asks_models(order.plan),
    )
