"""A line for each item, its fields between tabs: for spreadsheets, ``awk`` and data frames."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import repeat

from batchmill.report import text
from batchmill.report.facts import Facts
from batchmill.report.plain import Plain, in_order
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
    for page in facts.pages(measured=True):
        yield from filter(None, in_order(page, partial(_plain, facts), partial(_row, facts)))


def _plain(facts: Facts, items: Plain) -> Iterator[str]:
    """In columns: an object for each of a million items would take most of the time."""
    node = text.line(_node(items.node, items.turn))
    nothing = repeat("")
    hosts = {slot: text.line(facts.slot_names.host(items.node, slot)) for slot in set(items.slots)}
    columns = zip(
        items.indexes, facts.epochs(items.starts), items.walls, items.waited or repeat(0.0),
        nothing if items.cpu is None else map(_figure, items.cpu),
        nothing if items.bytes_out is None else map(_figure, items.bytes_out), items.slots,
        nothing if items.costs is None else map(_figure, items.costs), strict=False,
    )  # fmt: skip
    for index, start, wall, waited, cpu, n_bytes, slot, cost in columns:
        yield (
            f"{node}\t{index}\tok\t1\t{start:.6f}\t{wall:.6f}\t{waited:.6f}\t{cpu}\t\t{n_bytes}\t{slot}\t{cost}"
            f"\t\t\t{hosts[slot]}\n"
        )


def _row(facts: Facts, row: Row) -> str:
    """Its line; empty for one in whose place another one is."""
    return "\t".join(_fields(facts, row)) + "\n" if row.final else ""


def _fields(facts: Facts, row: Row) -> Iterator[str]:
    yield text.line(_node(row.node, row.address))
    yield from (str(row.index), row.state, str(row.attempts))
    yield "" if row.start is None else f"{facts.epoch(row.start):.6f}"
    yield from (f"{row.wall:.6f}", f"{row.waited:.6f}" if row.start is not None else "")
    yield from map(_figure, (row.cpu, row.rss, row.bytes_out, row.slot, row.cost))
    yield from (text.line(row.error), text.line(row.message))
    yield text.line(facts.slot_names.host(row.node, row.slot))


def _node(node: str, address: str) -> str:
    return address.rpartition("[")[0] or node


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.9g}" if isinstance(value, float) else str(value)
