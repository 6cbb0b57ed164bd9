"""Outcomes as rows of the journal, and back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from batchmill.bad_row import BadRow
from batchmill.block import Block
from batchmill.journal.contract import DEGRADED, FAILED, NOT_KEPT, NOT_RUN, OK, Codec
from batchmill.journal.digest import NoDigest, digest_of, digest_of_text
from batchmill.journal.encoding import NOT_JSON, are_exact, decode, encode, encode_all
from batchmill.journal.files import LARGE, ValueFiles
from batchmill.journal.outcome_rows import PLAIN_WIDTH, FullRow, OutcomeRows, PlainRow
from batchmill.lists.weight import weight
from batchmill.outcome import SKIPPED, ErrorInfo, Outcome, Tried
from batchmill.sourced import all_bare, bare
from batchmill.values import is_exact, noted, shown
from batchmill.values.masking import Masker

SHORT = 1024  # characters of an item's text up to which it is its own key
POSITION_BITS = 32
UNSAVED = "unsaved"
"""The key of an outcome's detail with digest and length of the text of an item that is not stored."""

_WORTH_JOINING = 8  # values from which on it is quicker to encode them together
_SMALL = 8 * SHORT  # bytes of an item and its value; the texts of larger ones, joined, might be a lot


class KnownRow(NamedTuple):
    """The row of an outcome for matching; ``key`` is the item's text if it has no other."""

    id: int
    state: int
    key: bytes | str | None
    value: str | None
    wall: float
    detail: str | None


known_row: Callable[[Iterable[Any]], KnownRow] = partial(tuple.__new__, KnownRow)
"""``KnownRow._make`` without a call of a function in Python: a resumed run calls it for every item."""


def first_id(visit: int) -> int:
    """The id of a visit's outcome at position 0; that of the next visit is one past its last."""
    return visit << POSITION_BITS


def end_of(visit: int, total: int | None) -> int:
    """One past the id of a visit's last outcome, of ``total`` items where that is known: behind them may be
    outcomes of an earlier pass that had more."""
    return first_id(visit + 1) if total is None else first_id(visit) + total


