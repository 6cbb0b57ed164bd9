"""The log that GNU parallel writes with ``--joblog``: a line for each item that ran.

``parallel --retry-failed --joblog FILE`` runs the commands of its failed lines again."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from batchmill.report import text
from batchmill.report.commands import show
from batchmill.report.facts import Facts
from batchmill.report.rows import Row

HEAD = "Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand\n"
RAN = frozenset({"ok", "retried", "degraded", "failed", "timeout", "died"})
TERMINATED = 15  # what parallel ends a job with that is overdue


def lines(facts: Facts) -> Iterator[str]:
    """The log, line by line. ``Seq`` counts from 1 over the items of all batch nodes. ``Starttime`` is 0.000,
    which no job can have, if it was not recorded. An item without a command of its own gets the command that
    shows it."""
    yield HEAD
    batches = {node.id for node in facts.nodes if node.batch and not node.nested}
    number = 0
    for row in facts.rows():
        if row.final and row.node in batches:
            number += 1
            if row.state in RAN:
                yield _line(facts, row, number)


def _line(facts: Facts, row: Row, number: int) -> str:
    start = 0.0 if row.start is None else facts.epoch(row.start)
    exit_code, signal = _ended(row)
    command = row.command if row.command is not None else show(facts.run, row.node, row.index)
    fields = (
        number, text.line(facts.slot_names.host(row.node, row.slot)) or ":", f"{start:.3f}",
        f"{row.wall:10.3f}", 0, row.bytes_out or 0, exit_code, signal, _one_line(command),
    )  # fmt: skip
    return "\t".join(map(str, fields)) + "\n"


def _ended(row: Row) -> tuple[int, int]:
    """Exit code and signal, as parallel writes them."""
    if row.state == "timeout":
        return -1, TERMINATED
    if row.signal:
        return 0, row.signal
    if not row.failed:
        return 0, 0
    return row.exit_code or 1, 0


def _one_line(command: str) -> str:
    """A command of several lines as one that means the same in every shell; the log has a line for a job."""
    command = text.valid(command).replace("\x00", "")
    if "\n" not in command:
        return command
    escaped = command.replace("\\", "\\\\").replace("\n", "\\n")
    return f'eval "$(printf %b {shlex.quote(escaped)})"'
