"""Resuming a run: its document is walked again, and only what has no result is run."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

from batchmill.batch import OnBlock
from batchmill.concurrency.cancel import CancelToken
from batchmill.concurrency.clock import SYSTEM_CLOCK, Clock
from batchmill.errors import InvalidDocument, InvalidSetting
from batchmill.events import Listener, Noticed
from batchmill.graph.attached import Attachment
from batchmill.graph.compile.plan import Plan
from batchmill.graph.part import Part
from batchmill.graph.visits.record_codec import CODEC
from batchmill.ir.loading import load
from batchmill.items.byte_streams import standard_input_is_empty
from batchmill.journal.contract import FLOW, Kept, RunRecord
from batchmill.journal.journal import DEFAULT_PATH, Journal
from batchmill.journal.locks import RunLock
from batchmill.journal.reading import Reader
from batchmill.journal.runlog import SqliteRunLog
from batchmill.runs.arguments import check_arguments, journal_of
from batchmill.runs.batch_api import WaitRoom
from batchmill.runs.journaled import RunRequest
from batchmill.runs.ledger import addresses, asks_models
from batchmill.runs.result import RunResult
from batchmill.runs.run import execute, ordered
from batchmill.runs.settings import RunSettings
from batchmill.runs.stdin import nodes_on_stdin
from batchmill.values.masking import Masker
from batchmill.warned import Warned


def resume(
    run: str | None = None,
    params: Mapping[str, Any] | None = None,
    *,
    journal: Journal | str | Path = DEFAULT_PATH,
    failed_only: bool = False,
    executor: str | None = None,
    jobs: int | None = None,
    limit: int | Literal["all"] | None = None,
    cluster: str | Mapping[str, Any] | None = None,
    listeners: Iterable[Listener] = (),
    cancel: CancelToken | None = None,
    stop: CancelToken | None = None,
    text_params: Mapping[str, str] | None = None,
    taps: Mapping[str, OnBlock] | None = None,
    masker: Masker | None = None,
    warnings: Iterable[Warned] = (),
    own_files: Mapping[str, str] | None = None,
    remembered: Mapping[str, Any] | None = None,
    attached: Mapping[str, Attachment] | None = None,
    last: CancelToken | None = None,
    only: str | None = None,
    from_: str | None = None,
    until: str | None = None,
    whole: bool = False,
    wait: bool = False,
    clock: Clock = SYSTEM_CLOCK,
) -> RunResult:
    """Go on with a run that was interrupted or failed: everything that has a result keeps it.

    ``run`` is its name, or a beginning that no other run's name has; by default the latest that has not
    finished.
    Results are known again by content: what was edited, in the document or among the items, is run again,
    what only moved is not. ``params`` take the place of inputs of the same name; those that are secret must
    be given again. ``failed_only`` runs items that had failed, and leaves out those that were never begun.
    ``executor``, ``jobs``, ``limit``, ``cluster`` and what is ``remembered`` are those of the run unless
    given; the limit "all" is none.

    ``only``, ``from_`` and ``until`` name a node, as in :func:`batchmill.run`; ``only`` and ``from_`` have
    their nodes run again, also what has a result. A run of a part goes on with that part unless others are
    named; ``whole`` has all the rest run too. The other arguments are those of :func:`batchmill.run`.

    With ``wait`` a run whose requests are in batches of a service (``batch_api`` of ``llm``) is waited for:
    the batches are looked at, after 10 seconds at first and every 5 minutes at the end by ``clock``, until
    the service is done with all of them, then the run goes on; until nothing is waited for or ``stop`` or
    ``cancel`` is cancelled.

    The paths of a run are those of the folder it was begun in, so it is resumed there: call ``os.chdir``
    before, where this process works in another one. Items out of standard input must be given once more.

    A run that has finished is not run again, unless its document has changed since, inputs are given, or
    ``failed_only`` is; the result is the one it had. The counts are in ``resumed`` of the result.

    Raises what :func:`batchmill.run` raises, :class:`~batchmill.errors.UnknownRun`,
    :class:`~batchmill.errors.RunLocked` where another process is running it, and
    :class:`~batchmill.errors.InvalidSetting` for another folder and for missing standard input.
    """
    listeners = check_arguments(params, text_params, listeners)
    if run is not None and not isinstance(run, str):
        raise InvalidSetting(f"`run` is the name of a run, not {run!r}")
    kept = journal_of(journal)
    with Reader(kept) as reader:
        found = reader.to_resume(run)
    room = WaitRoom(clock) if wait else None
    once = partial(
        _one_pass, kept, found, params, failed_only=failed_only, executor=executor, jobs=jobs, limit=limit,
        cluster=cluster, listeners=listeners, cancel=cancel, stop=stop, text_params=text_params, taps=taps,
        masker=masker, warnings=warnings, own_files=own_files, remembered=remembered, attached=attached,
        last=last, only=only, from_=from_, until=until, whole=whole, room=room,
    )  # fmt: skip
    if room is None:
        return once()
    room.told = lambda words: [listener(Noticed(words)) for listener in listeners]
    ending = _either(stop, cancel)
    try:
        result = once()
        while result.status == "waiting" and room.waited(kept, found.id, ending):
            result = once()
        return result
    finally:
        room.settle(kept, found.id)


def _either(*tokens: CancelToken | None) -> CancelToken:
    """A token that is cancelled with the first of these."""
    one = CancelToken()
    for token in tokens:
        if token is not None:
            token.on_cancel(one.cancel)
    return one


def _one_pass(
    kept: Journal,
    found: RunRecord,
    params: Mapping[str, Any] | None,
    *,
    failed_only: bool,
    executor: str | None,
    jobs: int | None,
    limit: int | Literal["all"] | None,
    cluster: str | Mapping[str, Any] | None,
    listeners: Iterable[Listener],
    cancel: CancelToken | None,
    stop: CancelToken | None,
    text_params: Mapping[str, str] | None,
    taps: Mapping[str, OnBlock] | None,
    masker: Masker | None,
    warnings: Iterable[Warned],
    own_files: Mapping[str, str] | None,
    remembered: Mapping[str, Any] | None,
    attached: Mapping[str, Attachment] | None,
    last: CancelToken | None,
    only: str | None,
    from_: str | None,
    until: str | None,
    whole: bool,
    room: WaitRoom | None,
) -> RunResult:
    """A further pass of a run."""
    lock = kept.lock(found.name)
    try:
        with Reader(kept) as reader:
            found = reader.run(found.name)
            require_document(found)
            given = {**(params or {}), **(text_params or {})}
            part = part_to_resume(found, only, from_, until, whole=whole)
            more = bool(given) or limit_of(found, limit) != found.limit or part.asked
            document = document_of(found)
            if is_done(found, document, more, failed_only):
                result = _as_it_was(reader, found)
                if result is not None:
                    return result
        require_folder(found)
        order = order_of(
            found,
            document,
            params,
            text_params,
            settings_of(found, executor, jobs, own_files, remembered, limit, cluster, part.part),
            kept,
            warnings,
        )
        require_stdin(kept, found, order.plan)
        opening = partial(_opened, kept, found, order, lock, failed_only, part.again(order.plan))
        return execute(order, opening, listeners, cancel, stop, taps, masker, attached, last, room)
    finally:
        lock.release()


class PartToResume(NamedTuple):
    """Which nodes of a run are gone on with, None for all. ``asked`` says that this is not as it was,
    ``anew`` that they are run again also where they have a result."""

    part: Part | None
    asked: bool
    anew: bool

    def again(self, plan: Plan) -> frozenset[str]:
        """The nodes of which no result is good enough."""
        return frozenset(plan.nodes) if self.anew else frozenset()


def part_to_resume(
    run: RunRecord, only: str | None, start: str | None, until: str | None, *, whole: bool
) -> PartToResume:
    """What is named, else what the run was begun with. Raises :class:`InvalidSetting`."""
    named, kept = Part.of(only, start, until), Part.kept(run.settings.get("part"))
    if named is not None and whole:
        raise InvalidSetting("`whole` is all there is; it goes with none of `only`, `from` and `until`")
    if named is not None:
        return PartToResume(named, True, bool(only or start))
    return PartToResume(None if whole else kept, whole and kept is not None, False)


def require_document(run: RunRecord) -> None:
    """Raises :class:`InvalidSetting` for a run of a flow: the flow is needed to go on with it."""
    if FLOW in run.settings:
        raise InvalidSetting(
            f"run {run.name} is one of a flow: run the flow again with this journal, or `batchmill resume`"
        )


def document_of(run: RunRecord) -> str | dict[str, Any]:
    """The run's document: its file as it is now, or what was kept of it where there is no file any more."""
    if os.path.isabs(run.source) and os.path.isfile(run.source):
        return run.source
    document: dict[str, Any] = run.document
    return document


