"""The one thread of a run that writes to the journal.

    workers --put(statement, rows)--> queue --one transaction--> SQLite

Workers put rows into the queue and continue. The thread takes all there is and commits it together: at once
while little comes in; while much does, after a pause in proportion to the last commit, a tenth of a second at
most. What is committed survives the death of the process.

One statement writes several rows. SQLite releases the GIL for every statement it runs, and each time a
computing thread may hold it for milliseconds before this one continues.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from functools import cache
from itertools import chain, groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from batchmill.errors import StorageError
from batchmill.journal.database import faults
from batchmill.journal.outcome_rows import PLAIN_WIDTH, FullRow, OutcomeRows
from batchmill.journal.statements import statement

if TYPE_CHECKING:
    import sqlite3

LONGEST_PAUSE = 0.1  # seconds between commits
PAUSE_PER_COMMIT = 4.0  # of a commit's own time: writing takes no more than a fifth of a core
MOST_PENDING = 8_000  # rows; who puts more waits
MOST_PENDING_CHARACTERS = 4 << 20  # in their texts; as much again may be about to be committed
TOGETHER = 64  # rows of outcomes in one statement
_PLAIN, _FULL = "add_plain_outcome", "add_outcome"
# beside outcomes, whose rows stay together when these come first
_FIRST = ("add_command", "add_effort", "add_wait")

_ITEM, _VALUE = slice(3, None, PLAIN_WIDTH), slice(4, None, PLAIN_WIDTH)  # of plain outcomes

Row = Sequence[Any]


class Put(NamedTuple):
    """``size`` rows for the statement called ``name``, with ``characters`` of text in them; ``after`` is
    called once they are committed. The ``rows`` of plain outcomes stand field by field."""

    name: str
    rows: Sequence[Any]
    size: int
    characters: int
    after: Callable[[], object] | None = None


class Writer:
    """Writes to ``connection``, which is its own; ``failed`` is called once, from its thread, when it cannot
    write any more. From then on rows are dropped, and :attr:`fault` says why.

    Concurrency: any thread may call any method. ``_lock`` guards all fields; ``_come`` wakes the thread,
    ``_gone`` those who wait for room or for a commit. Only the thread uses the connection.
    """

    def __init__(
        self, connection: sqlite3.Connection, path: Path, failed: Callable[[StorageError], None]
    ) -> None:
        self.fault: StorageError | None = None
        self._connection = connection
        self._path = path
        self._failed = failed
        self._identity = path.stat()
        self._lock = threading.Lock()
        self._come = threading.Condition(self._lock)
        self._gone = threading.Condition(self._lock)
        self._pending: list[Put] = []
        self._rows = 0  # pending
        self._characters = 0  # in them
        self._put = 0  # batches of rows, ever
        self._committed = 0  # of them
        self._urgent = 0  # threads that wait for a commit
        self._closing = False
        self._sleeps = False  # the thread waits for something to write, and not for its next turn
        self._thread = threading.Thread(target=self._work, name="batchmill-journal", daemon=True)
        self._thread.start()

    def put(self, name: str, rows: Sequence[Row], after: Callable[[], object] | None = None) -> int:
        """Have ``rows`` written by the statement called ``name``, after all that was put before; a ticket
        for :meth:`wait`. Waits while too much is waiting already. ``after`` is called, in the writer's
        thread, once they are committed; it must not raise."""
        if not rows:
            return self._put
        return self._add(Put(name, rows, len(rows), _characters(name, rows), after))

    def _add(self, put: Put) -> int:
        with self._lock:
            while self._is_full() and self.fault is None:
                self._gone.wait()
            if self.fault is not None:
                return 0
            self._pending.append(put)
            self._rows += put.size
            self._characters += put.characters
            self._put += 1
            if self._sleeps or self._is_full(2):
                self._come.notify()
            return self._put

    def put_beside(self, name: str, rows: Sequence[Row]) -> None:
        """Have ``rows`` with little text written along with what is put next: the thread is not woken for
        them alone."""
        with self._lock:
            if rows and self.fault is None:
                self._pending.append(Put(name, rows, len(rows), 0))
                self._rows += len(rows)
                self._put += 1

    def put_outcomes(self, rows: OutcomeRows) -> int:
        """Have outcomes written; a ticket for :meth:`wait`."""
        ticket = self.put(_FULL, rows.full)
        if rows.plain:
            size = len(rows.plain) // PLAIN_WIDTH
            ticket = self._add(Put(_PLAIN, rows.plain, size, _characters_in(rows.plain)))
        return ticket

    def _is_full(self, part: int = 1) -> bool:
        """Under the lock: whether as much is pending as may be, or a ``part`` of it."""
        return self._rows * part >= MOST_PENDING or self._characters * part >= MOST_PENDING_CHARACTERS

    def wait(self, ticket: int) -> None:
        """Wait until what ``ticket`` was given for is committed, or never will be."""
        with self._lock:
            self._urgent += 1
            self._come.notify()
            while self._committed < ticket and self.fault is None:
                self._gone.wait()
            self._urgent -= 1

    def flush(self) -> None:
        """Wait until all that was put is committed. Raises the :attr:`fault`."""
        with self._lock:
            ticket = self._put
        self.wait(ticket)
        if self.fault is not None:
            raise self.fault

    def close(self) -> None:
        """Commit what there is, and end the thread and the connection."""
        with self._lock:
            self._closing = True
            self._come.notify()
        self._thread.join()

    def _work(self) -> None:
        earliest = 0.0
        while (taken := self._take(earliest)) is not None:
            began = time.monotonic()
            try:
                with faults(self._path):
                    self._commit(taken)
                for put in taken:
                    if put.after is not None:
                        put.after()
            except StorageError as fault:
                self._give_up(fault)
                break
            except Exception as fault:  # noqa: BLE001  # our own mistake: who waits must hear, or waits for ever
                words = f"{type(fault).__name__}: {fault}"
                self._give_up(StorageError(f"the journal {self._path} cannot be written: {words}"))
                break
            ended = time.monotonic()
            earliest = ended + min(LONGEST_PAUSE, PAUSE_PER_COMMIT * (ended - began))
            with self._lock:
                self._committed += len(taken)
                self._gone.notify_all()
        self._end()

    def _take(self, earliest: float) -> list[Put] | None:
        """All there is, not before ``earliest`` unless somebody waits for it; None at the end."""
        with self._lock:
            while not self._pending and not self._closing:
                self._sleeps = True
                self._come.wait()
            self._sleeps = False
            while not (self._closing or self._urgent or self._is_full(2)):
                left = earliest - time.monotonic()
                if left <= 0:
                    break
                self._come.wait(left)
            taken, self._pending = self._pending, []
            self._rows = self._characters = 0
            return taken or None

    def _commit(self, taken: list[Put]) -> None:
        self._look()
        self._connection.execute("BEGIN IMMEDIATE")
        for name in _FIRST:
            rows = [row for put in taken if put.name == name for row in put.rows]
            if rows:
                self._connection.executemany(statement(name), rows)
        taken = [put for put in taken if put.name not in _FIRST]
        for name, group in groupby(taken, key=lambda put: _PLAIN if put.name == _FULL else put.name):
            if name != _PLAIN:
                self._connection.executemany(statement(name), [row for put in group for row in put.rows])
                continue
            puts = list(group)  # each row is that of another item: among them they have no order
            plain = chain.from_iterable(put.rows for put in puts if put.name == _PLAIN)
            full = chain.from_iterable(row for put in puts if put.name == _FULL for row in put.rows)
            self._write_together(_PLAIN, list(plain), PLAIN_WIDTH)
            self._write_together(_FULL, list(full), len(FullRow._fields))
        self._connection.execute("COMMIT")

    def _write_together(self, name: str, fields: list[Any], width: int) -> None:
        """Write rows of ``width`` fields each, which stand one behind another, by as few statements as there
        can be."""
        together = width * TOGETHER
        whole = len(fields) - len(fields) % together
        for start in range(0, whole, together):
            self._connection.execute(_for_several(name), fields[start : start + together])
        rest = (fields[start : start + width] for start in range(whole, len(fields), width))
        self._connection.executemany(statement(name), rest)

    def _look(self) -> None:
        """SQLite goes on writing to a file that was deleted, and nobody would ever find it. Raises
        :class:`StorageError`."""
        try:
            found = self._path.stat()
        except OSError:
            found = None
        known = self._identity
        if found is None or (found.st_dev, found.st_ino) != (known.st_dev, known.st_ino):
            raise StorageError(f"the journal {self._path} was deleted or replaced while the run wrote to it")

    def _give_up(self, fault: StorageError) -> None:
        with self._lock:
            self.fault = fault
            self._pending = []
            self._rows = self._characters = 0
            self._gone.notify_all()
        self._failed(fault)

    def _end(self) -> None:
        """Close the connection; what was not committed is rolled back by that."""
        try:
            with faults(self._path):
                self._connection.close()
        except StorageError as fault:
            if self.fault is None:
                self._give_up(fault)


@cache
def _for_several(name: str) -> str:
    """The statement called ``name``, for :data:`TOGETHER` rows."""
    one = statement(name)
    values = one[one.index("VALUES") + len("VALUES") :]
    return one + f",{values}" * (TOGETHER - 1)


def _characters(name: str, rows: Sequence[Any]) -> int:
    """Those in the items, values and details of outcomes; of other rows those in the last field, which may be
    long."""
    if name == _FULL:
        return sum(len(row.item or "") + len(row.value or "") + len(row.detail or "") for row in rows)
    return sum(len(row[-1]) for row in rows if isinstance(row[-1], str))


def _characters_in(plain: list[Any]) -> int:
    """Those in the items and values of plain outcomes."""
    return sum(map(len, plain[_ITEM])) + sum(map(len, plain[_VALUE]))
