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

from batchmill.bad_row import BadRow
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


def read_lines(path: Any, folder: str, *, keep_bad: bool = False) -> Pieces:
    """Each line of a text file, without its end; blank ones too."""
    return _of_file("lines", path, folder, partial(_texts, keep_bad=keep_bad))


def read_jsonl(
    path: Any, folder: str, decode: Callable[[str], Any] = from_json, *, keep_bad: bool = False
) -> Pieces:
    """The JSON value on each line that is not blank; ``decode`` raises :class:`~batchmill.plain.NotJson`."""
    return _of_file("jsonl", path, folder, partial(_values, decode=decode, keep_bad=keep_bad))


def read_csv(path: Any, folder: str, *, keep_bad: bool = False) -> Pieces:
    """Each row as an object keyed by the header's names; all values are text, blank lines are passed over.

    A row with more or fewer cells than the header is an error that names its line.
    """
    return _of_file("csv", path, folder, partial(_rows, keep_bad=keep_bad))


def read_range(bounds: Any, folder: str) -> range:
    """``[stop]``, ``[start, stop]`` or ``[start, stop, step]``, as Python's ``range``."""
    good = isinstance(bounds, list) and 1 <= len(bounds) <= 3
    if not good or not all(type(bound) is int for bound in bounds) or (len(bounds) == 3 and not bounds[2]):
        raise InvalidSetting(f"range needs [start, stop, step] in whole numbers, step not 0; not {bounds!r}")
    return range(*bounds)


def read_stdin(
    form: Any, folder: str, decode: Callable[[str], Any] = from_json, *, keep_bad: bool = False
) -> Pieces:
    """Standard input as ``"lines"`` or ``"jsonl"``, of which ``decode`` makes values."""
    if form not in ("lines", "jsonl"):
        raise InvalidSetting(f'stdin is read as "lines" or "jsonl", not {form!r}')
    waker = Waker()
    read = partial(_values, decode=decode) if form == "jsonl" else _texts
    stream = partial(standard_input, waker)
    return Pieces(
        partial(read, stream, STDIN, keep_bad=keep_bad), wake=waker.wake, file=standard_input_number()
    )


READERS: dict[str, Reader] = {
    "glob": read_glob,
    "lines": read_lines,
    "jsonl": read_jsonl,
    "csv": read_csv,
    "range": read_range,
    "stdin": read_stdin,
}
_OF_ROWS = ("lines", "jsonl", "csv", "stdin")
"""Those that know ``keep_bad``: a row that cannot be read comes as a :class:`~batchmill.bad_row.BadRow`."""