@dataclass(slots=True)
class RowWriter:
    """Makes the rows of one pass of a run. ``on_file`` is called with the digest of each value that goes into
    a file, before the row that refers to it is written. ``epoch`` is the time, in seconds since the epoch, at
    which :func:`time.perf_counter` was 0. ``rereads`` says that the items of the visit can be read again:
    then long ones are not stored, see :class:`~batchmill.journal.records.UnsavedItem`.

    Concurrency: any thread; it never changes.
    """

    files: ValueFiles
    codec: Codec
    masker: Masker
    number: int
    on_file: Callable[[str], object]
    epoch: float = 0.0
    rereads: bool = False

    def key_of(self, item: Any, more: Any) -> tuple[bytes | str | None, str | None]:
        """The key that an item is matched by, and its JSON text; None for missing ones."""
        item = bare(item)
        try:
            text = encode(item)
        except NOT_JSON:
            return _digest(item, more), None
        if type(item) is BadRow:  # nothing is known of it by the result of an item that has the same text
            return _digest(text, ["bad row", more]), text
        if more is None and len(text) <= SHORT and self.masker.text(text) == text:
            return text, text
        return _digest(text, more), text

    def texts_as_keys(self, items: Sequence[Any]) -> list[str] | None:
        """The results of :meth:`key_of` for items without further dependencies, in few calls; None if one of
        them has another key than its text."""
        items = all_bare(items)
        if not items or BadRow in set(map(type, items)) or weight(items[0]) > _SMALL:
            return None
        try:
            texts = encode_all(items)
        except NOT_JSON:
            return None
        if max(map(len, texts)) > SHORT:
            return None
        if self.masker.knows_any and self.masker.text(joined := "\n".join(texts)) != joined:
            return None
        return texts

    def plain_rows(self, first: int, block: Block) -> OutcomeRows:
        """The rows of a block of plain successes without further dependencies; ``first`` is the id of the
        first."""
        values, walls, items = block.values, block.walls, all_bare(block.items[: len(block)])
        begins, workers = block.begins(self.epoch), block.each_worker()
        if len(values) >= _WORTH_JOINING and not self.masker.knows_any:
            flat = self._rows_at_once(first, values, walls, items, begins, workers)
            if flat:
                return OutcomeRows(flat)
        rows = OutcomeRows()
        for identity, one in enumerate(zip(values, items, walls, begins, workers, strict=False), first):
            rows.add(self._plain_row(identity, *one))
        return rows

    def _rows_at_once(
        self,
        first: int,
        values: Sequence[Any],
        walls: Sequence[float],
        items: Sequence[Any],
        begins: Sequence[float | None],
        workers: Sequence[int | None],
    ) -> list[Any]:
        """What :meth:`key_of` and :meth:`row` make of small values, one row behind another and in few calls:
        this runs for every item. Nothing if one of the rows needs more."""
        if weight(values[0]) + weight(items[0]) > _SMALL:
            return []
        try:
            texts = encode_all([*items, *values])
            states = [OK if exact else NOT_KEPT for exact in are_exact(values)]
        except NOT_JSON:
            return []
        count = len(values)
        of_items, of_values = texts[:count], texts[count:]
        if max(map(len, of_items)) > SHORT or max(map(len, of_values)) > LARGE:
            return []
        ids = range(first, first + count)
        columns = (ids, None, states, of_items, of_values, walls[:count], begins, workers)
        flat: list[Any] = [None, self.number, None, None, None, None, None, None] * count
        for place, column in enumerate(columns):
            if column is not None:
                flat[place::PLAIN_WIDTH] = column
        return flat

    def _plain_row(
        self, identity: int, value: Any, item: Any, wall: float, began: float | None, worker: int | None
    ) -> PlainRow | FullRow:
        """The row of an item without further dependencies."""
        return self.row(identity, *self.key_of(item, None), value, wall, began, worker)

    def row_of(
        self, identity: int, key: bytes | str | None, text: str | None, outcome: Outcome
    ) -> PlainRow | FullRow:
        """The row of an outcome of a batch."""
        if not outcome.plain:
            return self.full_row(identity, key, text, outcome)
        began = None if outcome.began is None else outcome.began + self.epoch
        return self.row(identity, key, text, outcome.value, outcome.wall, began, outcome.worker)

    def row(
        self,
        identity: int,
        key: bytes | str | None,
        text: str | None,
        value: Any,
        wall: float,
        began: float | None,
        worker: int | None,
    ) -> PlainRow | FullRow:
        """The row of a plain success, which ``began`` at so many seconds since the epoch."""
        try:
            written = encode(value)
            state = OK if is_exact(value) else NOT_KEPT
        except NOT_JSON:
            written = None
            state = NOT_KEPT
        most = SHORT if self.rereads else LARGE
        large = written is None or len(written) > LARGE or (text is not None and len(text) > most)
        if written is None or large or self.masker.knows_any:
            second = None if began is None else began - self.epoch
            plain = Outcome(0, value, wall=wall, began=second, worker=worker)
            return self.full_row(identity, key, text, plain)
        if text is not None and key is text:
            return (identity, self.number, state, text, written, wall, began, worker)
        own = key if isinstance(key, bytes) else None
        return FullRow(identity, self.number, state, text, written, wall, began, worker, own, None)

    def full_row(
        self, identity: int, key: bytes | str | None, text: str | None, outcome: Outcome, action: str = ""
    ) -> FullRow:
        """The row of any outcome."""
        detail: dict[str, Any] = {"action": action} if action else {}
        state = OK if outcome.error is None else FAILED
        if outcome.attempts != 1:
            detail["attempts"] = outcome.attempts
        if outcome.tried:
            detail["tried"] = [self._tried(one) for one in outcome.tried]
        if outcome.records:
            state = self._add_records(detail, outcome.records, state)
        if outcome.error is not None:
            detail["error"] = self._error(outcome.error)
        written = None
        if outcome.value is SKIPPED and outcome.error is None:
            state = NOT_RUN
        elif outcome.error is None:
            written, exact = self._text(outcome.value)
            state = state if exact else max(state, NOT_KEPT)
        if state == OK and outcome.records and self.codec.degraded(outcome.records):
            state = DEGRADED
        item = None if text is None else self._item_text(detail, text, state)
        written = self._moved(detail, "value_file", written)
        item = self._moved(detail, "item_file", item)
        own = key if isinstance(key, bytes) else None  # a text is the item's, which stands beside it
        more = encode(detail) if detail else None
        began = None if outcome.began is None else outcome.began + self.epoch
        times = outcome.wall, began, outcome.worker
        return FullRow(identity, self.number, state, item, written, *times, own, more)

    def _item_text(self, detail: dict[str, Any], text: str, state: int) -> str | None:
        """The text of an item to store; None, and a note in ``detail``, if it is read again instead. Those of
        failures are stored: they are what one looks at, perhaps after the source was corrected."""
        masked, whole = self._masked(text)
        if not (self.rereads and whole and state != FAILED and len(text) > SHORT):
            return masked
        detail[UNSAVED] = digest_of_text(text), len(text)
        return None

    def _tried(self, one: Tried) -> list[Any]:
        """An attempt as the journal has it; see the schema."""
        told = [one.began + self.epoch, one.wall, one.worker]
        why = [one.error, self.masker.text(one.message), one.kind, one.retry_after]
        if one.waited or one.refused or one.status is not None:
            return [*told, *why, round(one.waited, 6), one.refused, one.status]
        return [*told, *why] if one.error else told

    def _text(self, value: Any) -> tuple[str | None, bool]:
        """The JSON text of a value, and whether it preserves the value. Raises
        :class:`~batchmill.values.NotPlain` for a value that cannot even be displayed."""
        try:
            text, exact = encode(value), is_exact(value)
        except NOT_JSON:
            text, exact = encode(noted(value)), False
        masked, same = self._masked(text)
        return masked, exact and same

    def _masked(self, text: str) -> tuple[str, bool]:
        """Text without secrets, and whether there were none."""
        if self.masker.text(text) == text:
            return text, True
        return encode(self.masker.value(decode(text))), False

    def _moved(self, detail: dict[str, Any], name: str, text: str | None) -> str | None:
        """Put a large text into a file."""
        if text is None or len(text) <= LARGE:
            return text
        detail[name] = self.files.put(text)
        self.on_file(detail[name])
        return None

    def _add_records(self, detail: dict[str, Any], records: Sequence[Any], state: int) -> int:
        try:
            text = encode(self.codec.write(records))
        except NOT_JSON:
            return max(state, NOT_KEPT)
        text, same = self._masked(text)
        detail["records"] = decode(text)
        return state if same else max(state, NOT_KEPT)

    def _error(self, error: ErrorInfo) -> dict[str, Any]:
        found: dict[str, Any] = {
            "type": error.type,
            "message": error.message,
            "kind": error.kind,
            "traceback": error.traceback,
            "outputs": {str(name): shown(value) for name, value in error.outputs.items()},
            "address": error.address,
        }
        if error.refused:
            found["refused"] = True
        if error.status is not None:
            found["status"] = error.status
        masked: dict[str, Any] = self.masker.value(found)
        return masked


