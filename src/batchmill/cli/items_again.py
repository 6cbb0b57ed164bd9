"""Groups of rows that a journal does not store, read again from the source of their batch."""

from __future__ import annotations

from dataclasses import replace

from batchmill.cli.faults import say
from batchmill.errors import InvalidSetting, StorageError
from batchmill.items.again import Again
from batchmill.journal.digest import digest_of_text
from batchmill.journal.encoding import NOT_JSON, encode
from batchmill.journal.reading import Reader
from batchmill.journal.records import ItemRecord, UnsavedItem, VisitRecord


class ItemsAgain:
    """Completes the items of a visit. One that cannot be read again, or is another one now, becomes None,
    which stderr is told once. Used by one thread."""

    def __init__(self, reader: Reader, visit: VisitRecord) -> None:
        self._reader = reader
        self._visit = visit
        self._again: Again | None = None
        self._gone = ""
        self._told = False
        self.place = ""  # of the item that was read last, in words

    def completed(self, one: ItemRecord) -> ItemRecord:
        """The record with its item."""
        return replace(one, item=self._read(one.index, one.item)) if type(one.item) is UnsavedItem else one

    def _read(self, index: int, unsaved: UnsavedItem) -> object:
        try:
            if not self._gone:
                group, self.place = self._source().group(index)
                if _digest(group) == unsaved.digest:
                    return group
                self._tell(index, f"{self.place}, has changed since the run")
                return None
        except (StorageError, InvalidSetting) as fault:  # nothing behind it can be read either
            self._gone = str(fault)
        self._tell(index, f"the source cannot be read again: {self._gone}")
        return None

    def _source(self) -> Again:
        if self._again is None:
            told = self._reader.source(self._visit)
            if told is None:
                raise StorageError("the document has other items now")
            self._again = Again(**told)
        return self._again

    def _tell(self, index: int, why: str) -> None:
        if not self._told:
            say(f"note: item {index} of {self._visit.address} is missing here: {why}")
        self._told = True


def _digest(item: object) -> str:
    try:
        return digest_of_text(encode(item))
    except NOT_JSON:  # the source was other text
        return ""
