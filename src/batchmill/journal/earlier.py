"""The visits that earlier passes of a run, and other runs, left in the journal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from batchmill.journal.contract import OK, ContentKey, RunRecord
from batchmill.journal.encoding import encode
from batchmill.journal.matching import Claims
from batchmill.journal.rows import KnownRow, RowWriter, end_of, first_id, outcome_of, unsaved_digest
from batchmill.journal.statements import one_row, statement
from batchmill.journal.visits import Before, Older
from batchmill.outcome import Outcome

if TYPE_CHECKING:
    import sqlite3

    from batchmill.journal.writer import Writer


class EarlierVisits:
    """The visits before ``run``'s pass, read over ``connection``, and which of their outcomes this pass has
    used.

    Concurrency: everything is called under the lock of the run's log.
    """

    def __init__(
        self, connection: sqlite3.Connection, run: RunRecord, rows: RowWriter, writer: Writer
    ) -> None:
        self._connection = connection
        self._run = run
        self._rows = rows
        self._writer = writer
        self._claims: dict[tuple[str, bytes], Claims] = {}

    def claims(self, node: tuple[str, bytes]) -> Claims:
        """Those of the outcomes of a node with this key."""
        return self._claims.setdefault(node, Claims())

    def visits_at(self, address: str) -> list[Before]:
        """Earlier passes' visits of a node, the latest first."""
        if self._run.passes <= 1:
            return []
        query = statement("visits_at")
        rows = self._connection.execute(query, (self._run.id, address, self._run.passes))
        return [Before(*row) for row in rows]

    def same(self, before: Iterable[Before], key: ContentKey) -> list[int]:
        """The earlier visits whose outcomes are still valid. One with a key of the first format gets its
        present key."""
        same: list[int] = []
        older = Older(key)
        for visit in before:
            if visit.key == key.digest:
                same.append(visit.id)
            elif visit.parts is None and older.is_key_of(visit):
                same.append(visit.id)
                self._writer.put("set_key", [(key.digest, encode(dict(key.parts)), visit.id)])
        return same

    def of_other_runs(self, key: ContentKey, *, is_batch: bool) -> list[int]:
        """The visits of all runs that have this key, or the one that an older format had in its place."""
        query = statement("visits_with_key")
        found = self._connection.execute(query, (key.digest, int(is_batch))).fetchall()
        if not found and key.same_items and (older := key.older()) is not None:
            found = self._connection.execute(query, (older, int(is_batch))).fetchall()
        return [row[0] for row in found]

    def as_before(self, before: Sequence[Before], key: ContentKey) -> ContentKey:
        """The key of a batch for this visit. A batch that began under the first format keeps that format if
        items had other keys then."""
        older = Older(key)
        if key.same_items or any(one.key == key.digest for one in before):
            return key
        if not any(one.parts is None and older.is_key_of(one) for one in before):
            return key
        return ContentKey(older.digest or key.digest, {}, more=key.older_more)

    def known_single(self, node: tuple[str, bytes], visits: Iterable[int]) -> tuple[Outcome, str] | None:
        """The first success of the ``visits`` that this pass has not used so far, with its action; marks it
        as used."""
        claims = self.claims(node)
        for visit in visits:
            identity = first_id(visit)
            row = self.outcome_at(identity)
            if row is None or row.state != OK or identity in claims:
                continue
            if (found := outcome_of(row, 0, self._rows.files, self._rows.codec)) is not None:
                claims.add(identity)
                return found
        return None

    def outcome_at(self, identity: int) -> KnownRow | None:
        """The row with this id."""
        row = one_row(self._connection, statement("outcome_at"), (identity,))
        return None if row is None else KnownRow(*row)

    def cached_single(self, key: ContentKey) -> tuple[int, tuple[Outcome, str]] | None:
        """A success of any run with this key, and the visit it is of."""
        for visit in self.of_other_runs(key, is_batch=False):
            row = self.outcome_at(first_id(visit))
            if row is not None and row.state == OK:
                found = outcome_of(row, 0, self._rows.files, self._rows.codec)
                if found is not None and not (key.missing and key.missing(found[0].value)):
                    return visit, found
        return None

    def bounds(self, visit: int) -> tuple[int, int]:
        """The ids between which a visit has its outcomes."""
        total = one_row(self._connection, statement("total_of"), (visit,))[0]
        return first_id(visit), end_of(visit, total)

    def rows_in(self, bounds: tuple[int, int]) -> int:
        """How many outcomes earlier passes left between two ids."""
        query = statement("count_outcomes")
        return int(one_row(self._connection, query, (*bounds, self._run.passes))[0])

    def texts_in(self, bounds: tuple[int, int]) -> dict[int, str]:
        """The items of those as JSON, by their offsets; the digests of those that are not stored."""
        found = self._connection.execute(statement("items_between"), (*bounds, self._run.passes))
        texts = {identity - bounds[0]: item or unsaved_digest(detail) for identity, item, detail in found}
        return {offset: text for offset, text in texts.items() if text}

    def ids_in(self, bounds: tuple[int, int]) -> Iterator[int]:
        """The ids of those."""
        found = self._connection.execute(statement("ids_between"), (*bounds, self._run.passes))
        return (row[0] for row in found)