def _text(kind: str, value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise InvalidSetting(f"the source {kind!r} needs a path as text, not {value!r}")
    return value


def _of_file(kind: str, path: Any, folder: str, read: Callable[[Opened, str], Iterator[list[Any]]]) -> Pieces:
    place = os.path.join(folder, os.path.expanduser(_text(kind, path)))
    waker = Waker() if is_live(place) else None
    stream = partial(opened, place, waker)
    return Pieces(partial(read, stream, path), wake=waker.wake if waker else None, file=place)


def _texts(stream: Opened, source: str, *, keep_bad: bool = False) -> Iterator[list[str]]:
    with stream() as read:
        for lines in numbered_lines(read, source, keep_bad=keep_bad):
            yield [text for _, text in lines]


def _values(
    stream: Opened, source: str, decode: Callable[[str], Any], *, keep_bad: bool = False
) -> Iterator[list[Any]]:
    with stream() as read:
        for lines in numbered_lines(read, source, keep_bad=keep_bad):
            values: list[Any] = []
            for number, text in lines:
                if not text or text.isspace():
                    continue
                try:
                    values.append(text if type(text) is BadRow else decode(text))
                except NotJson as fault:
                    message = f"{source}, line {number}: not JSON: {fault.message} at {fault.place}"
                    if keep_bad:
                        values.append(BadRow(text, message))
                        continue
                    yield values
                    raise StorageError(message) from fault
            yield values


class _Feed(Iterator[str]):
    """The lines that a CSV reader asks for, one by one; ``more`` says that the next one is there already.
    ``begun`` are those of the row that is being read, with their numbers, ``bad`` one of them that is no
    text."""

    def __init__(self, lines: Iterator[Lines]) -> None:
        self._lines = lines
        self._there: deque[tuple[int, str]] = deque()
        self.begun: Lines = []
        self.bad: BadRow | None = None

    @property
    def more(self) -> bool:
        return bool(self._there)

    def __next__(self) -> str:
        while not self._there:
            self._there.extend(next(self._lines))
        line = self._there.popleft()
        self.begun.append(line)
        if type(line[1]) is BadRow:
            self.bad = line[1]
        return line[1]

    def row_ended(self) -> None:
        self.begun.clear()

    def bad_row(self, message: str, *, until: int | None) -> BadRow:
        """The row that was begun, which ends here or with the line ``until``: what was read behind that is
        to be read again."""
        again = [line for line in self.begun if until is not None and line[0] > until]
        row = self.begun[: len(self.begun) - len(again)]
        self._there.extendleft(reversed(again))
        bad = next((text for _, text in row if type(text) is BadRow), None)
        self.begun.clear()
        self.bad = None
        text = "".join(text for _, text in row).rstrip("\r\n")
        return BadRow(text, message if bad is None else bad.message)


def _rows(stream: Opened, source: str, *, keep_bad: bool = False) -> Iterator[list[dict[str, str] | BadRow]]:
    csv.field_size_limit(max(MAX_LINE, csv.field_size_limit()))
    with stream() as read:
        feed = _Feed(numbered_lines(read, source, ends=True, keep_bad=keep_bad))
        reader = csv.reader(feed, strict=True)
        header: list[str] | None = None
        rows: list[dict[str, str] | BadRow] = []
        reading = True
        while reading:
            try:
                if header is None:
                    header = _header(reader, feed)
                    feed.row_ended()
                for row in reader:
                    if row:
                        rows.append(_row(header, row, feed))
                    feed.row_ended()
                    if not feed.more:
                        yield rows
                        rows = []
                reading = False
            except (csv.Error, _Ragged) as fault:
                message = f"{source}, {_csv_words(fault, reader.line_num, feed.begun)}"
                if header is None or not keep_bad:
                    yield rows
                    raise StorageError(message) from fault
                rows.append(feed.bad_row(message, until=_ends_on(fault, feed.begun)))
            except StorageError:
                yield rows
                raise
        yield rows


def _csv_words(fault: Exception, line: int, row: Lines) -> str:
    """Where in a file a row cannot be read and why; ``row`` is what was read of it."""
    opened = _opened_on(fault, row)
    if opened is not None:
        return f"line {opened}: the quote that opens here is never closed"
    begun = f" (its row begins on line {row[0][0]})" if len(row) > 1 else ""
    words = str(fault).removeprefix(f"line {line}: ")  # PyPy's words have the line already
    return f"line {row[-1][0] if row else line}: {words}{begun}"


def _ends_on(fault: Exception, row: Lines) -> int | None:
    """The line with which a bad row ends, None where that is its last one. A quote that is never closed, or
    whose end nobody meant, may have taken a thousand good rows with it: they are read once more."""
    opened = _opened_on(fault, row)
    return opened if opened is not None else _opened_on(fault, row[:-1])


def _opened_on(fault: Exception, row: Lines) -> int | None:
    """The line of a quote that is never closed, where that is what is wrong with a row."""
    return quote_left_open(row) if isinstance(fault, csv.Error) else None


class _Ragged(Exception):  # becomes a StorageError where the line is known
    """Raised for a row that does not fit the header."""


def _header(reader: Iterator[list[str]], feed: _Feed) -> list[str]:
    header = next((row for row in reader if row), [])
    if feed.bad is not None:
        raise StorageError(feed.bad.message)
    double = next((name for name in header if header.count(name) > 1), None)
    if double is not None:
        raise _Ragged(f"the column name {double!r} stands there twice")
    return header


def _row(header: list[str], row: list[str], feed: _Feed) -> dict[str, str]:
    if feed.bad is not None:
        raise _Ragged(feed.bad.message)
    if len(row) != len(header):
        cells = f"{len(row)} cell{'s' if len(row) != 1 else ''}"
        raise _Ragged(f"{cells} where the header has {len(header)}")
    return dict(zip(header, row, strict=True))


def open_source(
    spec: Mapping[str, Any], folder: str | os.PathLike[str] | None = None, *, keep_bad: bool = False
) -> Iterable[Any]:
    """The items of a document's source, such as ``{"glob": "data/*.csv"}``.

    ``folder`` is where relative paths start, the working folder by default. ``keep_bad`` puts a
    :class:`~batchmill.bad_row.BadRow` in the place of a row that cannot be read, where that otherwise ends
    the items. Raises :class:`InvalidSetting` for a source there is none of.
    """
    kind, value = _only_entry(spec)
    read: Callable[..., Iterable[Any]] = READERS[kind]
    more = {"keep_bad": True} if keep_bad and kind in _OF_ROWS else {}
    return read(value, os.fspath(folder) if folder is not None else "", **more)


def _only_entry(spec: Mapping[str, Any]) -> tuple[str, Any]:
    if len(spec) != 1:
        raise InvalidSetting(f"a source has exactly one key ({', '.join(READERS)}), not {len(spec)}")
    kind, value = next(iter(spec.items()))
    if kind not in READERS:
        raise InvalidSetting(f"there is no source {kind!r}, only {', '.join(READERS)}")
    return kind, value
