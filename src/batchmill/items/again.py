"""Groups of rows read once more from their source, for whoever shows the items of a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from batchmill.bad_row import BadRow
from batchmill.errors import StorageError
from batchmill.items.readers import open_source
from batchmill.items.selection import Selection
from batchmill.values.words import count

AGAIN = ("csv", "jsonl", "lines", "parquet")
"""The sources that can be read again: those of files."""

CHOICE = ("skip", "limit", "sample", "seed", "batch_size")
"""The fields of a :class:`Selection` that decide which rows a group has, besides ``first``."""


class Again:
    """The groups of rows of ``source``, an object of a document with the absolute paths of its files.
    ``choice`` are fields of the :class:`Selection`, ``keep_bad`` is that of
    :class:`~batchmill.items.readers.ReadOptions`. Groups that are asked for in their order are read in one
    pass. Used by one thread, which closes it."""

    def __init__(self, source: Mapping[str, Any], keep_bad: bool, choice: Mapping[str, Any]) -> None:
        self._source = source
        self._keep_bad = keep_bad
        self._selection = Selection(**choice)
        self._items: Iterator[Any] = iter(())
        self._next = -1  # the index of the group that is read next
        self._rows = 0  # how many rows of the source are behind it

    @property
    def files(self) -> str:
        """The files of the source, in words."""
        files = next(iter(self._source.values()))
        return str(files[0]) if len(files) == 1 else count(len(files), "file")

    def group(self, index: int) -> tuple[object, str]:
        """The group at a position, and its place in words. Raises :class:`StorageError` for a source that
        cannot be read, or that has fewer items."""
        if not 0 <= self._next <= index:
            self.close()
            opened = open_source(self._source, keep_bad=self._keep_bad)
            self._items, self._next, self._rows = iter(self._selection.of(opened)), 0, self._selection.skip
        for group in islice(self._items, index - self._next + 1):
            first = self._rows
            self._rows += 1 if type(group) is BadRow else len(group)
            self._next += 1
        if self._next <= index:
            raise StorageError(f"{self.files} has only {count(self._next, 'item')} now")
        return group, self._place(first)

    def _place(self, first: int) -> str:
        if self._selection.sample is not None:  # rows of anywhere
            return self.files
        return f"{self.files}, rows {first + 1:,} to {self._rows:,}"

    def close(self) -> None:
        """Close the file that is being read."""
        close = getattr(self._items, "close", None)
        if close is not None:
            close()
        self._items, self._next = iter(()), -1
