"""Run a document: put document, inputs, recorder, bus and scheduler together (the composition root).

The steps: load and check the document, check the inputs, walk the plan, resolve the declared outputs, and
turn everything into plain data.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from batchmill.batch import OnBlock
from batchmill.batch.admissions.gates import Gates
from batchmill.concurrency.cancel import CancelToken
from batchmill.concurrency.resources import resource_scope
from batchmill.errors import InvalidDocument
from batchmill.events import Bus, Listener, Noticed, RunFinished, RunStarted
from batchmill.file_table import OwnFile, described
from batchmill.graph.attached import Attachment
from batchmill.graph.compile.check import check
from batchmill.graph.compile.file_uses import faults_of_plan
from batchmill.graph.compile.plan import Plan
from batchmill.graph.frame import NodeFrame, RunServices
from batchmill.graph.part import Part, part_of
from batchmill.graph.schedule.finals import run_finals
from batchmill.graph.schedule.scheduler import Scheduler
from batchmill.graph.sub_workflow import SubWorkflowRun
from batchmill.graph.worker_quota import WorkerQuota
from batchmill.ir.clusters import variables_of
from batchmill.ir.inputs import check_inputs
from batchmill.ir.loading import Draft, load
from batchmill.journal.journal import Journal
from batchmill.journal.runlog import SqliteRunLog
from batchmill.lists import mapped
from batchmill.nodes import Registry, default_registry
from batchmill.record import LLMCall
from batchmill.runs.arguments import check_arguments, check_taps, journal_of
from batchmill.runs.batch_api import WaitRoom, as_json, desk_of_the_run, handed_in
from batchmill.runs.files import own_files_of, table_of
from batchmill.runs.heartbeat import beating
from batchmill.runs.hooks import RunHooks
from batchmill.runs.journaled import (
    Opening,
    RunRequest,
    begun,
    closing_log,
    event_listeners,
    finished,
    nothing_kept,
    only_told,
    told_of,
    with_all_calls,
)
from batchmill.runs.ledger import calls_of_the_run, spent_before
from batchmill.runs.limits import budgets_of, gates_of, tell_limit
from batchmill.runs.outputs import outputs_of
from batchmill.runs.recalled import recall
from batchmill.runs.result import RunResult, RunStatus
from batchmill.runs.secrets import Secrets
from batchmill.runs.settings import RunSettings, cluster_of
from batchmill.runs.stdin import stdin_faults
from batchmill.runs.under_way import forget_items, items_of_the_run
from batchmill.step import Namespace
from batchmill.step.namespace import RUN_KEY
from batchmill.values import plain, shown
from batchmill.values.masking import Masker
from batchmill.values.words import spending
from batchmill.warned import Warned, Warnings


def run(
    document: str | Path | dict[str, Any] | Draft,
    params: Mapping[str, Any] | None = None,
    *,
    executor: str | None = None,
    jobs: int | None = None,
    limit: int | None = None,
    cluster: str | Mapping[str, object] | None = None,
    listeners: Iterable[Listener] = (),
    cancel: CancelToken | None = None,
    stop: CancelToken | None = None,
    text_params: Mapping[str, str] | None = None,
    registry: Registry | None = None,
    taps: Mapping[str, OnBlock] | None = None,
    masker: Masker | None = None,
    journal: Journal | str | Path | None = None,
    warnings: Iterable[Warned] = (),
    own_files: Mapping[str, str | OwnFile] | None = None,
    remembered: Mapping[str, object] | None = None,
    attached: Mapping[str, Attachment] | None = None,
    last: CancelToken | None = None,
    only: str | None = None,
    from_: str | None = None,
    until: str | None = None,
) -> RunResult:
    """Run a workflow document: the path of a file, the document as a dictionary, or a loaded draft.

    - ``params``: the run's inputs by name. ``text_params``: inputs as text, such as from a command line; the
      document's types say how to read them.
    - ``executor`` ("sequential", "thread", "process", "dask"): overrides the executor of every batch node.
      ``jobs`` (1 to 1000): the most items and nodes that run at the same time in the whole run.
    - ``limit`` (from 1): the most items that any batch node runs.
    - ``cluster``: overrides the document's key and the variable ``BATCHMILL_CLUSTER``.
    - ``listeners``: called with every event. ``taps``: by a batch node's id, a function that is called with
      each block of its outcomes, in input order as they come, in the thread of its branch. If it raises, the
      run ends.
    - ``masker``: is told the run's secrets, for callers that show more than the result. The result, events
      and batchmill's logs mask the values of inputs declared secret and of the variables that ``api_key_env``
      and ``auth_token_env`` name.
    - ``journal``: a path or a :class:`~batchmill.journal.journal.Journal` that saves the run, so that
      :func:`batchmill.resume` can continue it. Without it nothing is saved.
    - ``warnings``: the caller's own, such as those of a file of inputs, reported with those of the run.
    - ``own_files``: further files that nothing in the run may write or take as items, by path, with a
      description, such as ``{"out.log": "the log of the program"}``. A
      :class:`~batchmill.file_table.OwnFile` also says what its caller does with the file.
    - ``remembered``: JSON that is saved with the run for the caller. Its ``name`` is a name for the run, its
      ``json`` the form in which ``batchmill resume`` prints it.
    - ``attached``: by a batch node's id, what replaces its items, and who is told of them as they end.
    - ``only``, ``from_``, ``until``: run only this node, this node and all that follow from it, or this node
      and all that it needs. Results of the nodes before come from the journal, by content, from any run.
    - ``stop``, ``cancel``: cancel ``stop`` to start no new node or item, ``cancel`` to end running ones too.
      The result is then ``interrupted``. The nodes of ``finally`` still run; cancel ``last`` to end them.

    Branches run in threads of their own, which end with the run. While a document from a file runs, its
    folder is first on the import path, as for a script; relative paths in the document are relative to the
    working folder.

    Failures of nodes are in the result. Raises :class:`~batchmill.errors.InvalidDocument`, before anything
    runs, for a document or inputs that cannot be run, :class:`~batchmill.errors.InvalidSetting`, and
    :class:`~batchmill.errors.StorageError` for a document file that cannot be read.
    """
    listeners = check_arguments(params, text_params, listeners)
    kept = None if journal is None else journal_of(journal)
    settings = RunSettings(
        executor, jobs, limit, described(own_files), remembered or {}, cluster, Part.of(only, from_, until)
    )
    order = ordered(document, params, text_params, settings, registry, kept, warnings)
    opening = nothing_kept if kept is None else partial(begun, kept, order)
    return execute(order, opening, RunHooks(listeners, cancel, stop, taps, masker, attached, last))


def ordered(
    document: str | Path | dict[str, object] | Draft,
    params: Mapping[str, object] | None,
    text_params: Mapping[str, str] | None,
    settings: RunSettings,
    registry: Registry | None = None,
    journal: Journal | None = None,
    warnings: Iterable[Warned] = (),
) -> RunRequest:
    """Check what to run; ``journal`` is where the run will be saved. Raises what :func:`run` raises before
    anything runs."""
    draft = load(document)
    plan = check(draft, registry or default_registry())
    plan = replace(plan, warnings=(*warnings, *plan.warnings))
    texts = dict(text_params or {})
    inputs, problems = check_inputs(plan.workflow, {**(params or {}), **texts}, text=frozenset(texts))
    if problems:
        raise InvalidDocument(tuple(problems), draft.source)
    if plan.settings is not None:
        plan = check(draft, registry or default_registry(), inputs)
        plan = replace(plan, warnings=(*warnings, *plan.warnings))
    own = own_files_of(draft, plan, journal, settings.own_files)
    faults = faults_of_plan(plan, inputs, own)
    if faults:
        raise InvalidDocument(draft.problems(faults), draft.source)
    if draft.from_stdin and (taken := stdin_faults(plan)):
        raise InvalidDocument(draft.problems(taken), draft.source)
    if settings.part is not None:
        plan = part_of(plan, settings.part)
    return RunRequest(plan, draft.raw, draft.source, draft.is_file, inputs, replace(settings, own_files=own))


def execute(
    order: RunRequest,
    opening: Opening,
    hooks: RunHooks,
    room: WaitRoom | None = None,
) -> RunResult:
    """Run what :func:`ordered` returned; ``opening`` makes the run's log in a journal. ``room`` is for
    callers that wait for the batches that the run leaves with services."""
    plan = order.plan
    batch_nodes = [name for name, node in plan.nodes.items() if node.spec.batch is not None]
    check_taps(hooks.taps or {}, batch_nodes, part=order.settings.part is not None)
    known = Secrets(plan, order.inputs, hooks.masker or Masker())
    known.add_sent(variables_of(cluster_of(order.settings, plan.workflow)))
    ending = CancelToken(hooks.stop)
    log = opening(known.masker, ending)
    files = table_of(plan, order.inputs, order.settings.own_files)
    with (
        closing(files),
        closing_log(log),
        calls_of_the_run(log, plan) as calls,
        items_of_the_run(log, plan, known.masker) as items,
        desk_of_the_run(log, plan, room) as desk,
        importing_from(plan.import_folders()),
        resource_scope(),
        ending,
    ):
        around = _frame(order, log, known, hooks, ending)
        services = replace(around.services, files=files, calls=calls, items=items, desk=desk)
        around = replace(around, services=services)
        with beating(log, around):
            result = _walked(plan, around, order.source, known.masker, log)
        if result.status == "success":
            forget_items(items)
        return result


def _warn_of_ordinary(around: NodeFrame) -> None:
    """Warn of the secrets that are not masked; at the end of the walk also those of sub-workflows."""
    for called in around.masker.ordinary:
        message = f"the value of {called} is too ordinary to be a secret and was not masked"
        hint = "give it a value of its own, or do not call it a secret"
        around.warnings.add(Warned("ordinary-secret", message, hint))


def _frame(
    order: RunRequest,
    log: SqliteRunLog | None,
    known: Secrets,
    hooks: RunHooks,
    ending: CancelToken,
) -> NodeFrame:
    """What the nodes of a run are given, except what is opened for the run."""
    plan = order.plan
    bus = Bus([*hooks.listeners, *event_listeners(log)], known.masker.value)
    gates = gates_of(bus, ending)
    services = _services(order, log, known, bus, gates)
    inputs = {**order.inputs, RUN_KEY: services.run}
    nodes, permissive = (plan.whole or plan).nodes, plan.mode == "permissive"
    return NodeFrame(
        services,
        Namespace(inputs, permissive=permissive, nodes=nodes, left_out=plan.left_out),
        stop=ending,
        folder=plan.import_folder,
        budgets=budgets_of(plan, gates),
        masker=known.masker,
        secrets=known.bound,
        log=log,
        warnings=Warnings(bus.emit),
        taps=hooks.taps or {},
        attached=hooks.attached or {},
        cancel=hooks.cancel or CancelToken(),
        last=hooks.last or CancelToken(),
    )


def _services(
    order: RunRequest, log: SqliteRunLog | None, known: Secrets, bus: Bus, gates: Gates
) -> RunServices:
    settings = order.settings
    return RunServices(
        SubWorkflowRun,
        bus,
        executor=settings.executor,
        jobs=settings.jobs,
        limit=settings.limit,
        cluster=cluster_of(settings, order.plan.workflow),
        quota=WorkerQuota(settings.jobs) if order.plan.crowded else None,
        run=told_of(log),
        gates=gates,
        withheld=known.withheld,
    )


def _walked(
    plan: Plan, around: NodeFrame, source: str, masker: Masker, log: SqliteRunLog | None
) -> RunResult:
    """Run the nodes, with the run's first and last event. The result holds no secrets."""
    mask = masker.value
    name = around.services.run["id"]
    began, started_at = time.perf_counter(), time.time()
    around.services.bus.emit(RunStarted(name, source, len(plan.nodes)))
    for warned in plan.warnings:
        around.warnings.add(warned)
    if log is not None and log.resumed and (before := spent_before(log)) is not None:
        around.services.bus.emit(Noticed(f"earlier passes of this run made {spending(**before)}"))
    recall(plan, around, log, masker)
    walk = Scheduler(plan, around).run()
    tell_limit(around.services.gates, walk)
    waiting = handed_in(around, walk, log)
    _warn_of_ordinary(around)
    outputs = outputs_of(plan.workflow, around.namespace, walk, around.warnings)
    run_finals(plan, around, walk)
    wall = time.perf_counter() - began
    status: RunStatus = "waiting" if walk.waiting else walk.status
    around.services.bus.emit(RunFinished(name, status, wall))
    result = RunResult(
        run=name,
        status=status,
        outputs=mask(outputs),
        nodes={node: mask(plain(report.as_json())) for node, report in walk.addressed_reports().items()},
        errors=mask(mapped(walk.errors.listed(), _plain_error)),
        warnings=[mask(warned.as_json()) for warned in around.warnings.listed()],
        llm_calls=mask(mapped(around.namespace.calls(), _plain_call)),
        timing={"started_at": started_at, "wall": round(wall, 6)},
        interrupted=walk.interrupted,
        stopped_by=around.stop.reason,
        environment=walk.environment,
        limit=around.services.gates.exhausted,
        waiting=[as_json(one) for one in waiting],
    )
    if log is None:
        return with_all_calls(result, around.services.calls)
    return only_told(log, result, around.services.calls) if log.temporary else finished(log, result)


def _plain_error(entry: dict[str, object]) -> dict[str, Any]:
    """An error entry as JSON data. An item that cannot be shown becomes its ``repr``, shortened: an error
    list must never be what fails."""
    return {key: shown(value) for key, value in entry.items()}


def _plain_call(call: object) -> Any:
    return shown(call.as_json() if isinstance(call, LLMCall) else call)


@contextmanager
def importing_from(folders: Iterable[str]) -> Iterator[None]:
    """Put ``folders`` first on the import path for a while, as Python does for a script."""
    sys.path[:0] = folders
    try:
        yield
    finally:
        for folder in folders:
            if folder in sys.path:  # code of the document may have changed the path itself
                sys.path.remove(folder)
