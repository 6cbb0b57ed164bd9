"""Results as a CSV table: the columns of all results, each value unchanged."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from batchmill.errors import StorageError
from batchmill.values import exact_number, to_json

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""Characters at which a spreadsheet begins a formula (OWASP, "CSV Injection")."""
_QUOTED = re.compile(r'[",\r\n]|\A\s|\s\Z')
_TOGETHER = 200  # rows in a piece
_NO_BLANK = '""'  # the line of a table of one column that would be blank, which readers pass over

Row = Mapping[str, Any]


def csv_table(rows: Callable[[], Iterable[Row]], *, safe: bool, first: Iterable[str] = ()) -> Iterator[str]:
    """The table in pieces; ``rows`` is called twice, first for the columns. ``first`` are the first
    columns, which are there even if there are no rows.

    Null is an empty cell and empty text is ``""``; so is null if there is only one column. With ``safe``, a
    text that a spreadsheet would take for a formula has an apostrophe before it. Raises
    :class:`~batchmill.errors.StorageError` if the rows differ the second time.
    """
    columns: dict[str, None] = dict.fromkeys(first)
    for row in rows():
        columns.update(dict.fromkeys(row))
    cell = _safe_cell if safe else _cell
    lines = [_line(cell(name) for name in columns)]
    for row in rows():
        if not row.keys() <= columns.keys():
            new = ", ".join(row.keys() - columns.keys())
            raise StorageError(f"results with other columns ({new}) came in: wait until the run has ended")
        lines.append(_line(cell(row.get(name)) for name in columns))
        if len(lines) >= _TOGETHER:
            yield "".join(lines)
            lines.clear()
    yield "".join(lines)


def csv_line(values: Iterable[object]) -> str:
    """One line of a table."""
    return _line(map(_cell, values))


def _line(cells: Iterable[str]) -> str:
    return (",".join(cells) or _NO_BLANK) + "\r\n"


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return _quoted(value)
    return _quoted(to_json(value))


def _safe_cell(value: object) -> str:
    if isinstance(value, str) and value.startswith(FORMULA) and not _is_number(value):
        return _quoted(f"'{value}")
    return _cell(value)


def _quoted(text: str) -> str:
    if text and not _QUOTED.search(text):
        return text
    doubled = text.replace('"', '""')
    return f'"{doubled}"'


def _is_number(text: str) -> bool:
    try:
        exact_number(text)
    except ValueError:
        return False
    return True
