"""The files of a run: those it needs itself, and those that it will certainly write."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from batchmill.errors import FileInUse, InvalidSetting
from batchmill.file_table import FileTable, OwnFile, OwnFiles, Use, enter, refuse_shared
from batchmill.graph.compile.file_uses import DOCUMENT, planned_files
from batchmill.graph.compile.plan import Plan
from batchmill.ir.loading import Draft
from batchmill.journal.journal import Journal

_INNER_DOCUMENT = OwnFile("a document of the run", Use.READ)
_PRICES = OwnFile("the file of the document's prices", Use.READ)
_SERVERS = OwnFile("the file of the document's MCP servers", Use.READ)
_JOURNAL = OwnFile("the journal of the run")
_BESIDE_SQLITE = ("", "-wal", "-shm", "-journal")


def own_files_of(draft: Draft, plan: Plan, journal: Journal | None, others: OwnFiles) -> dict[str, OwnFile]:
    """Files that the run must not write; ``others`` are those of its caller.

    Raises :class:`InvalidSetting` for a file of ``others`` to be written at the end that is another of them.
    """
    at_the_end = [(path, file) for path, file in others.items() if file.use is Use.AT_THE_END]
    found = {path: file for path, file in others.items() if file.use is not Use.AT_THE_END}
    if journal is not None:
        found |= files_of_journal(journal)
    found |= dict.fromkeys(_documents(plan), _INNER_DOCUMENT)
    for written, file in ((plan.workflow.prices, _PRICES), (plan.workflow.mcp_servers, _SERVERS)):
        if isinstance(written, str):
            found[str(draft.folder / Path(written).expanduser())] = file
    if draft.is_file:
        found[draft.source] = DOCUMENT
    try:
        refuse_shared(at_the_end, found)
    except FileInUse as fault:
        raise InvalidSetting(str(fault)) from fault
    return found | dict(at_the_end)


def files_of_journal(journal: Journal) -> dict[str, OwnFile]:
    """The files of a journal."""
    paths = [f"{journal.path}{ending}" for ending in _BESIDE_SQLITE]
    paths += [
        f"{folder}{os.sep}"
        for folder in (journal.files.folder, journal.locks, journal.calls, journal.items, journal.outputs)
    ]
    return dict.fromkeys(paths, _JOURNAL)


def _documents(plan: Plan) -> list[str]:
    """The files of sub-workflows, at all levels."""
    waiting, seen = [plan], {id(plan)}
    sources: list[str] = []
    for one in waiting:
        inner = [node.sub for node in one.nodes.values() if node.sub is not None]
        for sub in inner:
            if sub.plan is not one and id(sub.plan) not in seen:
                seen.add(id(sub.plan))
                waiting.append(sub.plan)
                sources += [sub.source] if sub.is_file else []
    return sources


def table_of(plan: Plan, inputs: Mapping[str, object], own_files: OwnFiles) -> FileTable:
    """The table that a run begins with."""
    table = FileTable()
    enter(table, own_files)
    for path, node in planned_files(plan, inputs):
        table.plan(path, f"`{node}`")
    return table