def is_done(run: RunRecord, document: str | dict[str, Any], given: bool, failed_only: bool) -> bool:
    """Whether the run has finished and nothing asks for more: no edit, no input that is ``given``."""
    return run.finished and not (given or failed_only) and load(document).raw == run.document


def _as_it_was(reader: Reader, run: RunRecord) -> RunResult | None:
    """The result that a finished run had; None where it is not kept."""
    found = reader.result(run)
    if found is None:
        return None
    names = ("run", "status", "outputs", "nodes", "errors", "warnings", "llm_calls", "timing")
    count = sum(visit.done - visit.failed for visit in reader.visits(run))
    resumed = Kept(kept=count).as_json()
    fields = {name: found[name] for name in names if name in found}
    return RunResult(**fields, resumed=resumed, journal=str(reader.journal.path), untouched=True)


def require_folder(run: RunRecord) -> None:
    """Raises :class:`InvalidSetting` in another folder than the run's: its paths would be other files."""
    try:
        if os.path.samefile(run.folder, os.getcwd()):
            return
        problem = f"this process works in {os.getcwd()}: change the folder first"
    except OSError:
        problem = "which is not there any more: put it back, or begin a new run"
    raise InvalidSetting(f"run {run.name} was begun in {run.folder}, {problem}")


def settings_of(
    run: RunRecord,
    executor: str | None = None,
    jobs: int | None = None,
    own_files: Mapping[str, str] | None = None,
    remembered: Mapping[str, Any] | None = None,
    limit: int | Literal["all"] | None = None,
    cluster: str | Mapping[str, Any] | None = None,
    part: Part | None = None,
) -> RunSettings:
    """The settings of the run, but for those that are given."""
    set_apart = ("executor", "jobs", "limit", "cluster", "around", "part")
    own = {name: value for name, value in run.settings.items() if name not in set_apart}
    return RunSettings(
        executor or run.settings.get("executor"),
        jobs or run.settings.get("jobs"),
        limit_of(run, limit),
        own_files or {},
        {**own, **(remembered or {})},
        run.settings.get("cluster") if cluster is None else cluster,
        part,
    )


