"""The ledger of one pass of a run: every call is entered once, and stays.

        attempt --before a call--> a file of its own        (batchmill.record.under_way)
                --after it-------> its record --> row of the table `call` --committed--> the file is removed

So a call is on disk from the moment before it is made. Files that are left when a pass ends belong to
attempts that never returned: killed, abandoned, or of a process that died. They are entered as found: with
the known result, or with the estimate from before the call.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from batchmill.block import Block
from batchmill.errors import StorageError
from batchmill.journal.contract import Codec
from batchmill.journal.encoding import NOT_JSON, decode, encode
from batchmill.journal.folders import make_private
from batchmill.journal.writer import Writer
from batchmill.record import CallsUnderWay, calls_left
from batchmill.record.under_way import NUMBER_KEY
from batchmill.values import shown
from batchmill.values.masking import Masker

LAST_POSITION = 1 << 31  # of nodes that the document does not have any more
_ID = "id"
_FIRST_ITEM = re.compile(r"\[(\d+)\]")


class LedgerRow(NamedTuple):
    """The values for the statements ``add_call`` and ``add_call_left``; see the schema."""

    id: str
    run: int
    number: int
    address: str
    position: int
    turn: int | None
    item: int | None
    place: int
    detail: str


@dataclass(frozen=True, slots=True)
class Positions:
    """The positions of nodes in their document, by address; a node inside a sub-workflow that is not listed
    has the position of the node that runs it."""

    places: Mapping[str, int]

    def of(self, address: str) -> int:
        """The place of a node."""
        while address not in self.places:
            address, dot, _ = address.rpartition(".")
            if not dot:
                return LAST_POSITION
        return self.places[address]

    def lacks(self, address: str) -> bool:
        """Whether the document has no such node. For a workflow that runs itself only the first level is
        checked; deeper nodes are never reported as missing."""
        above, dot, _ = address.rpartition(".")
        if address in self.places or (dot and not self._has_inside(above)):
            return False
        return bool(self.places)

    def _has_inside(self, address: str) -> bool:
        return self.lacks(address) or any(place.startswith(f"{address}.") for place in self.places)


class Ledger:
    """See the module. ``folder`` has the files of running calls.

    Concurrency: any thread may call any method; the writer does things in their order.
    """

    def __init__(
        self,
        run: int,
        number: int,
        folder: Path,
        writer: Writer,
        codec: Codec,
        masker: Masker,
        order: Sequence[str],
        *,
        durable: bool = False,
    ) -> None:
        self.under_way = CallsUnderWay(str(folder), number, durable)
        self._run = run
        self._number = number
        self._folder = folder
        self._writer = writer
        self._codec = codec
        self._masker = masker
        self.positions = Positions({address: place for place, address in enumerate(order)})

    def open(self) -> None:
        """Make room for calls under way. Raises :class:`StorageError`."""
        try:
            make_private(self._folder)
        except OSError as error:
            raise StorageError(f"the folder {self._folder} cannot be made: {error.strerror}") from error

    def close(self) -> None:
        """Remove the folder, unless something was left in it."""
        for folder in (self._folder, self._folder.parent):
            try:
                os.rmdir(folder)
            except OSError:  # not there, or another run's calls are
                return

    def of_visit(self, address: str, turn: int, *, is_batch: bool) -> VisitLedger:
        """The ledger of one visit of a node."""
        return VisitLedger(self, address, turn, is_batch)

    def enter(self, address: str, turn: int | None, item: int | None, records: Sequence[object]) -> None:
        """Enter the calls among the records of an item's attempts; existing entries stay."""
        position = self.positions.of(address)
        rows: list[LedgerRow] = []
        for place, (identity, call) in enumerate(self._codec.calls(records, address, item)):
            # a call from user code has no id: it is identified by its place
            name = identity or f"{self._run}.{self._number}.{address}.{turn}.{item}.{place}"
            where = (self._run, self._number, address, position, turn, item, place)
            rows.append(LedgerRow(name, *where, self._text(call)))
        self._put("add_call", rows)

    def _text(self, call: dict[str, object]) -> str:
        try:
            text = encode(call)
        except NOT_JSON:
            text = encode(shown(call))
        return text if self._masker.text(text) == text else encode(self._masker.value(decode(text)))

    def _put(self, name: str, rows: list[LedgerRow]) -> None:
        self._writer.put(name, rows, partial(self.under_way.forget, [row.id for row in rows]))

    def absorb(self) -> int:
        """Enter the calls of attempts that never returned; returns their number. They are on disk when this
        returns. Raises the writer's fault."""
        found = [self._left(call) for call in calls_left(self._folder)]
        self._put("add_call_left", found)
        self._writer.flush()
        return len(found)

    def _left(self, call: dict[str, Any]) -> LedgerRow:
        number = int(call.pop(NUMBER_KEY, self._number))
        address, item = visited(call)
        where = (self._run, number, address, self.positions.of(address), None, item, 0)
        return LedgerRow(call[_ID], *where, self._text(call))


@dataclass(frozen=True, slots=True)
class VisitLedger:
    """The ledger of one visit of a node."""

    ledger: Ledger
    address: str
    turn: int
    is_batch: bool

    def enter(self, item: int, records: Sequence[object]) -> None:
        """Enter the calls of one item, or of a node without a batch."""
        if records:
            self.ledger.enter(self.address, self.turn, item if self.is_batch else None, records)

    def enter_block(self, block: Block) -> None:
        """Enter the calls of a block's items, including cancelled ones."""
        for outcome in block.special.values():
            self.enter(outcome.index, outcome.records)


def visited(call: Mapping[str, object]) -> tuple[str, int | None]:
    """The node whose visit a call belongs to, and the item; for a call inside the items of a batch, those of
    the batch."""
    node, index = str(call.get("node") or ""), call.get("index")
    inside = _FIRST_ITEM.search(node)
    if inside is None:
        return node, index if isinstance(index, int) else None
    return node[: inside.start()], int(inside.group(1))


def with_those_left(
    rows: Iterable[tuple[str, int, str]], left: Iterable[dict[str, Any]]
) -> Iterator[tuple[int, dict[str, object]]]:
    """The calls of ``rows`` (id, pass, JSON), each with its pass, followed by those of ``left`` that are
    missing there: from a run that is at work, or was killed."""
    files = {call[_ID]: call for call in left}
    for identity, number, text in rows:
        files.pop(identity, None)
        yield number, decode(text)
    for call in files.values():
        yield int(call.pop(NUMBER_KEY, 1)), call
