"""The files of a run: those it needs itself, and those that it will certainly write."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from batchmill.errors import InvalidSetting
from batchmill.file_table import FileTable, place_of
from batchmill.graph.compile.file_uses import AT_THE_END, planned_files
from batchmill.graph.compile.plan import Plan
from batchmill.ir.loading import Draft
from batchmill.journal.journal import Journal

DOCUMENT, INNER_DOCUMENT = "the document itself", "a document of the run"
PRICES, SERVERS = "the file of the document's prices", "the file of the document's MCP servers"
PARAMS, STDIN = "the file of params", "where standard input comes from"
_ONLY_READ = frozenset({DOCUMENT, INNER_DOCUMENT, PRICES, SERVERS, PARAMS, STDIN})
_BESIDE_SQLITE = ("", "-wal", "-shm", "-journal")


def own_files_of(
    draft: Draft, plan: Plan, journal: Journal | None, others: Mapping[str, str]
) -> dict[str, str]:
    """Files that the run must not write, by path, with a description; folders end with a separator.

    Raises :class:`InvalidSetting` for a file of ``others`` to be written at the end that is another of them.
    """
    found = dict(others)
    if journal is not None:
        found |= files_of_journal(journal)
    found |= dict.fromkeys(_documents(plan), INNER_DOCUMENT)
    for written, words in ((plan.workflow.prices, PRICES), (plan.workflow.mcp_servers, SERVERS)):
        if isinstance(written, str):
            found[str(draft.folder / Path(written).expanduser())] = words
    if draft.is_file:
        found[draft.source] = DOCUMENT
    _refuse_shared(others, found)
    return found


def _refuse_shared(others: Mapping[str, str], found: Mapping[str, str]) -> None:
    at_the_end = {path: words for path, words in others.items() if words.startswith(AT_THE_END)}
    for path, words in at_the_end.items():
        place = place_of(path)
        for other, name in found.items():
            if name != words and place is not None and place == place_of(other):
                raise InvalidSetting(f"{path}, {words}, is also {name}: nothing was opened")


def files_of_journal(journal: Journal) -> dict[str, str]:
    """The files of a journal, in the same form."""
    paths = [f"{journal.path}{ending}" for ending in _BESIDE_SQLITE]
    paths += [
        f"{folder}{os.sep}"
        for folder in (journal.files.folder, journal.locks, journal.calls, journal.items, journal.outputs)
    ]
    return dict.fromkeys(paths, "the journal of the run")


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


def table_of(plan: Plan, inputs: Mapping[str, object], own_files: Mapping[str, str]) -> FileTable:
    """The table that a run begins with."""
    table = FileTable()
    enter(table, own_files)
    for path, node in planned_files(plan, inputs):
        table.plan(path, f"`{node}`")
    return table


def enter(table: FileTable, own_files: Mapping[str, str]) -> None:
    """Enter files of the run itself, by path, with a description."""
    for path, words in own_files.items():
        if path.endswith(os.sep):
            table.own_folder(path, words)
        else:
            table.own(path, words, written=words not in _ONLY_READ)