def limit_of(run: RunRecord, given: int | Literal["all"] | None) -> int | None:
    """The limit that is given, that of the run where none is."""
    if given is None:
        return run.limit
    return given if given != "all" else None


def require_stdin(journal: Journal, run: RunRecord, plan: Plan) -> None:
    """Raises :class:`InvalidSetting` where items came from standard input and there is nothing in it now: as
    no items they would end the run as done."""
    with Reader(journal) as reader:
        recorded = {visit.address for visit in reader.visits(run) if visit.done}
    node = next((one for one in nodes_on_stdin(plan) if one in recorded), None)
    if node is not None and standard_input_is_empty():
        raise InvalidSetting(
            f"the items of {node!r} came from standard input, and it is empty now; give them once more: "
            f"... | batchmill resume {run.name}"
        )


def order_of(
    run: RunRecord,
    document: str | dict[str, Any],
    params: Mapping[str, Any] | None,
    text_params: Mapping[str, str] | None,
    settings: RunSettings,
    journal: Journal,
    warnings: Iterable[Warned] = (),
) -> RunRequest:
    """What there is to run of a run that is resumed: its document as it is now, its inputs and those that are
    given. Raises :class:`InvalidDocument`."""
    texts = dict(text_params or {})
    values = {name: value for name, value in {**run.inputs, **(params or {})}.items() if name not in texts}
    declared = _declared(document)
    values = {name: value for name, value in values.items() if name in declared or name in (params or {})}
    try:
        return ordered(document, values, texts, settings, journal=journal, warnings=warnings)
    except InvalidDocument as error:
        missing = [name for name in declared if name not in values and name not in texts]
        if missing:
            names = " ".join(f"{name}=..." for name in missing)
            error.add_note(f"give again what was not kept: batchmill resume {run.name} {names}")
        raise


def _declared(document: str | dict[str, Any]) -> set[str]:
    """The inputs that the document has now; of one that is edited some may be gone."""
    raw = load(document).raw
    inputs = raw.get("inputs") if isinstance(raw, dict) else None
    return set(inputs) if isinstance(inputs, dict) else set()


def _opened(
    journal: Journal,
    run: RunRecord,
    order: RunRequest,
    lock: RunLock,
    failed_only: bool,
    again: frozenset[str],
    masker: Masker,
    stop: CancelToken,
) -> SqliteRunLog:
    """The opening of a further pass."""
    now = replace(order.record(), id=run.id, source=run.source, folder=run.folder, name=run.name)
    now = replace(now, started_at=run.started_at)
    return journal.resume(
        run.name,
        now,
        lock=lock,
        codec=CODEC,
        masker=masker,
        failed=lambda fault: stop.cancel(),
        failed_only=failed_only,
        again=again,
        order=addresses(order.plan),
        asks=asks_models(order.plan),
    )
