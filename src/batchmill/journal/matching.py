"""Find known outcomes of items by content, anywhere in the journal.

Most items of a resumed run are where they were. So a part of the items is first compared with the outcomes at
the same positions, and at those to which earlier ones have moved: one query each, in the order of the disk.
The rest of the journal is searched only for items not found there: an index of contents, in a temporary
table, is built when the first such item comes and outcomes remain to be found.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from batchmill.journal.contract import DEGRADED, FAILED, NOT_RUN, OK
from batchmill.journal.encoding import decode_all
from batchmill.journal.rows import POSITION_BITS, KnownRow, first_id, known_row
from batchmill.journal.statements import one_row, statement

if TYPE_CHECKING:
    import sqlite3

Key = bytes | str
_AT_ONCE = 500  # keys in one query
_numbers = itertools.count()


@dataclass(slots=True)
class FoundOutcome:
    """The outcome found for one item: the row of a result or of a failure, and its id. ``whole`` says that a
    degraded one is no result, ``foreign`` that it belongs to another run, or to another visit that this one
    does not continue, ``failures`` that a failure is as good as a result."""

    row: KnownRow
    whole: bool = False
    foreign: bool = False
    failures: bool = False

    @property
    def id(self) -> int:
        return self.row.id

    @property
    def has_result(self) -> bool:
        """Whether the item need not run again; one that did not run, if its condition is still false."""
        state = self.row.state
        if state in (OK, NOT_RUN):
            return True
        return (state == DEGRADED and not self.whole) or (state == FAILED and self.failures)


class Claims:
    """The outcomes already given away, so that each is given once. A bit for each."""

    def __init__(self) -> None:
        self._bits: dict[int, bytearray] = {}
        self.count = 0

    def __contains__(self, identity: int) -> bool:
        bits = self._bits.get(identity >> POSITION_BITS)
        place = identity & 0xFFFFFFFF
        return bits is not None and place >> 3 < len(bits) and bool(bits[place >> 3] >> (place & 7) & 1)

    def add(self, identity: int) -> None:
        """Give an outcome away."""
        bits = self._bits.setdefault(identity >> POSITION_BITS, bytearray())
        place = identity & 0xFFFFFFFF
        if place >> 3 >= len(bits):
            bits.extend(bytes((place >> 3) + 1 - len(bits)))
        bits[place >> 3] |= 1 << (place & 7)
        self.count += 1

    def add_all(self, first: int, count: int) -> bool:
        """Claim ``count`` outcomes, whose ids begin at ``first``; False, and none of them, if one was claimed
        already."""
        bits = self._bits.setdefault(first >> POSITION_BITS, bytearray())
        start = first & 0xFFFFFFFF
        begin, end = start >> 3, (start + count + 7) >> 3
        if end > len(bits):
            bits.extend(bytes(end - len(bits)))
        wanted = ((1 << count) - 1) << (start & 7)
        given = int.from_bytes(bits[begin:end], "little")
        if given & wanted:
            return False
        bits[begin:end] = (given | wanted).to_bytes(end - begin, "little")
        self.count += count
        return True


class Matcher:
    """The known outcomes for the items of one visit, from earlier visits, the latest first; ``before`` is the
    number of this pass, whose own outcomes do not count.

    Used by one thread at a time, with ``connection`` locked by its owner. ``claims`` belongs to all visits of
    the node in this pass; without it (a cache) only results are given, each any number of times. ``whole``
    says that a degraded outcome is no result, ``failures`` that a failure is one.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        visits: Sequence[int],
        before: int,
        claims: Claims | None,
        *,
        whole: bool = False,
        failures: bool = False,
    ) -> None:
        self._connection = connection
        self._visits = list(visits)
        self._before = before
        self._claims = claims
        self._whole = whole
        self._failures = failures
        self._shifts: dict[int, int] = {}
        self._table = ""  # the index, once there is one
        self._left = sum(self._count(visit) for visit in visits) - (claims.count if claims else 0)

    @property
    def empty(self) -> bool:
        """Whether no outcomes remain to be found."""
        return self._left <= 0

    def _count(self, visit: int) -> int:
        bounds = (first_id(visit), first_id(visit + 1), self._before)
        return int(one_row(self._connection, statement("count_outcomes"), bounds)[0])

    # Items are matched in stretches of some hundreds. A stretch is compared with the outcomes at the same
    # positions: first those that kept their places, then those that moved within it. Say that a thousand new
    # items were put in front. The first two stretches match nothing, here or anywhere. The third has the
    # items that were the first, and finds others' outcomes at its positions. So an index of contents is made,
    # which shows that they were a thousand places earlier. From there on every stretch is searched a thousand
    # places earlier, without the index. So the cost of a change is in proportion to the number of items that
    # moved against their neighbours, not to the number of items.
    #
    # Two equal items have one key and two outcomes. Each outcome is given once (`Claims`), so surplus items
    # run again.
    def find(self, start: int, keys: Sequence[Key | None]) -> dict[int, FoundOutcome]:
        """The known outcomes of items by their keys, by offset; ``start`` is the index of the first."""
        found: dict[int, FoundOutcome] = {}
        for visit in self._visits:
            if len(found) == len(keys) or self.empty:
                return found
            self._look(visit, start, keys, found)
        if not self.empty and any(key is not None for o, key in enumerate(keys) if o not in found):
            self._search(start, keys, found)
        return found

    def in_place(self, first: int, keys: Sequence[str]) -> tuple[list[object], list[float]] | None:
        """The values and wall times of items that all kept their places, the first with the outcome of the id
        ``first``, if all are plain successes; None, without claiming any, if one is not."""
        if self._claims is None or self._visits[:1] != [first >> POSITION_BITS] or self._shifts:
            return None
        query, count = statement("outcomes_between"), len(keys)
        rows = self._connection.execute(query, (first, first + count, self._before)).fetchall()
        if len(rows) != count:
            return None
        _, states, known, texts, walls, details = zip(*rows, strict=True)
        if known != tuple(keys) or set(states) != {OK} or details.count(None) != count or None in texts:
            return None
        try:
            values, seconds = decode_all(texts), list(map(float, walls))
        except (
            ValueError,
            TypeError,
            RecursionError,
        ):  # nothing is known of a damaged row
            return None
        if not self._claims.add_all(first, count):
            return None
        self._left -= count
        return values, seconds

    def positions(self, first: int, end: int) -> list[int]:
        """Which ids from ``first`` to before ``end`` have outcomes of earlier passes, less ``first``."""
        query = statement("ids_between")
        return [row[0] - first for row in self._connection.execute(query, (first, end, self._before))]

    def _look(
        self, visit: int, start: int, keys: Sequence[Key | None], found: dict[int, FoundOutcome]
    ) -> None:
        """Search where the items stood, by earlier matches; outcomes that kept their place come first."""
        first = first_id(visit) + max(0, start + self._shifts.get(visit, 0))
        rows = self._between(first, min(first + len(keys), first_id(visit + 1)))
        here = {row.id - first_id(visit) - start: row for row in rows}
        for offset, row in here.items():
            if 0 <= offset < len(keys) and offset not in found and row.key == keys[offset] is not None:
                self._take(offset, row, found)
        if len(found) == len(keys):
            return
        by_key: dict[object, list[KnownRow]] = {}
        for row in reversed(rows):
            by_key.setdefault(row.key, []).append(row)
        for offset, key in enumerate(keys):
            while offset not in found and key is not None and by_key.get(key):
                self._take(offset, by_key[key].pop(), found)

    def _between(self, first: int, end: int) -> list[KnownRow]:
        query = statement("outcomes_between")
        found = self._connection.execute(query, (first, end, self._before))
        return list(map(known_row, found))

    def _take(self, offset: int, row: KnownRow, found: dict[int, FoundOutcome]) -> None:
        one = FoundOutcome(row, self._whole, self._claims is None, self._failures)
        if self._claims is not None:
            if row.id in self._claims:
                return
            self._claims.add(row.id)
            self._left -= 1
        elif not one.has_result:
            return
        found[offset] = one

    def _search(self, start: int, keys: Sequence[Key | None], found: dict[int, FoundOutcome]) -> None:
        """Look everywhere."""
        self._index()
        wanted = list(dict.fromkeys(key for o, key in enumerate(keys) if o not in found and key is not None))
        places: dict[object, list[int]] = {}
        for part in (wanted[at : at + _AT_ONCE] for at in range(0, len(wanted), _AT_ONCE)):
            marks = ",".join("?" * len(part))
            query = f"SELECT key, id FROM temp.{self._table} WHERE key IN ({marks}) ORDER BY id"  # noqa: S608  # no text of others
            for key, identity in self._connection.execute(query, part):
                places.setdefault(key, []).append(identity)
        for offset, key in enumerate(keys):
            if offset not in found and key is not None:
                self._take_from(places.get(key, []), start, offset, found)

    def _take_from(self, places: list[int], start: int, offset: int, found: dict[int, FoundOutcome]) -> None:
        tried = 0
        while tried < len(places) and offset not in found:
            row = one_row(self._connection, statement("outcome_at"), (places[tried],))
            if self._claims is not None:  # whatever becomes of it, no other item gets it
                del places[tried]
            else:
                tried += 1
            if row is not None:
                self._take(offset, KnownRow(*row), found)
        if offset in found:
            visit = found[offset].id >> POSITION_BITS
            self._shifts[visit] = (found[offset].id & 0xFFFFFFFF) - start - offset

    def _index(self) -> None:
        """Make the index of contents, once."""
        if self._table:
            return
        self._table = f"place_{next(_numbers)}"
        connection = self._connection
        connection.execute(f"CREATE TEMP TABLE {self._table} (key, id INTEGER)")
        for visit in self._visits:
            bounds = (first_id(visit), first_id(visit + 1), self._before)
            connection.execute(statement("index_outcomes").format(self._table), bounds)
        connection.execute(f"CREATE INDEX temp.{self._table}_by_key ON {self._table} (key)")
