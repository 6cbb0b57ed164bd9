"""How a command that ran something ends: its last words on stderr, and its exit code."""

from __future__ import annotations

from batchmill.cli.exits import OF_STATUS, Exit
from batchmill.errors import Interrupted
from batchmill.events.summary import Summary
from batchmill.runs.result import RunResult


def last_words(summary: Summary, result: RunResult, quiet: bool) -> list[str]:
    """The summary; of it only the errors of a failed run where nothing else is wanted."""
    summary.take_errors(result.errors)
    if not quiet:
        return summary.lines()
    return summary.errors() if result.status == "failed" else []


def exit_code(result: RunResult, signal_number: int | None) -> int:
    """The exit code of a run; raises :class:`Interrupted` where a signal ended it."""
    if result.interrupted and signal_number is not None:
        raise Interrupted(signal_number)
    if result.limit is not None and result.status == "failed":
        return Exit.LIMIT
    if result.environment and result.status == "failed":
        return Exit.ENVIRONMENT
    return OF_STATUS[result.status]
