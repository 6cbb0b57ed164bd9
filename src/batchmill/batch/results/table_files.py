"""Tables in files: turn lines of JSON, in order, into a CSV or Parquet file.

The columns and their types are known only after the last row. Until then rows wait in an unnamed temporary
file, unless the columns of a CSV file are given. So no column is lost, and memory stays flat.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Protocol

from batchmill.batch.results.compression import packed_suffix
from batchmill.batch.results.csv_table import csv_line, csv_table
from batchmill.batch.results.parquet_table import ParquetTable
from batchmill.batch.results.staged import StagedFile
from batchmill.errors import InvalidSetting, StorageError
from batchmill.lists.spill import SpillFile

_READ = 1 << 20  # bytes of waiting rows that are read at once


class ResultFile(Protocol):
    """Takes lines of JSON, and replaces ``path`` once it is complete. Used by one thread."""

    @property
    def path(self) -> str:
        """Where it can be read: the path that was given; beside that where it has not been completed."""

    def write(self, data: bytes) -> None:
        """Take lines, or parts of lines, in order."""

    def complete(self) -> None:
        """Put it in its place."""

    def close(self) -> None:
        """Leave what there is where it is. May be called again."""


def form_of(path: str) -> str:
    """The format of a file by its name: ``csv`` and ``parquet`` by its suffix, otherwise ``jsonl``. Raises
    :class:`~batchmill.errors.InvalidSetting` for Parquet with a second compression."""
    suffix = packed_suffix(path)
    name = path.lower().removesuffix(suffix or "")
    if name.endswith(".parquet"):
        if suffix is not None:
            raise InvalidSetting(f"{path}: Parquet is compressed by itself; remove {suffix}")
        return "parquet"
    return "csv" if name.endswith(".csv") else "jsonl"


def result_file(
    path: str, form: str, columns: Sequence[str] | None = None, *, patience: float = 0.0
) -> ResultFile:
    """The file at ``path``, as ``jsonl``, ``csv`` or ``parquet``; ``columns`` are those of a table, None for
    the keys of its rows. ``patience`` is that of :class:`~batchmill.batch.results.staged.StagedFile`.

    Raises :class:`~batchmill.errors.StorageError` for a file that cannot be written, and
    :class:`~batchmill.errors.MissingExtra`.
    """
    if form == "jsonl":
        return StagedFile(path, patience=patience)
    if form == "csv":
        return CsvFile(path, columns, patience=patience)
    return ParquetFile(path, columns, patience=patience)


class WaitingRows:
    """Lines of JSON until they are needed, in an unnamed temporary file."""

    def __init__(self) -> None:
        self._file: SpillFile | None = None

    def append(self, lines: bytes) -> None:
        """Keep whole lines. Raises :class:`~batchmill.lists.SpillError`."""
        if self._file is None:
            self._file = SpillFile.new()
        self._file.append(lines)

    def rows(self) -> Iterator[dict[str, object]]:
        """All rows, in order. Raises :class:`~batchmill.lists.SpillError`."""
        if self._file is None:
            return
        left = b""
        for start in range(0, self._file.end, _READ):
            data = left + self._file.read_at(start, min(_READ, self._file.end - start))
            whole, _, left = data.rpartition(b"\n")
            if whole:
                yield from rows_of(whole)


def rows_of(lines: bytes) -> list[dict[str, object]]:
    """Lines of JSON of our own as objects."""
    return [json.loads(line.decode("utf-8", "surrogateescape")) for line in lines.split(b"\n") if line]


class _TableFile:
    """Shared by both formats: completes lines, and ends the table once."""

    def __init__(self, path: str, *, patience: float) -> None:
        self._file = StagedFile(path, patience=patience)
        self._part: list[bytes] = []
        self._ended = False

    @property
    def path(self) -> str:
        return self._file.path

    def write(self, data: bytes) -> None:
        whole, found, left = data.rpartition(b"\n")
        if found:
            self._take(b"".join([*self._part, whole, b"\n"]))
            self._part = []
        if left:
            self._part.append(left)

    def complete(self) -> None:
        self._end()
        self._file.complete()

    def close(self) -> None:
        try:
            self._end()
        finally:
            self._file.close()

    def _end(self) -> None:
        if self._ended:
            return
        self._ended = True
        try:
            self._finish()
        except OSError as fault:
            raise StorageError(f"results cannot be written to {self._file.path}: {fault}") from fault

    def _take(self, lines: bytes) -> None:
        raise NotImplementedError

    def _finish(self) -> None:
        raise NotImplementedError


class CsvFile(_TableFile):
    """Rows as CSV; with ``columns`` they are written as they come."""

    def __init__(self, path: str, columns: Sequence[str] | None, *, patience: float = 0.0) -> None:
        super().__init__(path, patience=patience)
        self._columns = columns
        self._waiting = WaitingRows()
        if columns is not None:
            try:
                self._file.write(_as_bytes(csv_line(columns)))
            except BaseException:
                self._file.close()
                raise

    def _take(self, lines: bytes) -> None:
        if self._columns is None:
            self._waiting.append(lines)
            return
        names = self._columns
        made = [csv_line([row.get(name) for name in names]) for row in rows_of(lines)]
        self._file.write(_as_bytes("".join(made)))

    def _finish(self) -> None:
        if self._columns is None:
            for piece in csv_table(self._waiting.rows, safe=False):
                self._file.write(_as_bytes(piece))


class ParquetFile(_TableFile):
    """Rows as Parquet, in row groups."""

    def __init__(self, path: str, columns: Sequence[str] | None, *, patience: float = 0.0) -> None:
        self._table = ParquetTable(path, columns)
        super().__init__(path, patience=patience)
        self._waiting = WaitingRows()
        self._unseen: list[bytes] = []  # lines of which the types are not known yet
        self._unseen_bytes = 0

    def _take(self, lines: bytes) -> None:
        self._unseen.append(lines)
        self._unseen_bytes += len(lines)
        if self._unseen_bytes >= _READ:
            self._look()

    def _look(self) -> None:
        lines, self._unseen, self._unseen_bytes = b"".join(self._unseen), [], 0
        if lines:
            self._table.look_at(rows_of(lines))
            self._waiting.append(lines)

    def _finish(self) -> None:
        try:
            self._look()
        finally:  # the rows before one of another type are a table, too
            self._table.write(self._waiting.rows(), self._file.write)


def _as_bytes(text: str) -> bytes:
    """Text byte for byte: file names that are not UTF-8 stay unchanged; other text has a form that readers
    know."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")
