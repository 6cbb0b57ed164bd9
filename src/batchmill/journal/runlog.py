"""One pass of a run, written to the journal: its visits, and their known outcomes."""

from __future__ import annotations

import re
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from batchmill.errors import StorageError
from batchmill.journal.calls import Ledger
from batchmill.journal.contract import REUSE_ALL, ContentKey, Kept, Reuse, RunRecord
from batchmill.journal.database import faults
from batchmill.journal.earlier import EarlierVisits
from batchmill.journal.encoding import decode, encode
from batchmill.journal.items import SLOW, SqliteItemLog
from batchmill.journal.matching import Claims, Matcher
from batchmill.journal.outcome_rows import OutcomeRows
from batchmill.journal.rows import RowWriter, files_in, first_id
from batchmill.journal.statements import one_row, statement
from batchmill.journal.visit_logs import LockedReads, SqlitePlace, SqliteSingleLog
from batchmill.journal.visits import ITEMS, Before, CallsOnly, gone_files
from batchmill.journal.writer import Writer
from batchmill.outcome import NO_WAITS, Outcome
from batchmill.values import shown

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

    from batchmill.journal.locks import RunLock

TAKEN_TOGETHER = 64  # ids of visits: one transaction for so many


class SqliteRunLog:
    """A :class:`~batchmill.journal.contract.RunLog`. Holds the run's lock until it is closed.

    A ``temporary`` one only reports the run: nothing in it is reused.

    Concurrency: any thread may call any method. ``_lock`` guards the fields and ``_connection``, which reads,
    and takes ids of visits; the writer's connection writes.
    """

    def __init__(
        self,
        run: RunRecord,
        connection: sqlite3.Connection,
        writer: Writer,
        lock: RunLock,
        path: Path,
        rows: RowWriter,
        ledger: Ledger,
        *,
        reuse: Reuse = REUSE_ALL,
        temporary: bool = False,
        durable: bool = False,
    ) -> None:
        self.name = run.name
        self.run = run
        self.path = path
        self.temporary = temporary
        self.kept = Kept()
        self.reuse = reuse
        self.durable = durable
        self.changes: dict[str, list[str]] = {}  # by node, what it was that changed
        self._connection = connection
        self._writer = writer
        self._run_lock = lock
        self._rows = rows
        self.masker = rows.masker
        self.ledger = ledger
        self._lock = threading.RLock()
        self._occurrences: Counter[str] = Counter()
        self.earlier = EarlierVisits(connection, run, rows, writer)
        self._next_visit = self._last_visit = 0

    @property
    def resumed(self) -> bool:
        """Whether there were earlier passes."""
        return self.run.passes > 1

    @property
    def fault(self) -> StorageError | None:
        """Why writing has stopped; None while it works."""
        return self._writer.fault

    def new_visit(self) -> int:
        """An id that no other visit has, in any process."""
        with self._lock:
            if self._next_visit == self._last_visit:
                with faults(self.path):
                    self._reserve()
            self._next_visit += 1
            return self._next_visit - 1

    def _reserve(self) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            found = one_row(self._connection, statement("reserve_visits"), {"count": TAKEN_TOGETHER})
            self._next_visit = int(found[0])
            self._last_visit = self._next_visit + TAKEN_TOGETHER
        finally:
            self._connection.execute("COMMIT")

    def add_visit(
        self, visit: int, address: str, turn: int, key: ContentKey, total: int | None, *, is_batch: bool
    ) -> None:
        """Enter a visit; before its outcomes."""
        parts = encode(dict(key.parts)) if key.parts else None
        row = (visit, self.run.id, address, turn, key.digest, int(is_batch), self.run.passes, total, parts)
        self._writer.put("add_visit", [row])

    def set_total(self, visit: int, total: int | None) -> None:
        """Enter the number of items of a visit, None if unknown so far."""
        self._writer.put("set_total", [(total, visit)])

    def set_source(self, visit: int, source: str | None) -> None:
        """Enter where the items of a visit can be read again, None if they cannot."""
        self._writer.put("set_source", [(source, visit)])

    def _turn(self, address: str) -> int:
        with self._lock:
            self._occurrences[address] += 1
            return self._occurrences[address] - 1

    def single(self, address: str, key: ContentKey, *, cached: bool = False) -> SqliteSingleLog:
        turn = self._turn(address)
        with self._lock, faults(self.path):
            before = self.earlier.visits_at(address)
            visits = self.earlier.same(sorted(before, key=lambda one: (one.turn, -one.id)), key)
            again = self._runs_again(address)
            known = None if again else self.earlier.known_single((address, key.digest), visits)
            if known is not None and key.missing is not None and (gone := key.missing(known[0].value)):
                self._tell_changes(address, [gone_files(gone)])
                known = None
            if known is not None:
                self.kept.kept += 1
                return SqliteSingleLog(self, address, turn, key, known)
            if (
                cached
                and not (again or self.temporary)
                and (found := self.earlier.cached_single(key)) is not None
            ):
                return self._copied(address, turn, key, found)
            if self.resumed:
                self._count_missing(
                    address, key, visits, next((one for one in before if one.turn == turn), None)
                )
        return SqliteSingleLog(self, address, turn, key, None)

    def _runs_again(self, address: str) -> bool:
        return bool(self.reuse.again) and re.split(r"[.\[]", address, maxsplit=1)[0] in self.reuse.again

    def _copied(
        self, address: str, turn: int, key: ContentKey, found: tuple[int, tuple[Outcome, str]]
    ) -> SqliteSingleLog:
        """Another run's outcome as one of this run's own."""
        source, known = found
        visit = self.new_visit()
        self.add_visit(visit, address, turn, key, None, is_batch=False)
        row = self.earlier.outcome_at(first_id(source))
        detail = None if row is None else row.detail
        self._writer.put("add_file", [(digest, self.run.id) for digest in files_in(detail)])
        self._writer.put("copy_foreign", [(first_id(visit), self.run.passes, first_id(source))])
        outcome = replace(known[0], records=self._rows.codec.as_kept(known[0].records))
        self.ledger.enter(address, turn, None, outcome.records)
        return SqliteSingleLog(self, address, turn, key, (outcome, known[1]))

    def _count_missing(
        self, address: str, key: ContentKey, visits: list[int], was_there: Before | None
    ) -> None:
        if visits:
            self.kept.redone += 1
        elif was_there is not None:
            self.kept.changed += 1
            self._tell_changes(address, was_there.changes(key))
        else:
            self.kept.new += 1

    def _tell_changes(self, address: str, names: Iterable[str]) -> None:
        """Under the lock: note what changed in a node."""
        known = self.changes.setdefault(address, [])
        known += [name for name in names if name not in known]

    def record_single(self, address: str, turn: int, key: ContentKey, outcome: Outcome, action: str) -> None:
        """Keep the outcome of a visit."""
        self.ledger.enter(address, turn, None, outcome.records)
        if outcome.error is not None and outcome.error.kind == "cancelled":
            return
        visit = self.new_visit()
        self.add_visit(visit, address, turn, key, None, is_batch=False)
        row = self._rows.full_row(first_id(visit), None, None, outcome, action)
        if outcome.waits != NO_WAITS:
            self._writer.put_beside("add_wait", [(row.id, row.number, *outcome.waits)])
        if outcome.commands is not None:
            self._writer.put_beside("add_command", [(row.id, row.number, *outcome.commands)])
        if outcome.cpu is not None:
            self._writer.put_beside("add_effort", [(row.id, row.number, 1, round(outcome.cpu, 6), None)])
        ticket = self._writer.put_outcomes(OutcomeRows(full=[row]))
        if outcome.wall >= SLOW:
            self._writer.wait(ticket)

    def batch(
        self,
        address: str,
        key: ContentKey,
        total: int | None,
        *,
        cached: bool = False,
        source: str | None = None,
    ) -> SqliteItemLog:
        turn = self._turn(address)
        with self._lock, faults(self.path):
            again = self._runs_again(address)
            before = [] if again else self.earlier.visits_at(address)
            key = self.earlier.as_before(before, key)
            now = next((one for one in before if one.turn == turn), None)
            visits = self.earlier.same(before, key)
            claims = self.earlier.claims((address, key.digest))
            own = now.id if now and now.id in visits else None
            # while the total is that of the pass before
            bounds = self.earlier.bounds(now.id) if now else (0, 0)
            place = SqlitePlace(self, address, turn, key, (total, source), own, claims, bounds)
            matcher = self._matcher(key, visits, claims, cached=cached and not again)

        def count(kept: Kept, reasons: Sequence[str], gone: Sequence[str]) -> None:
            if again:
                kept = Kept(redone=kept.redone + kept.new + kept.changed)
            changed = now.changes(key) or reasons or [ITEMS] if kept.changed and now is not None else []
            with self._lock:
                self.kept = self.kept + kept
                if changed or gone:
                    self._tell_changes(address, [*changed, *gone])

        return SqliteItemLog(
            place,
            self._writer,
            replace(self._rows, rereads=source is not None),
            key,
            self.ledger.of_visit(address, turn, is_batch=True),
            matcher=matcher,
            locked=self._reading(),
            failed_only=self.reuse.failed_only,
            counts=count if self.resumed else None,
        )

    def _matcher(
        self, key: ContentKey, visits: Sequence[int], claims: Claims, *, cached: bool
    ) -> Matcher | None:
        """Under the lock: what finds known outcomes, with ``cached`` also in other runs; None without any."""
        matcher = None
        if visits:
            how = {"whole": self.reuse.failed_only, "failures": self.reuse.failures}
            matcher = Matcher(self._connection, visits, self.run.passes, claims, **how)
        if cached and not self.temporary and (matcher is None or matcher.empty):
            others = self.earlier.of_other_runs(key, is_batch=True)
            return Matcher(self._connection, others, 1 << 62, None, whole=True) if others else matcher
        return matcher

    def single_not_kept(self, address: str) -> CallsOnly:
        return CallsOnly(self.ledger.of_visit(address, self._turn(address), is_batch=False))

    def batch_not_kept(self, address: str) -> CallsOnly:
        return CallsOnly(self.ledger.of_visit(address, self._turn(address), is_batch=True))

    def _reading(self) -> LockedReads:
        return LockedReads(self._lock, self.path)

    def counts(self) -> Kept:
        """The counts so far: kept, redone and so on."""
        with self._lock:
            return replace(self.kept)

    def gone(self) -> list[tuple[str, int]]:
        """The nodes of earlier passes that the document does not have any more, and how many outcomes each
        has. Raises :class:`StorageError`."""
        with self._lock, faults(self.path):
            rows = self._connection.execute(statement("visits_of"), (self.run.id,)).fetchall()
            found: dict[str, int] = {}
            for visit, address, *_ in rows:
                if self.ledger.positions.lacks(address):
                    found[address] = found.get(address, 0) + self.earlier.rows_in(self.earlier.bounds(visit))
        return list(found.items())

    def count_calls(self) -> int:
        """The number of calls of the run in the ledger, over all passes, including those of attempts that
        never returned. Raises :class:`StorageError`."""
        self.ledger.absorb()
        with self._lock, faults(self.path):
            return int(one_row(self._connection, statement("count_calls"), (self.run.id,))[0])

    def calls(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """The calls of every pass, each with the number of its pass, in document order within each; as far as
        they are committed. Raises :class:`StorageError`."""
        with self._lock, faults(self.path):
            rows = self._connection.execute(statement("calls_of"), (self.run.id,))
            for _, number, text in rows:
                yield int(number), decode(text)

    def event(self, kind: str, detail: Mapping[str, object]) -> None:
        """Keep that something happened."""
        masked = self._rows.masker.value(shown(dict(detail)))
        self._writer.put("add_event", [(self.run.id, time.time(), kind, encode(masked))])

    def beat(self, detail: Mapping[str, object]) -> None:
        """Store the present state of the run, in place of the earlier one."""
        told = encode(self._rows.masker.value(dict(detail)))
        self._writer.put("beat", [(self.run.id, self.run.passes, time.time(), told)])

    def sample(self, at: float, seconds: float, cpu: float, rss: int, processes: int) -> None:
        """Keep what all processes of the run did in the ``seconds`` up to ``at`` (seconds since the
        epoch)."""
        self._writer.put("add_sample", [(self.run.id, at, seconds, round(cpu, 6), rss, processes)])

    def flush(self) -> None:
        """Wait until everything so far is on disk, as far as it can be written."""
        self._writer.flush()

    def finish(
        self, status: str, wall: float, nodes: Mapping[str, Mapping[str, object]], result: str | None
    ) -> None:
        """Enter how the pass ended. Raises :class:`StorageError` if that cannot be written."""
        rows = [
            (self.run.id, name, one.get("type", ""), one.get("status", ""), one.get("wall", 0.0), encode(one))
            for name, one in nodes.items()
        ]
        self._writer.put("add_node", rows)
        self._writer.put("end_run", [(status, time.time(), wall, result, self.run.id)])
        self._writer.flush()

    def close(self) -> None:
        """Write what there is, end the writer, let go of the run."""
        self._writer.close()
        self.ledger.close()
        self._connection.close()
        self._run_lock.release()
