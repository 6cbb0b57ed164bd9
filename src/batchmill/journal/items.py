"""The outcomes of one visit of a batch node: saved as they come, found again when the run is resumed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from batchmill.block import Block
from batchmill.journal.calls import VisitLedger
from batchmill.journal.changed_items import ChangedItems
from batchmill.journal.contract import ContentKey, Kept
from batchmill.journal.known import AllKnown
from batchmill.journal.matching import Claims, FoundOutcome, Matcher
from batchmill.journal.outcome_rows import OutcomeRows
from batchmill.journal.rows import RowWriter, files_in, first_id, outcome_of
from batchmill.journal.visits import gone_files
from batchmill.journal.writer import Writer
from batchmill.outcome import SKIPPED, ErrorInfo, Outcome

SLOW = 0.005  # seconds of an item from which on its outcome is waited for: a fiftieth of what it took
_LEFT_OUT = "it was not begun before, and only what had failed was to be run again"


class Place(Protocol):
    """The position of a visit in its run: entered when the first outcome comes."""

    visit: int
    rows_before: int

    def positions_missing(self) -> Iterator[int]:
        """The positions of outcomes of the pass before that were given to no item."""

    def texts(self, start: int, end: int) -> dict[int, str]:
        """The JSON texts of items of the pass before from one position to before another."""

    def fork(self) -> int:
        """A further visit of the same node in this one's place; its id."""