def _digest(value: Any, more: Any) -> bytes | None:
    try:
        return digest_of(value) if more is None else digest_of(value, more)
    except NoDigest:
        return None
    except Exception:  # noqa: BLE001  # what an object's own code raises: its content cannot be told either
        return None


def files_in(detail: str | None) -> list[str]:
    """The digests of the files that an outcome refers to."""
    try:
        found = decode(detail) if detail else {}
        return [found[name] for name in ("value_file", "item_file") if name in found]
    except (ValueError, TypeError):  # of a damaged row nothing is known
        return []


def unsaved_digest(detail: str | None) -> str:
    """The digest of an item that is not stored; empty if there is none."""
    try:
        return str(decode(detail)[UNSAVED][0]) if detail else ""
    except (ValueError, TypeError, LookupError):  # of a damaged row nothing is known
        return ""


def outcome_of(row: KnownRow, index: int, files: ValueFiles, codec: Codec) -> tuple[Outcome, str] | None:
    """The outcome in a row, and its action; None if it cannot be read any more: a file is gone, a text is
    invalid."""
    text, wall, more = row.value, row.wall, row.detail
    try:
        if row.state == NOT_RUN:
            return Outcome(index, SKIPPED, wall=float(wall), kept=True), ""
        if not more and text is not None:
            return Outcome(index, decode(text), wall=float(wall), kept=True), ""
        detail = decode(more) if more else {}
        error = _error_of(detail["error"]) if row.state == FAILED else None
        if "value_file" in detail:
            text = files.get(detail["value_file"])
        if text is None and error is None:
            return None
        value = None if text is None else decode(text)
        records = codec.read(detail.get("records", ()))
        attempts = int(detail.get("attempts", 1))
        outcome = Outcome(index, value, error, attempts, float(wall), records, kept=True)
        return outcome, str(detail.get("action", ""))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def _error_of(told: dict[str, Any]) -> ErrorInfo:
    """The error that :meth:`RowWriter._error` has written."""
    names = ("type", "message", "kind", "traceback", "outputs", "address")
    return ErrorInfo(**{name: told[name] for name in names}, retryable=False)
