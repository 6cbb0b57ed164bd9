"""The positions of visits in a run that is being written: of batches, and of single nodes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from batchmill.journal.contract import ContentKey
from batchmill.journal.database import faults
from batchmill.journal.matching import Claims
from batchmill.outcome import Outcome

if TYPE_CHECKING:
    from batchmill.journal.runlog import SqliteRunLog


class LockedReads:
    """Wraps reads of the journal: the connection is this thread's, and its errors become ours."""

    def __init__(self, lock: Any, path: Path) -> None:
        self._lock, self._path = lock, path

    def __enter__(self) -> None:
        self._lock.acquire()
        self._faults = faults(self._path)
        self._faults.__enter__()

    def __exit__(self, *error: Any) -> bool | None:
        try:
            return self._faults.__exit__(*error)
        finally:
            self._lock.release()


class SqlitePlace:
    """The position of a batch: an earlier visit to continue (``before``), or a new one. ``bounds`` are the
    ids that enclose the outcomes of the last pass's visit in this place, ``items`` the number of the items
    and where they can be read again, None if unknown."""

    def __init__(
        self,
        log: SqliteRunLog,
        address: str,
        turn: int,
        key: ContentKey,
        items: tuple[int | None, str | None],
        before: int | None,
        claims: Claims,
        bounds: tuple[int, int],
    ) -> None:
        self.rows_before = log.earlier.rows_in(bounds)
        self._log = log
        self._claims = claims
        self._bounds = bounds
        total, source = items

        def new(visit: int) -> None:
            log.add_visit(visit, address, turn, key, total, is_batch=True)
            if source is not None:
                log.set_source(visit, source)

        self._new: Callable[[int], None] = new
        self._next = log.new_visit
        if before is None:
            self.visit = self.fork()
        else:
            self.visit = before
            log.set_total(before, total)  # there may be more of them now
            log.set_source(before, source)

    def positions_missing(self) -> Iterator[int]:
        """The positions of outcomes of the pass before that were given to no item; under the log's lock."""
        for identity in self._log.earlier.ids_in(self._bounds):
            if identity not in self._claims:
                yield identity - self._bounds[0]

    def texts(self, start: int, end: int) -> dict[int, str]:
        """The JSON texts of items of the pass before, by position; under the log's lock."""
        return self._log.earlier.texts_in(
            (self._bounds[0] + start, min(self._bounds[0] + end, self._bounds[1]))
        )

    def fork(self) -> int:
        """A further visit of the same node in this one's place; its id."""
        self.visit = self._next()
        self._new(self.visit)
        return self.visit


class SqliteSingleLog:
    """See :class:`~batchmill.journal.contract.SingleLog`."""

    def __init__(
        self,
        log: SqliteRunLog,
        address: str,
        turn: int,
        key: ContentKey,
        known: tuple[Outcome, str] | None,
    ) -> None:
        self.known = known
        self._log = log
        self._place = (address, turn, key)

    def record(self, outcome: Outcome, action: str) -> None:
        self._log.record_single(*self._place, outcome, action)
