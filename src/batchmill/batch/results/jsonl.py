"""Results in files, in input order, written as they come: lines of JSON, or tables made of such lines.

Results go to one file and, if wanted, the entries of failed items to another, so that all lines of a file
have one shape. Each file is written beside the one that it replaces (:mod:`batchmill.batch.results.staged`).
At any moment it holds the beginning of the final content, and every line is whole, except perhaps the last.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

from batchmill.batch.results.sinks import ERRORS_PATH_KEY, PATH_KEY, Errors, is_unstarted
from batchmill.batch.results.staged import StagedFile
from batchmill.batch.results.table_files import ResultFile
from batchmill.block import Block
from batchmill.lists import Rows

EARLY_BYTES = 4 << 20  # of lines whose turn has not come, in memory
_TOGETHER = 256  # early results that are read back at once

Text = Callable[[Any], str]


class Line(NamedTuple):
    """The line of an item, with its line end; empty if the item never started."""

    text: bytes
    kind: Literal["result", "error", "none"]


class EarlyLines:
    """Lines that are ahead of their turn, by the number of their first item; in a file once they are many."""

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
        """Some of the lines from item ``start`` on, if its own line is there; else none."""
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
    """Writes results to ``results``, and error entries of items that were tried to ``errors_path``.

    ``text`` makes JSON text of an entry. ``patience`` is that of
    :class:`~batchmill.batch.results.staged.StagedFile`. ``results`` is closed with this one.

    Raises :class:`~batchmill.errors.StorageError` for a file that cannot be written.
    """

    def __init__(
        self, results: ResultFile, errors_path: str | None, text: Text, *, patience: float = 0.0
    ) -> None:
        self._text = text
        self._next = 0  # the item whose line comes next
        self._early = EarlyLines()
        self._results = results
        try:
            self._errors = None if errors_path is None else StagedFile(errors_path, patience=patience)
        except BaseException:
            self._results.close()
            raise

    def add(self, block: Block, errors: Errors) -> None:
        lines = [self._line(value, errors.get(offset)) for offset, value in enumerate(block.values)]
        if block.start == self._next:
            self._append(lines)
        else:
            self._early.put(block.start, lines)
        while waiting := self._early.take(self._next):
            self._append(waiting)

    def _line(self, value: object, error: dict[str, object] | None) -> Line:
        if error is None and value is None:  # it was skipped
            return Line(b"", "none")
        if error is None:
            return Line(self._text(value).encode() + b"\n", "result")
        if self._errors is None or is_unstarted(error):
            return Line(b"", "none")
        return Line(self._text(error).encode() + b"\n", "error")

    def _append(self, lines: list[Line]) -> None:
        self._next += len(lines)
        self._results.write(b"".join([line.text for line in lines if line.kind == "result"]))
        if self._errors is not None:
            self._errors.write(b"".join([line.text for line in lines if line.kind == "error"]))

    def close(self, *, complete: bool) -> None:
        files = [file for file in (self._errors, self._results) if file is not None]
        try:
            if complete:
                for file in files:
                    file.complete()
        finally:
            for file in files:
                file.close()

    def outputs(self, count: int, *, complete: bool) -> dict[str, Any]:
        """``results_path`` and ``errors_path``: where they are."""
        found = {PATH_KEY: self._results.path}
        return found if self._errors is None else {**found, ERRORS_PATH_KEY: self._errors.path}
