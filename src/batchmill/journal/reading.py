"""Read a journal: its runs, and the outcomes of their nodes and items, a page at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from batchmill.errors import UnknownRun
from batchmill.journal.calls import with_those_left
from batchmill.journal.contract import RunRecord
from batchmill.journal.database import connect, connect_to_read, faults
from batchmill.journal.encoding import decode
from batchmill.journal.journal import Journal, chosen, chosen_to_resume
from batchmill.journal.records import (
    STATES,
    Figures,
    Glances,
    ItemRecord,
    MachineSample,
    UnsavedItem,
    VisitRecord,
    figures_of_rows,
    glances_of,
)
from batchmill.journal.rows import UNSAVED, end_of, first_id
from batchmill.journal.service_batches import batches_in
from batchmill.journal.statements import one_row, statement
from batchmill.record import calls_left
from batchmill.record.service_batches import ServiceBatch

if TYPE_CHECKING:
    import sqlite3

_PAGE = 1000  # outcomes read at once
_DETAIL = 5  # its place in their rows


class Reader:
    """Reads the journal over one connection, which ``close`` ends; with ``only`` the connection cannot write,
    not even upgrade the journal. Every method may raise :class:`~batchmill.errors.StorageError` for a damaged
    journal. Used by one thread."""

    def __init__(self, journal: Journal, *, only: bool = False) -> None:
        self.journal = journal
        self._connection: sqlite3.Connection = (
            connect_to_read(journal.path) if only else connect(journal.path, create=False)
        )

    def close(self) -> None:
        """End the connection."""
        self._connection.close()

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def runs(self) -> list[RunRecord]:
        """All runs, the latest first. A run that is recorded as running but whose process is gone counts as
        interrupted."""
        with self._reading():
            found = self._connection.execute(statement("runs")).fetchall()
            return [self._run(row) for row in found]

    def count_runs(self) -> tuple[int, float | None]:
        """How many runs there are, and when the first of them began."""
        with self._reading():
            number, first = one_row(self._connection, statement("count_runs"), ())
            return int(number), first

    def _run(self, row: tuple[Any, ...]) -> RunRecord:
        identity, name, source, folder, document, inputs, settings, status, passes, started, ended, wall = row
        if status == "running" and not self.journal.is_running(name):
            status = "interrupted"
        return RunRecord(
            os.fsdecode(source), os.fsdecode(folder), decode(document), decode(inputs), decode(settings),
            name, status, int(passes), float(started), ended, wall, int(identity),
        )  # fmt: skip

    def again(self, run: RunRecord) -> RunRecord:
        """The run in its present state."""
        with self._reading():
            for _ in range(2):  # it may end between a look at its row and one at its lock
                row = one_row(self._connection, statement("run_of"), (run.id,))
                if row is None:
                    raise UnknownRun(f"run {run.name} was forgotten")
                found = self._run(row)
                if found.status != "interrupted":
                    break
            return found

    def run(self, name: str) -> RunRecord:
        """The run that ``name`` means; see :func:`~batchmill.journal.journal.chosen`."""
        return chosen(self.runs(), name)

    def to_resume(self, name: str | None, failed_only: bool = False) -> RunRecord:
        """The run to continue; see :func:`~batchmill.journal.journal.chosen_to_resume`."""
        return chosen_to_resume(self.runs(), name, failed_only)

    def result(self, run: RunRecord) -> dict[str, Any] | None:
        """The object that ``--json`` printed at the end of the run; None if it is not stored."""
        with self._reading():
            row = one_row(self._connection, statement("result_of"), (run.id,))
            found = decode(row[0]) if row is not None and row[0] is not None else None
            return found if isinstance(found, dict) else None

    def visits(self, run: RunRecord) -> list[VisitRecord]:
        """The visits of the run's nodes, in the order they began; of each the latest."""
        with self._reading():
            rows = self._connection.execute(statement("visits_of"), (run.id,)).fetchall()
            return [self._visit(*row) for row in rows]

    def outer_visits(self, run: RunRecord) -> list[tuple[int, str, bool, int | None]]:
        """Id, address, whether it is a batch, and number of items of the visits of the run's nodes, in the
        order they began; of each the latest, and none inside of items."""
        with self._reading():
            rows = self._connection.execute(statement("outer_visits_of"), (run.id,)).fetchall()
            return [(visit, address, bool(is_batch), total) for visit, address, _, is_batch, total in rows]

    def glances(self, visit: int, start: int) -> Iterator[Glances]:
        """The outcomes of a visit from a position on, in order, a page at a time."""
        at, end = first_id(visit) + start, first_id(visit + 1)
        while True:
            with self._reading():
                rows = self._connection.execute(statement("look_at_outcomes"), (at, end)).fetchmany(_PAGE)
                page = glances_of(rows) if rows else None
            if page is None:
                return
            yield page
            if len(rows) < _PAGE:
                return
            at = first_id(visit) + page.last + 1

    def events_after(self, run: RunRecord, last: int) -> list[tuple[int, float, str, dict[str, Any]]]:
        """The events of the run after the one with the id ``last``, without those of nodes inside items: the
        event's id, time, kind and fields."""
        with self._reading():
            rows = self._connection.execute(statement("events_after"), (run.id, last)).fetchall()
            return [(number, float(at), str(kind), decode(detail)) for number, at, kind, detail in rows]

    def _visit(self, visit: int, address: str, turn: int, is_batch: int, total: int | None) -> VisitRecord:
        bounds = (first_id(visit), end_of(visit, total))
        found = one_row(self._connection, statement("counts_of"), bounds)
        done, failed, degraded, skipped, wall, timed, worker = found
        workers = 0 if worker is None else worker + 1
        counts = (done, failed or 0, wall or 0.0, degraded or 0, timed, workers, skipped or 0)
        return VisitRecord(visit, address, turn, bool(is_batch), total, *counts)

    def last_end(self, visits: Sequence[VisitRecord], number: int) -> float | None:
        """The time of the last outcome of pass ``number``, in seconds since the epoch; None if unknown."""
        with self._reading():
            query = statement("last_end")
            found = [
                one_row(self._connection, query, (first_id(one.id), first_id(one.id + 1), number))[0]
                for one in visits
            ]
        return max((float(end) for end in found if end is not None), default=None)

    def events(self, run: RunRecord) -> Iterator[tuple[float, str, dict[str, Any]]]:
        """The events of the run, in order: time (seconds since the epoch), kind and fields."""
        with self._reading():
            cursor = self._connection.execute(statement("events_of"), (run.id,))
        while True:
            with self._reading():
                page = [
                    (float(at), str(kind), decode(detail)) for at, kind, detail in cursor.fetchmany(_PAGE)
                ]
            if not page:
                return
            yield from page

    def heartbeat(self, run: RunRecord) -> tuple[float, dict[str, object]] | None:
        """The last state that the present pass of the run recorded, and its time, in seconds since the epoch;
        None if there is none."""
        with self._reading():
            row = one_row(self._connection, statement("heartbeat_of"), (run.id,))
            if row is None or row[0] != run.passes:
                return None
            return float(row[1]), decode(row[2])

    def nodes(self, run: RunRecord) -> dict[str, dict[str, Any]]:
        """The entries of the run's result for its nodes, by address; empty while the run is unfinished."""
        with self._reading():
            rows = self._connection.execute(statement("nodes_of"), (run.id,)).fetchall()
            return {address: decode(detail) for address, _, _, _, detail in rows}

    def efforts(self, run: RunRecord) -> dict[str, tuple[float | None, int | None]]:
        """The resources used by the items of the run's nodes, by address: CPU seconds, and the peak memory in
        bytes of a worker process; None if unknown."""
        with self._reading():
            rows = self._connection.execute(statement("efforts_of"), (run.id,)).fetchall()
            return {address: (cpu, peak) for address, cpu, peak in rows}

    def commands(self, run: RunRecord) -> dict[str, tuple[float | None, int]]:
        """The resources used by the commands of the items of the run's nodes, by address: CPU seconds, None
        if unknown, and the bytes that they wrote to stdout."""
        with self._reading():
            rows = self._connection.execute(statement("commands_of"), (run.id,)).fetchall()
            return {address: (cpu, n_bytes) for address, cpu, n_bytes in rows}

    def samples(self, run: RunRecord) -> Iterator[MachineSample]:
        """The activity of all processes of the run, about once a second, in order."""
        with self._reading():
            cursor = self._connection.execute(statement("samples_of"), (run.id,))
        while True:
            with self._reading():
                page = [MachineSample(*row) for row in cursor.fetchmany(_PAGE)]
            if not page:
                return
            yield from page

    def last_sign(self, run: RunRecord, since: float, before: float) -> float | None:
        """When the run last looked at its processes from ``since`` to ``before``, in seconds since the epoch;
        None if it did not."""
        with self._reading():
            row = one_row(self._connection, statement("last_sample_before"), (run.id, since, before))
            return None if row is None or row[0] is None else float(row[0])

    def last_sample(self, run: RunRecord) -> MachineSample | None:
        """The last one; None if there is none."""
        with self._reading():
            row = one_row(self._connection, statement("last_sample_of"), (run.id,))
            return None if row is None else MachineSample(*row)

    def batches(self, run: RunRecord) -> list[ServiceBatch]:
        """The batches of services that the run waits for, or whose answers no item has used up."""
        with self._reading():
            return batches_in(self._connection, run.id)

    def items(self, visit: VisitRecord, *, failed_only: bool = False) -> Iterator[ItemRecord]:
        """The outcomes of a visit in the order of the items, a page at a time; with ``failed_only`` those
        that failed, or inside of which something has."""
        return self._outcomes("read_failed" if failed_only else "read_outcomes", visit)

    def columns(
        self, visit: VisitRecord, *, measured: bool = False
    ) -> Iterator[tuple[Figures | None, list[ItemRecord]]]:
        """The same outcomes without the items and values of those that succeeded, a page at a time: those of
        which only figures are to be told, None if there are none, and the others. What was measured of items
        one by one is among it if ``measured``: to look for it costs as much as all the rest."""
        for page in self._pages("read_measured" if measured else "read_columns", visit):
            with self._reading():
                plain = [row for row in page if row[-1]]
                others = [self._item(row[:-1], valued=False) for row in page if not row[-1]]
                figures = figures_of_rows(plain) if plain else None
            yield figures, others

    def _outcomes(self, query: str, visit: VisitRecord) -> Iterator[ItemRecord]:
        for page in self._pages(query, visit):
            for some in _with_large_apart(page):
                with self._reading():
                    items = [self._item(row) for row in some]
                yield from items

    def _pages(self, query: str, visit: VisitRecord) -> Iterator[list[tuple[object, ...]]]:
        at, end = first_id(visit.id), end_of(visit.id, visit.total if visit.is_batch else None)
        with self._reading():
            cursor = self._connection.execute(statement(query), (at, end))
        while True:
            with self._reading():
                page = cursor.fetchmany(_PAGE)
            if not page:
                return
            yield page

    def calls(self, run: RunRecord) -> Iterator[tuple[int, dict[str, Any]]]:
        """The calls of every pass of the run, as the entries of ``llm_calls`` in a result, each with the
        number of its pass. For a run that is at work, or was killed, calls in flight come last, with an
        estimate of their use."""
        with self._reading():
            # Files first: a file that is gone when the rows are read has become a row.
            left = list(calls_left(self.journal.calls / run.name))
            rows = self._connection.execute(statement("calls_of"), (run.id,))
            yield from with_those_left(rows, left)

    def source(self, visit: VisitRecord) -> dict[str, Any] | None:
        """Where the items of the visit can be read again, see :class:`~batchmill.items.again.Again`; None if
        unknown."""
        with self._reading():
            text = one_row(self._connection, statement("source_of"), (visit.id,))[0]
            return None if text is None else dict(decode(text))

    def item(self, visit: VisitRecord, index: int) -> ItemRecord | None:
        """The outcome of one item; None if there is none."""
        identity = first_id(visit.id) + index
        with self._reading():
            query = statement("read_outcomes")
            row = one_row(self._connection, query, (identity, identity + 1))
            return None if row is None else self._item(row)

    def part(self, visit: VisitRecord, start: int, stop: int) -> list[ItemRecord]:
        """The outcomes of the items ``start`` to before ``stop`` that have one, in order."""
        first = first_id(visit.id)
        with self._reading():
            rows = self._connection.execute(statement("read_outcomes"), (first + start, first + stop))
            return [self._item(row) for row in rows]

    def _item(self, row: tuple[Any, ...], *, valued: bool = True) -> ItemRecord:
        index, state, item, value, wall, more, began, worker, for_limit, for_permit, *took = row
        detail = decode(more) if more else {}
        if item is not None or "item_file" in detail:
            item = self._text(item, detail.get("item_file"))
        if UNSAVED in detail:
            item = UnsavedItem(*detail[UNSAVED])
        if valued and (value is not None or "value_file" in detail):
            value = self._text(value, detail.get("value_file"))
        name = STATES.get(state, "not kept")
        attempts = int(detail.get("attempts", 1))
        records = list(detail.get("records", []))
        waited = for_limit or 0.0, for_permit or 0.0
        told = detail.get("error"), records, began, worker, list(detail.get("tried", [])), *waited, *took
        return ItemRecord(index, name, item, value, float(wall), attempts, *told)

    def _text(self, text: str | None, digest: str | None) -> Any:
        if digest is not None:
            text = self.journal.files.get(digest)
        return None if text is None else decode(text)

    @contextmanager
    def _reading(self) -> Iterator[None]:
        with faults(self.journal.path):
            try:
                yield
            except (AttributeError, RecursionError) as fault:  # JSON of another shape than was written
                raise ValueError(str(fault)) from fault


def _with_large_apart(page: list[tuple[Any, ...]]) -> Iterator[list[tuple[Any, ...]]]:
    """Neighbouring outcomes in the order of the page, those with an item or a value in a file one by one:
    these may be of any size."""
    begin = 0
    for place, row in enumerate(page):
        detail = row[_DETAIL]
        if isinstance(detail, str) and '_file"' in detail:  # of a damaged row it may be anything
            yield page[begin:place]
            yield [row]
            begin = place + 1
    yield page[begin:]
