"""The rows of a query of a SQLite database, as they come."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from batchmill.errors import InvalidSetting, StorageError
from batchmill.items.sources import ChunkedIterable

_CAST = "; take the bytes of that column with CAST(name AS BLOB)"
ROWS_TOGETHER = 10_000
"""The number of rows read at once. A smaller result is read whole and the database closed before any row is
run, so nobody who writes to it while items run has to wait."""


def rows_of_query(path: str, folder: str, query: object, parameters: object) -> ChunkedIterable:
    """Rows as objects by the names of their columns; ``parameters`` are bound to the ``?`` or the ``:name``
    of the query. The database is only read.

    Raises :class:`InvalidSetting` for text that is no query.
    """
    if not isinstance(query, str) or not query.strip():
        raise InvalidSetting(f"the source 'sqlite' needs a `query` as text, not {query!r}")
    if not isinstance(parameters, (list, tuple, Mapping)):
        raise InvalidSetting(
            f"`parameters` of the source 'sqlite' must be a list or an object, not {parameters!r}"
        )
    path = os.path.expanduser(path)
    place = os.path.join(folder, path)

    def pieces() -> Iterator[list[object]]:
        if not os.path.exists(place):
            raise StorageError(f"items cannot be read from {path}: there is no such file")
        try:
            yield from _rows(place, query, parameters)
        except sqlite3.Error as fault:
            hint = _CAST if "decode" in str(fault) else ""
            raise StorageError(f"items cannot be read from {path}: {fault}{hint}") from fault

    return ChunkedIterable(pieces, files=[place])


def _rows(place: str, query: str, parameters: Any) -> Iterator[list[object]]:
    uri = f"{Path(os.path.abspath(place)).as_uri()}?mode=ro"
    # One thread after another reads; each has done so before the next one does.
    with closing(sqlite3.connect(uri, uri=True, check_same_thread=False)) as connection:
        cursor = connection.execute(query, parameters)
        if cursor.description is None:
            raise sqlite3.ProgrammingError("the query gives no rows; write a SELECT")
        names = [column[0] for column in cursor.description]
        if len(set(names)) < len(names):
            double = next(name for name in names if names.count(name) > 1)
            raise sqlite3.ProgrammingError(f"two columns are called {double!r}; name one with AS")
        rows = cursor.fetchmany(ROWS_TOGETHER)
        while len(rows) == ROWS_TOGETHER:
            yield [dict(zip(names, row, strict=True)) for row in rows]
            rows = cursor.fetchmany(ROWS_TOGETHER)
    yield [dict(zip(names, row, strict=True)) for row in rows]
