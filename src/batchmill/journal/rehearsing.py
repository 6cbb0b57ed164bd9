"""A run's log for a rehearsal: it knows earlier outcomes, and saves nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from batchmill.errors import StorageError
from batchmill.journal.calls import Ledger
from batchmill.journal.contract import REUSE_ALL, Codec, ContentKey, Reuse, RunRecord
from batchmill.journal.database import connect
from batchmill.journal.items import SqliteItemLog
from batchmill.journal.journal import Journal
from batchmill.journal.rows import RowWriter
from batchmill.journal.runlog import TAKEN_TOGETHER, SqliteRunLog
from batchmill.journal.visit_logs import SqliteSingleLog
from batchmill.values.masking import Masker

Log = TypeVar("Log", bound="RehearsedLog")
_FIRST_VISIT = 1 << 30  # far above those that stand in any journal


class _NoWriter:
    """Accepts rows and writes nothing."""

    fault: StorageError | None = None

    def put(self, name: str, rows: Sequence[object], after: Callable[[], object] | None = None) -> int:
        return 0

    def wait(self, ticket: int) -> None:
        """Nothing to wait for."""

    def flush(self) -> None:
        """The same."""

    def close(self) -> None:
        """The same."""


class _NoLock:
    def release(self) -> None:
        """Nothing to release: nothing is written."""


class RehearsedLog(SqliteRunLog):
    """See the module."""

    def _reserve(self) -> None:
        self._next_visit = max(self._last_visit, _FIRST_VISIT)
        self._last_visit = self._next_visit + TAKEN_TOGETHER


class RecalledLog(RehearsedLog):
    """A log that knows the outcomes of all runs."""

    def single(self, address: str, key: ContentKey, *, cached: bool = False) -> SqliteSingleLog:
        return super().single(address, key, cached=True)

    def batch(
        self,
        address: str,
        key: ContentKey,
        total: int | None,
        *,
        cached: bool = False,
        source: str | None = None,
    ) -> SqliteItemLog:
        return super().batch(address, key, total, cached=True, source=source)


def recalled(
    journal: Journal, run: RunRecord, codec: Codec, masker: Masker, order: Sequence[str]
) -> RecalledLog:
    """The saved outcomes for the nodes of ``run``, from any run. Raises :class:`StorageError`."""
    return _reading(RecalledLog, journal, run, REUSE_ALL, codec, masker, order)


def rehearsed(
    journal: Journal, run: RunRecord, reuse: Reuse, codec: Codec, masker: Masker, order: Sequence[str]
) -> RehearsedLog:
    """The log of a further pass of ``run`` that will never be. Raises :class:`StorageError`."""
    return _reading(RehearsedLog, journal, run, reuse, codec, masker, order)


def _reading(
    kind: type[Log],
    journal: Journal,
    run: RunRecord,
    reuse: Reuse,
    codec: Codec,
    masker: Masker,
    order: Sequence[str],
) -> Log:
    run = replace(run, passes=run.passes + 1)
    writer: Any = _NoWriter()
    lock: Any = _NoLock()
    rows = RowWriter(journal.files, codec, masker, run.passes, lambda digest: None)
    ledger = Ledger(run.id, run.passes, journal.calls / run.name, writer, codec, masker, order)
    connection = connect(journal.path, create=False)
    return kind(run, connection, writer, lock, journal.path, rows, ledger, reuse=reuse)
