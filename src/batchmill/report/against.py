"""Two runs side by side, as plain data with the schema id ``batchmill.against/1``, as text, and as a section
of the report of one of them.

Items are matched by node and position, so this is for runs of the same items."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal

from batchmill.report import text
from batchmill.report.facts import Facts
from batchmill.report.model import Report
from batchmill.report.parts import ReportNode
from batchmill.report.plain import Plain
from batchmill.report.rows import FAILURES
from batchmill.report.sections import LONGEST_CELL, MOST_ROWS, Section, Table
from batchmill.report.terminal import aligned
from batchmill.report.words import count, dollars, duration

SCHEMA: Final = "batchmill.against/1"
MOST_LISTED = 1000
MOST_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Side:
    """The sums of one of the runs. ``cost`` is None if no call has a price. ``nodes`` gives for each batch
    its ``ok`` and ``failed`` items and, if any ran, ``p50``, ``p95`` and ``most``: seconds of an item."""

    run: str
    status: str
    wall: float
    ok: int
    failed: int
    retried: int
    cost: float | None
    nodes: dict[str, dict[str, float]]


@dataclass(frozen=True, slots=True)
class Changed:
    """Items that ended otherwise: their number, and of those the first thousand as node and position."""

    count: int = 0
    items: Sequence[tuple[str, int]] = ()


@dataclass(frozen=True, slots=True)
class Against:
    """A run and the ``other`` that it is held against. ``broken`` items failed here alone, ``mended`` ones
    there alone; ``only_here`` and ``only_there`` are numbers of items that the other run does not have."""

    this: Side
    other: Side
    broken: Changed = field(default_factory=Changed)
    mended: Changed = field(default_factory=Changed)
    only_here: int = 0
    only_there: int = 0
    schema: Literal["batchmill.against/1"] = SCHEMA

    def as_json(self) -> dict[str, Any]:
        """The comparison as plain data."""
        told = asdict(self)
        return {"schema": told.pop("schema"), **told}


def against(this: Facts, report: Report, other: Facts, other_report: Report) -> Against:
    """Compare two runs, given as summed-up facts."""
    here, there = _ended(this), _ended(other)
    broken, mended, common = _Changes(), _Changes(), 0
    for node in sorted(here.keys() & there.keys()):
        for index, (one, another) in enumerate(zip(here[node], there[node], strict=False)):
            if one and another:
                common += 1
                if one != another:
                    (broken if one == _FAILED else mended).add(node, index)
    return Against(
        _side(report), _side(other_report), broken.told(), mended.told(),
        _number(here) - common, _number(there) - common,
    )  # fmt: skip


_NONE, _DONE, _FAILED = 0, 1, 2
_Ends = dict[str, bytearray]
"""How each item of the run's own batches ended, by node and position: a byte for each."""


def _ended(facts: Facts) -> _Ends:
    found: _Ends = {node.id: bytearray() for node in facts.nodes if node.batch and not node.nested}
    for one in facts.columns():
        ends = found.get(one.node)
        if ends is None:
            continue
        if isinstance(one, Plain):
            _reach(ends, one.indexes[-1])
            for index in one.indexes:
                ends[index] = _DONE
        elif one.final:
            _reach(ends, one.index)
            ends[one.index] = _FAILED if one.state in FAILURES else _DONE
    return found


def _reach(ends: bytearray, index: int) -> None:
    """Make the bytes reach as far as ``index``."""
    if index >= len(ends):
        ends.extend(bytes(index + 1 - len(ends)))


def _number(ends: _Ends) -> int:
    return sum(len(one) - one.count(_NONE) for one in ends.values())


class _Changes:
    """Gathers a :class:`Changed`."""

    def __init__(self) -> None:
        self._count = 0
        self._items: list[tuple[str, int]] = []

    def add(self, node: str, index: int) -> None:
        self._count += 1
        if len(self._items) < MOST_LISTED:
            self._items.append((node, index))

    def told(self) -> Changed:
        return Changed(self._count, self._items)


