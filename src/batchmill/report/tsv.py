"""A line for each item, its fields between tabs: for spreadsheets, ``awk`` and data frames."""

from __future__ import annotations

from collections.abc import Iterator

from batchmill.report import text
from batchmill.report.facts import Facts
from batchmill.report.rows import Row

COLUMNS = (
    "node", "index", "state", "attempts", "start", "wall", "waited", "cpu", "rss", "bytes_out", "slot",
    "cost", "error", "message", "host",
)  # fmt: skip


def lines(facts: Facts) -> Iterator[str]:
    """The table, line by line. ``start`` is seconds since the epoch, ``wall``, ``waited`` and ``cpu`` are
    seconds, ``rss`` and ``bytes_out`` bytes, ``cost`` US dollars; unknown values are empty. ``host`` is a
    host of a cluster, and ``slot`` counts the slots of all its hosts. Texts are on one line."""
    yield "\t".join(COLUMNS) + "\n"
    for row in facts.rows():
        if row.final:
            yield "\t".join(_fields(facts, row)) + "\n"


def _fields(facts: Facts, row: Row) -> Iterator[str]:
    yield text.line(row.address.rpartition("[")[0] or row.node)
    yield from (str(row.index), row.state, str(row.attempts))
    yield "" if row.start is None else f"{facts.epoch(row.start):.6f}"
    yield from (f"{row.wall:.6f}", f"{row.waited:.6f}" if row.start is not None else "")
    for value in (row.cpu, row.rss, row.bytes_out, row.slot, row.cost):
        yield "" if value is None else f"{value:.9g}" if isinstance(value, float) else str(value)
    yield from (text.line(row.error), text.line(row.message))
    yield text.line(facts.slot_names.host(row.node, row.slot))
