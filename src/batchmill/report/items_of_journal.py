"""The items of a run as its journal has them, in columns as far as possible."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from batchmill.graph.visits.record_codec import costs as costs_of
from batchmill.graph.visits.record_codec import read as read_records
from batchmill.journal.database import faults
from batchmill.journal.reading import Reader
from batchmill.journal.records import Figures, ItemRecord, VisitRecord, figures_of
from batchmill.report import text
from batchmill.report.happened import Happened
from batchmill.report.places import place_of, placed
from batchmill.report.plain import Page, Plain, in_order
from batchmill.report.rows import FailureRow, Row, State
from batchmill.report.run_time import RunTime
from batchmill.report.slot_names import SlotNames

BY_KIND: dict[str, State] = {"timeout": "timeout", "worker_died": "died", "cancelled": "cancelled"}


def rows_of(pages: Iterable[Page]) -> Iterator[Row]:
    """A row for each outcome."""
    for page in pages:
        yield from in_order(page, Plain.rows, lambda row: row)


def pages_of(
    reader: Reader, visits: Sequence[VisitRecord], told: Happened, alone: Collection[str], measured: bool
) -> Iterator[Page]:
    """Every outcome; ordinary ones in columns. ``alone`` has the nodes whose CPU
    time is that of their items."""
    for visit, base, turns in placed(visits):
        clock, names = RunTime(told.passes), told.slot_names
        with_cpu = visit.address in alone
        for figures, others in reader.columns(visit, measured=measured):
            alike = [item for item in others if item.is_plain]
            rest = [item for item in others if not item.is_plain]
            page: list[Row | Plain] = []
            sets: list[tuple[Figures, Iterator[ItemRecord], Sequence[float | None] | None]] = []
            if figures is not None:
                sets.append((figures, figures.items(), None))
            if alike:
                sets.append((figures_of(alike), iter(alike), [_cost(reader, one) for one in alike]))
            for columns, items, costs in sets:
                plain = _plain(visit, columns, base, turns, clock, names, costs)
                if plain is None:
                    rest.extend(items)
                    continue
                plain.cpu = _cpus(columns) if with_cpu else None
                page.append(plain)
            for item in rest:
                place = place_of(visit, item.index, turns)
                row = _row(reader, visit, item, base + item.index, place, clock, names)
                if with_cpu:
                    row.cpu = item.commands_cpu if item.cpu is None else item.cpu
                row.bytes_out = item.bytes_out
                page.append(row)
            yield page


def _cpus(figures: Figures) -> Sequence[float | None] | None:
    """The CPU time of items, or of their commands."""
    if figures.cpu is None or figures.commands_cpu is None:
        return figures.cpu or figures.commands_cpu
    both = zip(figures.cpu, figures.commands_cpu, strict=True)
    return [in_commands if cpu is None else cpu for cpu, in_commands in both]


def _plain(
    visit: VisitRecord,
    figures: Figures,
    base: int,
    turns: int,
    clock: RunTime,
    names: SlotNames,
    costs: Sequence[float | None] | None,
) -> Plain | None:
    """Items in columns; None for items that belong to no batch or began before the run."""
    starts = clock.of_all(figures.began) if visit.is_batch else None
    if starts is None:
        return None
    indexes = [base + index for index in figures.indexes] if base else figures.indexes
    turn = f"{visit.address}, turn {visit.turn + 1}" if turns > 1 else ""
    slots = names.slots(visit.address, figures.began, figures.workers)
    columns = figures.walls, slots, figures.for_limit, figures.for_permit
    return Plain(visit.address, indexes, starts, *columns, turn, base, costs, bytes_out=figures.bytes_out)


def _row(
    reader: Reader,
    visit: VisitRecord,
    item: ItemRecord,
    index: int,
    address: str,
    clock: RunTime,
    names: SlotNames,
) -> Row:
    start, wall, tried = clock.times(item)
    slot = item.worker
    if item.began is not None and names.names(visit.address):
        began = item.began
        slot = names.slot(visit.address, began, slot)
        tried = tuple(one._replace(slot=names.slot(visit.address, began, one.slot)) for one in tried)
    row = Row(
        visit.address, index, _state(item), start, wall, None if start is None else slot,
        item.attempts, tried[0].waited if tried else item.for_limit, item.for_permit, tried, address=address,
        cost=_cost(reader, item),
    )  # fmt: skip
    if item.error is None:
        return row
    failure = _failure(item, item.error)
    return replace(
        row,
        error=str(item.error.get("type", "")),
        message=str(item.error.get("message", "")),
        kind=str(item.error.get("kind", "")),
        failure=failure,
        exit_code=failure.exit_code,
    )


def _state(item: ItemRecord) -> State:
    if item.state == "failed":
        return BY_KIND.get(str((item.error or {}).get("kind")), "failed")
    if item.state == "degraded":
        return "degraded"
    if item.state == "skipped":
        return "skipped"
    return "retried" if item.attempts > 1 else "ok"


def _failure(item: ItemRecord, error: dict[str, Any]) -> FailureRow:
    outputs = error.get("outputs") or {}
    exit_code = outputs.get("exit_code")
    return FailureRow(
        input=None if item.item is None else text.of_value(item.item),
        stdout=str(outputs.get("stdout") or ""),
        stderr=str(outputs.get("stderr") or ""),
        traceback=str(error.get("traceback") or ""),
        exit_code=exit_code if isinstance(exit_code, int) else None,
    )


def _cost(reader: Reader, item: ItemRecord) -> float | None:
    if not item.records:
        return None
    with faults(reader.journal.path):
        known = list(costs_of(read_records(item.records)))
    return sum(known) if known else None