def _side(report: Report) -> Side:
    batches = [node for node in report.nodes if node.batch and not node.nested]
    priced = [node.cost for node in report.nodes if node.cost is not None]
    return Side(
        report.run.name, report.run.status, report.run.wall, sum(map(_ok, batches)), report.failed,
        report.counts.get("retried", 0), sum(priced) if priced else None,
        {node.id: _figures(node) for node in batches},
    )  # fmt: skip


def _ok(node: ReportNode) -> int:
    return sum(node.counts.get(state, 0) for state in ("ok", "retried", "degraded", "kept"))


def _figures(node: ReportNode) -> dict[str, float]:
    failed = sum(number for state, number in node.counts.items() if state in FAILURES)
    told: dict[str, float] = {"ok": _ok(node), "failed": failed}
    if node.durations is not None:
        told |= {"p50": node.durations.p50, "p95": node.durations.p95, "most": node.durations.most}
    return told


def section(told: Against) -> Section:
    """The comparison as a section of the report of the run."""
    rows = [(_cell(name), _cell(this), _cell(other)) for name, this, other in _rows(told.this, told.other)]
    lists = [
        Table(
            ("node", "item"),
            [(_cell(node), f"{index:,}") for node, index in changed.items],
            caption=words.capitalize(),
            more=changed.count - len(changed.items),
        ).cut(MOST_ROWS)
        for words, changed in _changed(told)
        if changed.count
    ]
    figures = Table(("what", _cell(told.this.run), _cell(told.other.run)), rows)
    title = f"Against run {text.line(told.other.run)}"
    return Section("against", title, list(_sentences(told)), [figures, *lists])


def _sentences(told: Against) -> Iterator[str]:
    for words, changed in _changed(told):
        if changed.count:
            yield f"{count(changed.count, 'item')} {words}."
    if not (told.broken.count or told.mended.count):
        yield "No item in both runs ended differently."
    for where, number in (("here", told.only_here), ("there", told.only_there)):
        if number:
            yield f"{count(number, 'item')} {'is' if number == 1 else 'are'} only {where}."


def _changed(told: Against) -> tuple[tuple[str, Changed], ...]:
    return ("failed here alone", told.broken), ("failed there alone", told.mended)


def _cell(value: str) -> str:
    return text.line(value, LONGEST_CELL)


def lines(told: Against) -> Iterator[str]:
    """The comparison, line by line."""
    yield from aligned(
        Table(("", told.this.run, told.other.run), list(_rows(told.this, told.other)), words=1)
    )
    for words, changed in _changed(told):
        if changed.count:
            shown = ", ".join(f"{text.line(node, 30)} {index}" for node, index in changed.items[:MOST_SHOWN])
            more = changed.count - MOST_SHOWN
            rest = f" and {more:,} more" if more > 0 else ""
            yield f"{words}: {count(changed.count, 'item')}: {shown}{rest}\n"
    for words, number in (("only here", told.only_here), ("only there", told.only_there)):
        if number:
            yield f"{words}: {count(number, 'item')}\n"
    if not (told.broken.count or told.mended.count):
        yield "no item in both runs ended differently\n"


def _rows(this: Side, other: Side) -> Iterator[tuple[str, str, str]]:
    yield "status", this.status, other.status
    yield "wall", duration(this.wall), duration(other.wall)
    for name in ("ok", "failed", "retried"):
        yield f"items {name}", f"{getattr(this, name):,}", f"{getattr(other, name):,}"
    if this.cost is not None or other.cost is not None:
        yield "cost", dollars(this.cost), dollars(other.cost)
    for node in dict.fromkeys([*this.nodes, *other.nodes]):
        for name in ("p50", "p95", "most"):
            values = [side.nodes.get(node, {}).get(name) for side in (this, other)]
            label = "max" if name == "most" else name
            yield f"{text.line(node, 30)} {label}", duration(values[0]), duration(values[1])
