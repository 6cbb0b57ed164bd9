"""The sources of a document's items: files, standard input, names of files, numbers; read as they are needed.

What is read together comes together: a list of items for every piece of a file or pipe, so that the items
of a slow pipe are there as soon as they are written.
"""

from __future__ import annotations

import csv
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from functools import partial
from itertools import islice
from typing import Any

from batchmill.batch.byte_streams import Read, Waker, is_live, opened, standard_input, standard_input_number
from batchmill.batch.globbing import find_paths
from batchmill.batch.sources import Pieces
from batchmill.batch.text_lines import MAX_LINE, Lines, numbered_lines, quote_left_open
from batchmill.errors import InvalidSetting, StorageError
from batchmill.plain import NotJson, from_json

Reader = Callable[[Any, str], "Iterable[Any]"]
Opened = Callable[[], AbstractContextManager[Read]]
STDIN = "standard input"
_NAMES_TOGETHER = 256


def read_glob(pattern: Any, folder: str) -> Pieces:
    """The paths that match, in the order of their text; see :mod:`batchmill.batch.globbing`."""
    paths = find_paths(os.path.expanduser(_text("glob", pattern)), folder)
    return Pieces(lambda: iter(lambda: list(islice(paths, _NAMES_TOGETHER)), []))


def read_lines(path: Any, folder: str) -> Pieces:
    """Each line of a text file, without its end; blank ones too."""
    return _of_file("lines", path, folder, _texts)


def read_jsonl(path: Any, folder: str, decode: Callable[[str], Any] = from_json) -> Pieces:
    """The JSON value on each line that is not blank; ``decode`` raises :class:`~batchmill.plain.NotJson`."""
    return _of_file("jsonl", path, folder, partial(_values, decode=decode))


def read_csv(path: Any, folder: str) -> Pieces:
    """Each row as an object keyed by the header's names; all values are text, blank lines are passed over.

    A row with more or fewer cells than the header is an error that names its line.
    """
    return _of_file("csv", path, folder, _rows)


def read_range(bounds: Any, folder: str) -> range:
    """``[stop]``, ``[start, stop]`` or ``[start, stop, step]``, as Python's ``range``."""
    good = isinstance(bounds, list) and 1 <= len(bounds) <= 3
    if not good or not all(type(bound) is int for bound in bounds) or (len(bounds) == 3 and not bounds[2]):
        raise InvalidSetting(f"range needs [start, stop, step] in whole numbers, step not 0; not {bounds!r}")
    return range(*bounds)


def read_stdin(form: Any, folder: str, decode: Callable[[str], Any] = from_json) -> Pieces:
    """Standard input as ``"lines"`` or ``"jsonl"``, of which ``decode`` makes values."""
    if form not in ("lines", "jsonl"):
        raise InvalidSetting(f'stdin is read as "lines" or "jsonl", not {form!r}')
    waker = Waker()
    read = partial(_values, decode=decode) if form == "jsonl" else _texts
    stream = partial(standard_input, waker)
    return Pieces(partial(read, stream, STDIN), wake=waker.wake, file=standard_input_number())


READERS: dict[str, Reader] = {
    "glob": read_glob,
    "lines": read_lines,
    "jsonl": read_jsonl,
    "csv": read_csv,
    "range": read_range,
    "stdin": read_stdin,
}


