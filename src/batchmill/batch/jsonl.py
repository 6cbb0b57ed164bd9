"""Results as lines of JSON in a file, in input order, written as they come.

The file begins anew with the batch and only grows: what is there at any moment is the beginning of what
will be there in the end, and every line but perhaps the last one is whole. An item that failed has its
error entry for a line. Items that were never started have lines only where a finished item follows, so
that line ``n`` is item ``n``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any, NamedTuple

from batchmill.batch.results import Errors, is_unstarted
from batchmill.errors import StorageError
from batchmill.lists import Rows
from batchmill.outcome import Block

PATH_KEY = "results_path"
EARLY_BYTES = 4 << 20  # of lines whose turn has not come, in memory
_TOGETHER = 256  # early results that are read back at once

Plain = Callable[[Any], Any]


class Line(NamedTuple):
    """The line of an item, its end included."""

    text: bytes
    unstarted: bool


class EarlyLines:
    """Lines whose turn has not come, by the number of their first item; in a file once they are many."""

    def __init__(self) -> None:
        self._blocks: dict[int, list[Line]] = {}
        self._bytes = 0
        self._rows = Rows(0)

    def put(self, start: int, lines: list[Line]) -> None:
        """Keep the lines of neighbouring items. Raises :class:`~batchmill.lists.SpillError`."""
        size = sum(len(line.text) for line in lines)
        if self._bytes + size > EARLY_BYTES:
            self._rows.put_run(start, [tuple(line) for line in lines])
        else:
            self._blocks[start] = lines
            self._bytes += size

    def take(self, start: int) -> list[Line]:
        """The lines that are there from item ``start`` on, some of them; none where its own is not."""
        if start in self._blocks:
            lines = self._blocks.pop(start)
            self._bytes -= sum(len(line.text) for line in lines)
            return lines
        if start >= self._rows.end:
            if len(self._rows):  # nothing is left in there: its room is given back
                self._rows = Rows(0)
            return []
        found = self._rows.read(start, start + _TOGETHER)
        end = found.index(None) if None in found else len(found)
        return [Line(*one) for one in found[:end]]


class JsonlResults:
    """Writes to ``path``, making its folders. ``plain`` turns what JSON does not have into what it has.

    Raises :class:`~batchmill.errors.StorageError` for a file that cannot be written.
    """

    def __init__(self, path: str, plain: Plain) -> None:
        self._path = path
        self._plain = plain
        self._next = 0  # the item whose line comes next
        self._early = EarlyLines()
        self._held_back: list[bytes] = []  # of items never started, until a finished one follows
        self._number: int | None = self._opened()

    def _opened(self) -> int:
        try:
            os.makedirs(os.path.dirname(os.path.abspath(self._path)), exist_ok=True)
            return os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
        except (OSError, ValueError) as fault:
            raise self._fault(fault) from fault

    def _fault(self, fault: Exception) -> StorageError:
        reason = (fault.strerror if isinstance(fault, OSError) else None) or fault
        return StorageError(f"results cannot be written to {self._path}: {reason}")

    def add(self, block: Block, errors: Errors) -> None:
        lines = [
            Line(self._text(errors.get(offset, value)), offset in errors and is_unstarted(errors[offset]))
            for offset, value in enumerate(block.values)
        ]
        if block.start == self._next:
            self._append(lines)
        else:
            self._early.put(block.start, lines)
        while waiting := self._early.take(self._next):
            self._append(waiting)

    def _text(self, shown: dict[str, Any]) -> bytes:
        text = json.dumps(self._plain(shown), ensure_ascii=False, allow_nan=False)
        try:
            return text.encode() + b"\n"
        except UnicodeEncodeError:  # half of a surrogate pair has no form but an escape
            return json.dumps(self._plain(shown), allow_nan=False).encode() + b"\n"

    def _append(self, lines: list[Line]) -> None:
        self._next += len(lines)
        ready: list[bytes] = []
        for line in lines:
            self._held_back.append(line.text)
            if not line.unstarted:
                ready += self._held_back
                self._held_back.clear()
        self._write(b"".join(ready))

    def _write(self, data: bytes) -> None:
        left = memoryview(data)
        try:
            while left and self._number is not None:
                left = left[os.write(self._number, left) :]
        except OSError as fault:
            raise self._fault(fault) from fault

    def close(self) -> None:
        number, self._number = self._number, None
        if number is None:
            return
        try:
            os.close(number)
        except OSError as fault:  # some file systems tell of a full disk only now
            raise self._fault(fault) from fault

    def outputs(self, count: int, *, complete: bool) -> dict[str, Any]:
        """``results_path``: where they are."""
        return {PATH_KEY: self._path}
