"""The facts of a run, read from its journal.

The journal has for each item how it ended, when it began, where it ran, its waits, records and CPU time, and
its attempts if there were several; and when nodes began and ended. Journals of the first three formats have
no waits and no CPU time, those of the first no times of items either."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from batchmill.journal.contract import RunRecord
from batchmill.journal.database import faults
from batchmill.journal.journal import DEFAULT_PATH
from batchmill.journal.reading import Reader
from batchmill.journal.records import UnsavedItem, VisitRecord
from batchmill.report import text
from batchmill.report.advice import IN_COMMANDS
from batchmill.report.commands import call
from batchmill.report.document import adaptive_of, edges_of, read
from batchmill.report.facts import Facts
from batchmill.report.happened import Happened, happened, outline_of
from batchmill.report.items_of_journal import pages_of, rows_of
from batchmill.report.parts import Pass, Provenance, ReportNode, Run, RunStatus
from batchmill.report.rows import CallRow, LimitStep, Sample
from batchmill.report.run_time import RunTime
from batchmill.traits import TRAITS, Traits
from batchmill.values.words import count

UNTIMED = "The journal does not say when each item ran, nor on which worker."
UNMEASURED = "The journal does not say what CPU time and memory items took."
MISSING = {"resources": UNMEASURED}
MISSING_AT_FIRST = {"time": UNTIMED, "timeline": UNTIMED, **MISSING}
# any other is the reason that somebody gave for stopping the run: `reader left`, `halted`
STATUSES: dict[str, RunStatus] = {
    "success": "success", "degraded": "degraded", "failed": "failed", "running": "running",
    "interrupted": "interrupted", "waiting": "waiting",
}  # fmt: skip
COUNTS = ("kept", "redone", "new", "changed")


def facts_of(reader: Reader, record: RunRecord) -> Facts:
    """The facts of a run. Its streams read the journal: use them while ``reader`` is open. They raise
    :class:`~batchmill.errors.StorageError` if it is damaged."""
    visits = reader.visits(record)
    with faults(reader.journal.path):
        events = reader.events(record)
        told = happened(
            events,
            record,
            time.time(),
            lambda number: reader.last_end(visits, number),
            lambda since, before: reader.last_sign(record, since, before),
        )
    outline = read(record.document)
    types = {node.id: node.type or "" for node in outline.all_nodes}
    efforts = reader.efforts(record)
    run = _run(reader, record, told)
    untimed = any(visit.done for visit in visits) and not any(visit.timed for visit in visits)
    missing = MISSING_AT_FIRST if untimed else MISSING
    commands = reader.commands(record)
    nodes = _with_efforts(_nodes(reader.nodes(record), types, visits, told), efforts, commands)
    measured = {node.id for node in nodes if node.cpu is not None}
    pages = partial(pages_of, reader, visits, told, measured)
    spans = adaptive_of(outline) if record.settings.get("jobs") is None else {}
    return Facts(
        run,
        nodes,
        lambda: rows_of(pages(True)),
        lambda: _calls(reader, record, told.passes),
        passes=_with_counts(reader, record, told.passes),
        edges=edges_of(outline),
        limits=[*_first_steps(nodes, spans), *told.limits],
        samples=lambda: _samples(reader, record, told.passes),
        deaths=told.deaths,
        provenance=_provenance(record),
        missing={name: why for name, why in missing.items() if name != "resources" or not efforts},
        adaptive={node: key for node, (key, _) in spans.items()},
        describe=lambda node, index: _described(reader, visits, node, index),
        slot_names=told.slot_names,
        in_pages=pages,
    )


def _first_steps(nodes: Sequence[ReportNode], spans: Mapping[str, tuple[str, int]]) -> Iterator[LimitStep]:
    """The first value of each adaptive limit, for which there is no event."""
    for node in nodes:
        if node.id in spans and node.visits:
            key, start = spans[node.id]
            yield LimitStep(node.visits[0].at, key, start, None, "to begin with")


def _run(reader: Reader, record: RunRecord, told: Happened) -> Run:
    began = told.passes[0].began if told.passes else record.started_at
    wall = sum(one.wall for one in told.passes)
    path, kept = reader.journal.path, not reader.journal.temporary
    option = "" if path == DEFAULT_PATH.absolute() else f"--journal {shlex.quote(str(path))}"
    status = STATUSES.get(record.status, "interrupted")
    if not kept:
        return Run(record.name, record.source, status, began, wall, why=_why(told, status), kept=False)
    run = Run(record.name, record.source, status, began, wall, why=_why(told, status), journal=option)
    if run.status in ("failed", "interrupted", "waiting"):
        return replace(run, resume=call(run, "resume", run.name))
    if run.status == "degraded":
        return replace(run, resume=call(run, "resume", run.name, "--failed"))
    return run


def _why(told: Happened, status: RunStatus) -> str:
    """The message of the last node that failed, if the run failed."""
    failed = [node for node, ended in told.statuses.items() if ended == "failed" and told.errors.get(node)]
    return f"{failed[-1]}: {told.errors[failed[-1]]}" if status == "failed" and failed else ""


def _with_counts(reader: Reader, record: RunRecord, passes: Sequence[Pass]) -> Sequence[Pass]:
    """The passes; the last one with its counts of kept and redone nodes and items, if they are stored."""
    counts = (reader.result(record) or {}).get("resumed")
    if not counts or not passes:
        return passes
    return [*passes[:-1], replace(passes[-1], **{name: counts.get(name) for name in COUNTS})]


def _nodes(
    ended: Mapping[str, dict[str, Any]],
    types: Mapping[str, str],
    visits: Sequence[VisitRecord],
    told: Happened,
) -> list[ReportNode]:
    of_each: dict[str, list[VisitRecord]] = {}
    for visit in visits:
        of_each.setdefault(visit.address, []).append(visit)
    names = dict.fromkeys([*of_each, *told.visits, *ended])
    known = {name: {"type": types.get(name, ""), **ended.get(name, {})} for name in names}
    return [_node(name, known[name], of_each.get(name, []), told) for name in names]


def _node(name: str, ended: dict[str, Any], visits: Sequence[VisitRecord], told: Happened) -> ReportNode:
    under_way = told.under_way(name, visits)
    totals = [visit.total for visit in visits]
    known = [total for total in totals if total is not None]
    return ReportNode(
        name,
        str(ended.get("type", "")),
        batch=any(visit.is_batch for visit in visits) or name in told.executors,
        executor=str(ended.get("executor") or told.executors.get(name, "")),
        reason=str(ended.get("reason", "")),
        status=told.statuses.get(name, ""),
        slots=max((visit.slots for visit in under_way), default=1),
        total=sum(known) if known and len(known) == len(totals) else None,
        visits=under_way,
        wall=sum(visit.wall for visit in under_way),
        error=told.errors.get(name, ""),
    )


def _with_efforts(
    nodes: Sequence[ReportNode],
    efforts: Mapping[str, tuple[float | None, int | None]],
    commands: Mapping[str, tuple[float | None, int]],
) -> list[ReportNode]:
    """The nodes with the sums of their items' CPU time and memory. The first formats of the journal lack the
    CPU time of commands on threads, which other processes used: it is None."""
    found: list[ReportNode] = []
    for node in nodes:
        cpu, peak = efforts.get(node.id, (None, None))
        in_commands, n_bytes = commands.get(node.id, (None, None))
        # Worker processes measure CPU seconds of their commands with their own.
        separate = not TRAITS.get(node.executor, Traits()).own_processes
        if node.type in IN_COMMANDS and separate and in_commands is None:
            cpu = None
        found.append(replace(node, cpu=cpu, peak_rss=peak, bytes_out=n_bytes))
    return found


def _calls(reader: Reader, record: RunRecord, passes: Sequence[Pass]) -> Iterator[CallRow]:
    clock = RunTime(passes)
    for _, one in reader.calls(record):
        at = one.get("at")
        yield CallRow(
            clock.of(at) if isinstance(at, float) and not one.get("kept") else None,
            outline_of(str(one.get("node") or "")),
            one.get("index"),
            str(one.get("model") or ""),
            int(one.get("input_tokens") or 0),
            int(one.get("output_tokens") or 0),
            int(one.get("cached_tokens") or 0),
            one.get("cost"),
            float(one.get("wall") or 0.0),
            str(one.get("error") or ""),
        )


def _samples(reader: Reader, record: RunRecord, passes: Sequence[Pass]) -> Iterator[Sample]:
    clock = RunTime(passes)
    for one in reader.samples(record):
        at = clock.of(one.at)
        if at is not None:
            yield Sample(at, one.cores, one.rss)


def _described(reader: Reader, visits: Sequence[VisitRecord], node: str, index: int) -> str | None:
    own = [visit for visit in visits if visit.address == node]
    if len(own) != 1:
        return None
    found = reader.item(own[0], index)
    if found is None or found.item is None:
        return None
    if isinstance(found.item, UnsavedItem):
        return f"rows of its source, {count(found.item.characters, 'character')} of JSON"
    return text.of_value(found.item)


def _provenance(record: RunRecord) -> Provenance:
    given = {name: value for name, value in record.settings.items() if value is not None}
    given.pop("around", None)  # nobody set it: what resuming compares with the environment of then
    settings = {name: text.of_value(value) for name, value in given.items()}
    inputs = {name: text.of_value(value) for name, value in record.inputs.items()}
    return Provenance(record.source, inputs=inputs, folder=record.folder, settings=settings)
