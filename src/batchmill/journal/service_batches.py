"""The batches of one run that a service answers later, in the journal.

A connection of their own writes them, and each change is on the disk before anything follows from it: a lost
batch would be paid twice.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from batchmill.journal.database import connect, faults
from batchmill.journal.statements import statement
from batchmill.record.service_batches import BatchState, ServiceBatch, ServiceRequest

if TYPE_CHECKING:
    import sqlite3


class JournalBatches:
    """A :class:`~batchmill.record.service_batches.BatchStore` of the run with the number ``run``.

    Every method raises :class:`~batchmill.errors.StorageError`. Concurrency: any thread may call any method;
    ``_lock`` guards the connection.
    """

    def __init__(self, path: Path, run: int) -> None:
        self._path = path
        self._run = run
        self._lock = threading.Lock()
        self._connection = connect(path, durable=True, create=False)

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._lock, faults(self._path):
            yield self._connection

    @contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        with self._reading() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def batches(self) -> list[ServiceBatch]:
        with self._reading() as connection:
            return batches_in(connection, self._run)

    def prepare(self, batch: ServiceBatch, digests: Sequence[str]) -> int:
        with self._changing() as connection:
            told = (batch.server, batch.endpoint, batch.model, batch.count, batch.state, batch.remote)
            row = (self._run, batch.token, *told, batch.status, batch.answered, batch.made_at, batch.sent_at)
            number = int(connection.execute(statement("add_service_batch"), row).lastrowid or 0)
            rows = ((self._run, number, place, digest) for place, digest in enumerate(digests))
            connection.executemany(statement("add_service_request"), rows)
        return number

    def note(self, batch: int, state: BatchState, *, remote: str = "", status: str = "", **at: float) -> None:
        fields = {"sent_at": None, "answered": None, **at}
        with self._changing() as connection:
            told = {"id": batch, "state": state, "remote": remote, "status": status, **fields}
            connection.execute(statement("note_service_batch"), told)

    def drop(self, batch: int) -> None:
        with self._changing() as connection:
            for name in ("drop_service_requests", "drop_service_batch"):
                connection.execute(statement(name), (batch,))

    def open_requests(self, digest: str) -> list[ServiceRequest]:
        with self._reading() as connection:
            rows = connection.execute(statement("open_service_requests"), (self._run, digest)).fetchall()
        return [ServiceRequest(*row) for row in rows]

    def requests_of(self, batch: int) -> list[ServiceRequest]:
        with self._reading() as connection:
            rows = connection.execute(statement("service_requests_of"), (batch,)).fetchall()
        return [ServiceRequest(*row) for row in rows]

    def settle(self, requests: Sequence[int]) -> None:
        if requests:
            with self._changing() as connection:
                connection.executemany(statement("settle_service_request"), [(one,) for one in requests])


def batches_in(connection: sqlite3.Connection, run: int) -> list[ServiceBatch]:
    """The batches of the run with that number that have requests which no item has used up."""
    rows = connection.execute(statement("service_batches"), (run,)).fetchall()
    return [ServiceBatch(*row) for row in rows]
