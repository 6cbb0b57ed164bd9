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
from typing import Any

from batchmill.batch.results import Errors, entry
from batchmill.errors import StorageError
from batchmill.lists import Rows
from batchmill.outcome import Block

PATH_KEY = "results_path"
_TOGETHER = 256  # early results that are read back at once

Plain = Callable[[Any], Any]


class JsonlResults:
    """Writes to ``path``, making its folders. ``plain`` turns what JSON does not have into what it has.

    Raises :class:`~batchmill.errors.StorageError` for a file that cannot be written.
    """

    def __init__(self, path: str, plain: Plain) -> None:
        self._path = path
        self._plain = plain
        self._next = 0  # the item whose line comes next
        self._early = Rows()  # lines of items whose turn has not come
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
            self._line(errors[offset] if offset in errors else entry(value, block.items[offset]))
            for offset, value in enumerate(block.values)
        ]
        unstarted = {offset for offset, error in errors.items() if not error["attempts"]}
        if block.start != self._next:
            pairs = [(line, offset not in unstarted) for offset, line in enumerate(lines)]
            self._early.put_run(block.start, pairs)
            return
        self._append(lines, unstarted)
        self._append_early()

    def _line(self, shown: dict[str, Any]) -> bytes:
        text = json.dumps(self._plain(shown), ensure_ascii=False, allow_nan=False)
        try:
            return text.encode() + b"\n"
        except UnicodeEncodeError:  # half of a surrogate pair has no form but an escape
            return json.dumps(self._plain(shown), allow_nan=False).encode() + b"\n"

    def _append(self, lines: list[bytes], unstarted: set[int]) -> None:
        self._next += len(lines)
        ready: list[bytes] = []
        for offset, line in enumerate(lines):
            if offset in unstarted:
                self._held_back.append(line)
                continue
            ready += self._held_back
            ready.append(line)
            self._held_back.clear()
        self._write(b"".join(ready))

    def _append_early(self) -> None:
        """Write what has been waiting for the lines before it."""
        while len(self._early):
            pairs = self._early.read(self._next, self._next + _TOGETHER)
            found = pairs[: pairs.index(None)] if None in pairs else pairs
            if not found:
                return
            unstarted = {offset for offset, (_, started) in enumerate(found) if not started}
            self._append([line for line, _ in found], unstarted)
            if self._next >= self._early.end:  # nothing waits any more: begin anew, with room on the disk
                self._early = Rows()

    def _write(self, data: bytes) -> None:
        left = memoryview(data)
        try:
            while left and self._number is not None:
                left = left[os.write(self._number, left) :]
        except OSError as fault:
            raise self._fault(fault) from fault

    def outputs(self, count: int, *, complete: bool) -> dict[str, Any]:
        return {PATH_KEY: self._path}

    def close(self) -> None:
        number, self._number = self._number, None
        if number is None:
            return
        try:
            os.close(number)
        except OSError as fault:  # some file systems tell of a full disk only now
            raise self._fault(fault) from fault
