"""The rows of Parquet files, some at a time, with only the requested columns."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any

from batchmill.errors import InvalidSetting, MissingExtra, StorageError
from batchmill.items.byte_streams import CHANGED, file_state
from batchmill.items.sources import ChunkedIterable
from batchmill.sourced import at_line

ROWS_TOGETHER = 4096
_FINER = "; leave it out with `columns`, or write it with microseconds"
BUFFER_BYTES = 1 << 20  # of a column that is read; without it whole column chunks are held


def parquet_rows(paths: list[str], folder: str, columns: Any, *, placed: bool = False) -> ChunkedIterable:
    """Rows as objects of the ``columns``, in that order, or of all columns; ``placed`` makes a
    :class:`~batchmill.sourced.Sourced` of each, whose line is the number of the row in its file, from 1.

    Raises :class:`InvalidSetting` for columns that are no names, :class:`~batchmill.errors.MissingExtra`.
    """
    named = isinstance(columns, list) and columns and all(isinstance(name, str) for name in columns)
    if columns is not None and not (named and len(set(columns)) == len(columns)):
        raise InvalidSetting(f"`columns` of the source 'parquet' must be different names, not {columns!r}")
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as fault:
        raise MissingExtra("parquet", "reading a Parquet file") from fault
    faults = (pyarrow.ArrowException, OSError, ValueError)

    def pieces() -> Iterator[list[object]]:
        for path in paths:
            done = 0
            try:
                for rows in _rows(pyarrow, os.path.join(folder, path), columns):
                    yield (
                        [at_line(path, place, row) for place, row in enumerate(rows, done + 1)]
                        if placed
                        else rows
                    )
                    done += len(rows)
            except faults as fault:
                reason = (fault.strerror if isinstance(fault, OSError) else None) or fault
                raise StorageError(f"{path}, after row {done}: {reason}") from fault

    return ChunkedIterable(pieces, files=[os.path.join(folder, path) for path in paths])


def _rows(pa: Any, place: str, columns: Sequence[str] | None) -> Iterator[list[object]]:
    before = file_state(place)
    if before is None:
        raise OSError("this is not a file; Parquet is not read from a pipe")
    with pa.parquet.ParquetFile(place, buffer_size=BUFFER_BYTES, pre_buffer=False) as file:
        names = _names(file.schema_arrow.names, columns)
        for batch in file.iter_batches(ROWS_TOGETHER, columns=names, use_threads=False):
            if file_state(place) != before:
                raise OSError(CHANGED)
            try:
                rows: list[object] = batch.select(names).to_pylist()
            except ValueError as fault:
                raise ValueError(f"{_column_of(batch, names)}: {fault}{_FINER}") from fault
            yield rows


def _column_of(batch: Any, names: Sequence[str]) -> str:
    """The first column whose values cannot be read."""
    for name in names:
        try:
            batch.column(name).to_pylist()
        except ValueError:
            return f"the column {name!r}"
    return "a column"


def _names(there: list[str], wanted: Sequence[str] | None) -> list[str]:
    for name in there if wanted is None else wanted:
        if name not in there:
            raise ValueError(f"there is no column {name!r}, only {', '.join(map(repr, there))}")
        if there.count(name) > 1:
            raise ValueError(f"the column name {name!r} occurs twice")
    return there if wanted is None else list(wanted)