def _text(kind: str, value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise InvalidSetting(f"the source {kind!r} needs a path as text, not {value!r}")
    return value


def _of_file(kind: str, path: Any, folder: str, read: Callable[[Opened, str], Iterator[list[Any]]]) -> Pieces:
    place = os.path.join(folder, os.path.expanduser(_text(kind, path)))
    waker = Waker() if is_live(place) else None
    stream = partial(opened, place, waker)
    return Pieces(partial(read, stream, path), wake=waker.wake if waker else None, file=place)


def _texts(stream: Opened, source: str) -> Iterator[list[str]]:
    with stream() as read:
        for lines in numbered_lines(read, source):
            yield [text for _, text in lines]


def _values(stream: Opened, source: str, decode: Callable[[str], Any]) -> Iterator[list[Any]]:
    with stream() as read:
        for lines in numbered_lines(read, source):
            values: list[Any] = []
            for number, text in lines:
                if not text or text.isspace():
                    continue
                try:
                    values.append(decode(text))
                except NotJson as fault:
                    yield values
                    message = f"{source}, line {number}: not JSON: {fault.message} at {fault.place}"
                    raise StorageError(message) from fault
            yield values


class _Feed(Iterator[str]):
    """The lines that a CSV reader asks for, one by one; ``more`` says that the next one is there already.
    ``begun`` are those of the row that is being read, with their numbers."""

    def __init__(self, lines: Iterator[Lines]) -> None:
        self._lines = lines
        self._there: deque[tuple[int, str]] = deque()
        self.begun: Lines = []

    @property
    def more(self) -> bool:
        return bool(self._there)

    def __next__(self) -> str:
        while not self._there:
            self._there.extend(next(self._lines))
        line = self._there.popleft()
        self.begun.append(line)
        return line[1]


def _rows(stream: Opened, source: str) -> Iterator[list[dict[str, str]]]:
    csv.field_size_limit(max(MAX_LINE, csv.field_size_limit()))
    with stream() as read:
        feed = _Feed(numbered_lines(read, source, ends=True))
        reader = csv.reader(feed, strict=True)
        rows: list[dict[str, str]] = []
        try:
            header = _header(reader, source)
            feed.begun.clear()
            for row in reader:
                if row:
                    rows.append(_row(header, row))
                feed.begun.clear()
                if not feed.more:
                    yield rows
                    rows = []
        except (csv.Error, _Ragged) as fault:
            yield rows
            raise StorageError(f"{source}, {_csv_words(fault, reader.line_num, feed.begun)}") from fault
        except StorageError:
            yield rows
            raise


def _csv_words(fault: Exception, line: int, row: Lines) -> str:
    """Where in a file a row cannot be read and why; ``row`` is what was read of it."""
    opened = quote_left_open(row) if isinstance(fault, csv.Error) else None
    if opened is not None:
        return f"line {opened}: the quote that opens here is never closed"
    begun = f" (its row begins on line {row[0][0]})" if len(row) > 1 else ""
    place = f"line {line}: "
    return f"{place}{str(fault).removeprefix(place)}{begun}"  # PyPy's words have the line already


class _Ragged(Exception):  # becomes a StorageError where the line is known
    """Raised for a row that does not fit the header."""


def _header(reader: Iterator[list[str]], source: str) -> list[str]:
    header = next((row for row in reader if row), [])
    double = next((name for name in header if header.count(name) > 1), None)
    if double is not None:
        raise _Ragged(f"the column name {double!r} stands there twice")
    return header


def _row(header: list[str], row: list[str]) -> dict[str, str]:
    if len(row) != len(header):
        cells = f"{len(row)} cell{'s' if len(row) != 1 else ''}"
        raise _Ragged(f"{cells} where the header has {len(header)}")
    return dict(zip(header, row, strict=True))


def open_source(spec: Mapping[str, Any], folder: str | os.PathLike[str] | None = None) -> Iterable[Any]:
    """The items of a document's source, such as ``{"glob": "data/*.csv"}``.

    ``folder`` is where relative paths start, the working folder by default. Raises
    :class:`InvalidSetting` for a source there is none of.
    """
    kind, value = _only_entry(spec)
    return READERS[kind](value, os.fspath(folder) if folder is not None else "")


def _only_entry(spec: Mapping[str, Any]) -> tuple[str, Any]:
    if len(spec) != 1:
        raise InvalidSetting(f"a source has exactly one key ({', '.join(READERS)}), not {len(spec)}")
    kind, value = next(iter(spec.items()))
    if kind not in READERS:
        raise InvalidSetting(f"there is no source {kind!r}, only {', '.join(READERS)}")
    return kind, value
