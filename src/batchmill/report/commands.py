"""Commands to copy, as texts for a shell."""

from __future__ import annotations

import shlex
from collections.abc import Callable

from batchmill.report import text
from batchmill.report.measured import Command
from batchmill.report.parts import Run
from batchmill.report.rows import Row

LONGEST_COMMAND = 1000  # one that is longer is not shown: half a command is worse than none


def call(run: Run, *words: str) -> str:
    """``batchmill WORDS``, with the option that names the run's journal if the command takes it."""
    return f"batchmill {shlex.join(text.valid(word) for word in words)}{_journal(run)}"


def _journal(run: Run) -> str:
    return f" {run.journal}" if run.journal else ""


def show(run: Run, node: str, index: int) -> str:
    """The command that shows an item of a node; empty if none can."""
    return shows(run, node)(index)


def shows(run: Run, node: str) -> Callable[[int], str]:
    """:func:`show` for items of one node: many, it may be."""
    if not run.kept:
        return lambda index: ""
    words = shlex.join(text.valid(word) for word in ("show", run.name, "--node", node, "--item"))
    journal = _journal(run)
    return lambda index: f"batchmill {words} {index}{journal}"


def errors(run: Run, node: str = "") -> str:
    """The command that lists what failed."""
    return call(run, "show", run.name, "--errors", *(("--node", node) if node else ()))


def commands_of(run: Run, row: Row) -> list[Command]:
    """Commands that show a failed item, or run it again."""
    found: list[Command] = []
    if not row.address and run.kept:
        found.append(Command("show it", show(run, row.node, row.index)))
    if row.address and run.kept:
        outer, _, _ = row.address.partition("[")
        position = row.address[len(outer) + 1 :].partition("]")[0]
        if position.isdigit():
            found.append(Command("show the item around it", show(run, outer, int(position))))
        else:
            found.append(Command("show it", errors(run, row.node)))
    if run.resume:
        found.append(Command("run what failed again", call(run, "resume", run.name, "--failed")))
    if row.command and len(row.command) <= LONGEST_COMMAND and "\x00" not in row.command:
        found.append(Command("its command", text.valid(row.command)))
    return found