class SqliteItemLog:
    """See the module. ``matcher`` is None if nothing is known; ``failed_only`` leaves out items that never
    began; ``counts`` is called at the end with the counts, the changes in the items and the missing files.
    Calls go into ``ledger``.

    Concurrency: workers call ``record``, one thread at a time ``match``, with ``locked`` around its reads.
    Only ``match`` changes the visit, and a thread that records just before writes to the old one, from which
    the new one is copied: the writer keeps the order.
    """

    def __init__(
        self,
        place: Place,
        writer: Writer,
        rows: RowWriter,
        key: ContentKey,
        ledger: VisitLedger,
        *,
        matcher: Matcher | None = None,
        locked: Any = None,
        failed_only: bool = False,
        counts: Callable[[Kept, Sequence[str], Sequence[str]], None] | None = None,
    ) -> None:
        self._place = place
        self._writer = writer
        self._rows = rows
        self._more = key.more
        self._ledger = ledger
        self._matcher = matcher
        self._locked = locked
        self._failed_only = failed_only
        self._counts = counts
        self._missing = key.missing
        self._changed = ChangedItems(key.named, rows.masker.text)
        self._lost, self._first_lost = 0, ""
        self._kept = Kept()
        self._unknown = 0
        self._unknown_at = Claims()
        self.left_out = 0

    @property
    def knows(self) -> bool:
        return (
            self._counts is not None
            or self._failed_only
            or (self._matcher is not None and not self._matcher.empty)
        )

    def match(self, start: int, items: Sequence[Any]) -> Mapping[int, Outcome]:
        block = self._in_place(start, items)
        if block is not None:
            self._kept.kept += len(block)
            return AllKnown(block)
        known: dict[int, Outcome] = {}
        if self._matcher is not None and not self._matcher.empty:
            keys = [self._key_of(item, start + offset) for offset, item in enumerate(items)]
            with self._locked:
                found = self._matcher.find(start, keys)
                conflict = self._conflict(start, len(items), found)
            if conflict:
                self._fork(start)
            known = self._outcomes(start, found)
            self._kept.redone += len(found) - len(known)
        else:
            found = {}
        if self._counts is not None:
            self._note_unknown(start, items, found)
        self._kept.kept += sum(one.error is None for one in known.values())
        if self._failed_only:
            left_out = [offset for offset in range(len(items)) if offset not in found]
            self.left_out += len(left_out)
            known.update((offset, _left_out(start + offset)) for offset in left_out)
        return known

    def _in_place(self, start: int, items: Sequence[Any]) -> Block | None:
        """The outcomes of items that are all known at their positions, as nearly all of a resumed run are,
        and need no further check; None if one does not qualify."""
        matcher = self._matcher
        if matcher is None or matcher.empty or self._more is not None or self._missing is not None:
            return None
        keys = self._rows.texts_as_keys(items)
        if keys is None:
            return None
        with self._locked:
            found = matcher.in_place(first_id(self._place.visit) + start, keys)
        return None if found is None else Block(start, *found, items=items)

    def _note_unknown(self, start: int, items: Sequence[Any], found: dict[int, FoundOutcome]) -> None:
        count = len(items)
        if self._failed_only or len(found) == count:  # what is not found is left out, or there is no such
            return
        self._unknown += count - len(found)
        before: dict[int, str] = {}
        if self._place.rows_before:
            with self._locked:
                before = self._place.texts(start, start + count)
        for offset in range(count):
            if offset not in found:
                self._unknown_at.add(start + offset)
                if offset in before:
                    now = self._rows.key_of(items[offset], None)[1]
                    self._changed.note(start + offset, items[offset], before[offset], now)

    def _key_of(self, item: Any, index: int) -> bytes | str | None:
        """The key to search the item by; None if it has no digest, and then its outcome is unknown."""
        try:
            return self._rows.key_of(item, self._extra(item, index))[0]
        except Exception:  # noqa: BLE001  # whatever its templates meet: an attempt at the item says what
            return None

    def _extra(self, item: Any, index: int) -> object:
        return None if self._more is None else self._more(item, index)

    def _conflict(self, start: int, count: int, found: dict[int, FoundOutcome]) -> bool:
        """Whether an outcome already stands where that of another item must go."""
        assert self._matcher is not None  # noqa: S101  # for the type checker: the caller has looked
        own = first_id(self._place.visit) + start
        here = set(self._matcher.positions(own, own + count))
        return any(one not in found or found[one].id != own + one for one in here)

    def _fork(self, start: int) -> None:
        """Continue in a new visit: outcomes below ``start`` are in their places, the others may still be
        needed."""
        old = self._place.visit
        new = self._place.fork()
        row = (first_id(old), first_id(new), first_id(old), first_id(old) + start)
        self._writer.put("copy_visit", [row])
        self._writer.put("copy_waits", [row])

    def _outcomes(self, start: int, found: dict[int, FoundOutcome]) -> dict[int, Outcome]:
        known: dict[int, Outcome] = {}
        copies: list[tuple[int, int, int]] = []
        own = first_id(self._place.visit) + start
        for offset, one in found.items():
            if not one.has_result:
                continue
            read = outcome_of(one.row, start + offset, self._rows.files, self._rows.codec)
            if read is None or self._has_lost_files(read[0].value):
                continue
            known[offset] = self._own(read[0]) if one.foreign else read[0]
            if one.id != own + offset:
                copies.append((own + offset, self._rows.number, one.id))
                for digest in files_in(one.row.detail):
                    self._rows.on_file(digest)
        foreign = any(one.foreign for one in found.values())
        self._writer.put("copy_foreign" if foreign else "copy_outcome", copies)
        if not foreign:
            self._writer.put("copy_wait", [(new, old) for new, _, old in copies])
        return known

    def _has_lost_files(self, value: Any) -> bool:
        """Whether a file that belongs to a result is gone; records the loss."""
        gone = "" if self._missing is None or value is SKIPPED else self._missing(value)
        if gone:
            self._lost += 1
            self._first_lost = self._first_lost or gone
        return bool(gone)

    def _own(self, outcome: Outcome) -> Outcome:
        """An outcome of another run as one of this run: its calls were not made again."""
        kept = replace(outcome, records=self._rows.codec.as_kept(outcome.records))
        self._ledger.enter(kept.index, kept.records)
        return kept

    def enter(self, index: int, records: Sequence[Any]) -> None:
        self._ledger.enter(index, records)

    def run_again(self, count: int) -> None:
        self._kept.kept -= count
        self._kept.redone += count

    def record(self, block: Block) -> None:
        self._ledger.enter_block(block)  # before the outcomes: none of them may be kept without its calls
        base = first_id(self._place.visit) + block.start
        if block.special or self._more is not None:
            rows = self._rows_of(base, block)
        else:
            rows = self._rows.plain_rows(base, block)
        self._put_beside(base, block)
        ticket = self._writer.put_outcomes(rows)
        if len(rows) and block.wall >= SLOW * len(rows) and not _on_a_loop():
            self._writer.wait(ticket)

    def _put_beside(self, base: int, block: Block) -> None:
        """Record the waits of the items, and their use of resources."""
        number = self._rows.number
        if block.waits:
            waits = [(base + offset, number, *one) for offset, one in block.waits.items()]
            self._writer.put_beside("add_wait", waits)
        if block.commands:
            commands = [(base + offset, number, *one) for offset, one in block.commands.items()]
            self._writer.put_beside("add_command", commands)
        if block.cpu is not None:
            count = 0 if block.shares_cpu else len(block)
            row = (base, number, count, round(block.cpu, 6), block.peak)
            self._writer.put_beside("add_effort", [row])

    def _rows_of(self, base: int, block: Block) -> OutcomeRows:
        rows = OutcomeRows()
        for offset, (outcome, item) in enumerate(zip(block.outcomes(), block.items, strict=False)):
            if outcome.error is not None and outcome.error.kind == "cancelled":
                continue
            key, text = self._rows.key_of(item, self._extra(item, outcome.index))
            rows.add(self._rows.row_of(base + offset, key, text, outcome))
        return rows

    def flush(self) -> None:
        self._writer.flush()

    def close(self, total: int | None, *, read: bool = True) -> None:
        if total is not None:
            self._writer.put("set_total", [(total, self._place.visit)])
        if self._counts is not None:
            missing = changed = 0
            if self._place.rows_before > self._kept.kept + self._kept.redone:
                with self._locked:
                    for position in self._place.positions_missing():
                        missing += 1
                        changed += position in self._unknown_at
            self._kept.changed, self._kept.new = changed, self._unknown - changed
            self._kept.gone = missing - changed if read else 0
            gone = [gone_files(self._first_lost, self._lost)] if self._lost else []
            self._counts(self._kept, self._changed.reasons(), gone)


def _left_out(index: int) -> Outcome:
    error = ErrorInfo("LeftOut", _LEFT_OUT, "cancelled", retryable=False)
    return Outcome(index, error=error, attempts=0)


def _on_a_loop() -> bool:
    """Whether this thread runs an event loop, which must not be held up."""
    asyncio = sys.modules.get("asyncio")  # who runs one has imported it, and importing it takes 40 ms
    return asyncio is not None and asyncio.events._get_running_loop() is not None
