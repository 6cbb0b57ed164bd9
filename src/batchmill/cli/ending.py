"""How a command that ran something ends: its last words on stderr, and its exit code."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from batchmill.cli.exits import OF_STATUS, Exit, of_error
from batchmill.cli.journals import is_found
from batchmill.errors import ClusterLost, Interrupted
from batchmill.events.summary import Summary
from batchmill.graph.visits.first_items import CODE as LIMITED
from batchmill.runs.batch_api import in_words
from batchmill.runs.ledger import sum_of
from batchmill.runs.result import NOT_LOOKED_AT, RunResult
from batchmill.values.words import count, is_inside_item, spending

EVERY_ITEM = "add --limit all to run the others"


def last_words(
    summary: Summary, result: RunResult, quiet: bool, folder: str, *, named: bool = False
) -> list[str]:
    """The summary. If it is not wanted, only the errors of a failed run, without those of items that were
    already ``named`` when they failed. ``folder`` is the folder in which the command was called."""
    if not quiet:
        summary.take_errors(result.errors)
        summary.show = partial(_show, result, folder)
        return [*summary.lines(), *_spent(result), *_of_resuming(result, folder)]
    summary.take_errors(one for one in result.errors if not named or one["index"] is None)
    errors = summary.errors() if result.status == "failed" else []
    return [*errors, *_all_gone(result), *_way_on(result, folder)]


def _show(result: RunResult, folder: str, node: str, index: int) -> str:
    """The command that shows an item; empty if the item is not kept."""
    if result.journal is None or is_inside_item(node) or not os.path.exists(result.journal):
        return ""
    which = f"--node {shlex.quote(node)} --item {index}"
    return f"batchmill show {result.run} {which}{_option(result.journal, folder)}"


def _spent(result: RunResult) -> list[str]:
    """The use by model calls, over all passes of the run."""
    spent = sum_of(call for call in result.llm_calls if isinstance(call, dict))
    return [] if spent is None else [f"  spent: {spending(**spent)}"]


def _of_resuming(result: RunResult, folder: str) -> list[str]:
    """Lines about what a resumed run kept, and how to continue an unfinished run."""
    errors = result.errors if result.environment else ()
    storage = [one for one in errors if one["node"] is None and one["type"] == "StorageError"]
    lines = [f"error: {one['message']}" for one in storage]  # the summary cuts what is long
    if result.untouched:
        limited = any(one.get("code") == LIMITED for one in result.warnings)
        more = f"; items were left out by --limit: {EVERY_ITEM}" if limited else ""
        lines.append(f"run {result.run} is finished ({result.status}): nothing to do{more}")
        unseen = [one["message"] for one in result.warnings if one.get("code") == NOT_LOOKED_AT]
        lines += [f"note: {message}" for message in unseen]
    elif result.resumed is not None:
        counts = ", ".join(f"{number:,} {word}" for word, number in result.resumed.items())
        before = result.spent_before
        spent = "" if before is None else f"; earlier passes: {spending(**before)}"
        lines.append(f"resumed {result.run}: {counts}{spent}")
        lines += [f"  {node} changed by {names_in_words(names)}" for node, names in result.changed_by.items()]
    return lines + _all_gone(result) + _way_on(result, folder)


def names_in_words(names: Sequence[str]) -> str:
    """The changed parts in words, with params as written in a document."""
    return ", ".join(name if " " in name else f"`{name}`" for name in names)


def _all_gone(result: RunResult) -> list[str]:
    """A warning if a resumed run did nothing because all its saved work belongs to items or nodes that are
    gone."""
    counts = result.resumed or {}
    gone = counts.get("gone", 0)
    if not gone or sum(counts.values()) > gone:
        return []
    return [
        f"warning: nothing was run: the {count(gone, 'item')} recorded before are not among the items now"
    ]


def _way_on(result: RunResult, folder: str) -> list[str]:
    """The command that continues a run that was interrupted or failed, or that had failed items."""
    if result.journal is None or not os.path.exists(result.journal):
        return []
    if result.status == "waiting":
        command = f"batchmill resume {result.run}{_option(result.journal, folder)}"
        return [in_words(result.waiting), f"collect the answers with: {command} (--wait waits for all)"]
    if result.status == "failed":
        waits = [in_words(result.waiting)] if result.waiting else []
        return [*waits, way_on(result.run, result.journal, folder)]
    command = f"batchmill resume {result.run} --failed{_option(result.journal, folder)}"
    again = any(map(_has_failed, result.nodes.values()))
    return [f"run failed items again with: {command}"] if again else []


def _has_failed(node: Mapping[str, Any]) -> bool:
    """Whether items of a node failed, or something inside them."""
    return bool(node.get("error_count", 0) + node.get("degraded_count", 0))


def way_on(run: str, journal: str | None, folder: str) -> str:
    """A line with the command that resumes a run, for ``folder``; empty if the run is not kept."""
    return "" if journal is None else f"resume with: batchmill resume {run}{_option(journal, folder)}"


def _option(journal: str, folder: str) -> str:
    """The option that names the journal, where it is not found by itself."""
    return "" if is_found(journal, folder) else f" --journal {shlex.quote(journal)}"


def exit_code(result: RunResult, signal_number: int | None) -> int:
    """The exit code of a run, which a signal may have ended. No message follows its last words."""
    if result.interrupted and signal_number is not None:
        return of_error(Interrupted(signal_number))
    if result.limit is not None and result.status == "failed":
        return Exit.LIMIT
    if any(one["type"] == ClusterLost.__name__ for one in result.errors) and result.status == "failed":
        return Exit.LIMIT
    if result.environment and result.status == "failed":
        return Exit.ENVIRONMENT
    return OF_STATUS[result.status]
