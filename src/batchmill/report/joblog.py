"""The log that GNU parallel writes with ``--joblog``: a line for each item that ran.

``parallel --retry-failed --joblog FILE`` runs the commands of its failed lines again."""

from __future__ import annotations

import shlex
import signal
from collections.abc import Iterator
from functools import partial
from itertools import repeat

from batchmill.report import text
from batchmill.report.commands import show, shows
from batchmill.report.facts import Facts
from batchmill.report.plain import Plain, in_order
from batchmill.report.rows import Row

LOCAL = ":"  # what parallel calls this machine
HEAD = "Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand\n"
RAN = frozenset({"ok", "retried", "degraded", "failed", "timeout", "died"})
TERMINATED = 15  # what parallel ends a job with that is overdue
SHELL_SIGNALLED = 128
SIGNALS = frozenset(map(int, signal.valid_signals()))


def lines(facts: Facts) -> Iterator[str]:
    """The log, line by line. ``Seq`` counts from 1 over the items of all batch nodes. ``Starttime`` is 0.000,
    which no job can have, if it was not recorded. An item without a command of its own gets the command that
    shows it."""
    yield HEAD
    batches = {node.id for node in facts.nodes if node.batch and not node.nested}
    number = 0
    for page in facts.pages(measured=True):
        jobs = [one for one in page if one.node in batches and (isinstance(one, Plain) or one.final)]
        for told in in_order(jobs, partial(_plain, facts), partial(_row, facts)):
            number += 1
            if told:
                yield f"{number}\t{told}"


def _plain(facts: Facts, items: Plain) -> Iterator[str]:
    """All but the number, in columns: an object for each of a million items would take most of the time."""
    hosts = {slot: _host(facts, items.node, slot) for slot in set(items.slots)}
    command_of = shows(facts.run, items.node)
    same = one_line(text.valid(command_of(0))) == command_of(0)
    columns = zip(
        items.indexes, facts.epochs(items.starts), items.walls, items.slots, items.bytes_out or repeat(0),
        strict=False,
    )  # fmt: skip
    for index, start, wall, slot, n_bytes in columns:
        command = command_of(index) if same else one_line(text.valid(command_of(index)))
        yield f"{hosts[slot]}\t{start:.3f}\t{wall:10.3f}\t0\t{n_bytes or 0}\t0\t0\t{command}\n"


def _row(facts: Facts, row: Row) -> str:
    """All but the number; nothing for an item that did not run."""
    if row.state not in RAN:
        return ""
    start = 0.0 if row.start is None else facts.epoch(row.start)
    how = ended(row.exit_code, row.signal, failed=row.failed, overdue=row.state == "timeout")
    command = row.command if row.command is not None else show(facts.run, row.node, row.index)
    fields = (
        _host(facts, row.node, row.slot), f"{start:.3f}", f"{row.wall:10.3f}", 0, row.bytes_out or 0,
        *how, one_line(text.valid(command)),
    )  # fmt: skip
    return "\t".join(map(str, fields)) + "\n"


def _host(facts: Facts, node: str, slot: int | None) -> str:
    return text.line(facts.slot_names.host(node, slot)) or LOCAL


def ended(
    exit_code: int | None, number: int | None = None, *, failed: bool, overdue: bool
) -> tuple[int, int]:
    """Exit code and signal, as parallel writes them, of an item whose command ended so. A command that was
    killed by a signal has the exit code of a shell, 128 and its ``number``."""
    if overdue:
        return -1, TERMINATED
    if not failed:
        return 0, 0
    if number is None and exit_code is not None and exit_code - SHELL_SIGNALLED in SIGNALS:
        number = exit_code - SHELL_SIGNALLED
    return (0, number) if number else (exit_code or 1, 0)


def one_line(command: str) -> str:
    """A command of several lines as one that means the same in every shell; the log has a line for a job."""
    command = command.replace("\x00", "")
    if "\n" not in command:
        return command
    escaped = command.replace("\\", "\\\\").replace("\n", "\\n")
    return f'eval "$(printf %b {shlex.quote(escaped)})"'
