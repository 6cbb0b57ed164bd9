"""CSV: the delimiter and quotes of a file, and its rows, as they come."""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

from batchmill.bad_row import BadRow
from batchmill.errors import InvalidSetting, StorageError
from batchmill.items.byte_streams import Opened
from batchmill.items.csv_bytes import as_utf8, with_line_feeds
from batchmill.items.text_lines import MAX_LINE, Lines, numbered_lines, quote_left_open
from batchmill.sourced import at_line
from batchmill.values.encodings import is_encoding

_LINE = re.compile(r"^line \d+: ")
"""PyPy's words have a line, which counts those alone that its reader was given."""


_ENCODING = "name its `encoding`, such as latin-1"
_CR_PLAIN = "new-line character seen in unquoted field"
_CR = "a CR without LF stands in a cell without quotes"


@dataclass(frozen=True, slots=True)
class CsvForm:
    """The format of a CSV file; the options of the source ``csv``.

    ``delimiter`` and ``quote`` are one character each; without a ``quote`` every quote character is data.
    ``encoding`` is one that Python knows. The first ``skip`` lines are left out, then the lines that begin
    with ``comment`` where a row would begin. The first row is the ``header``; with ``columns``, only those
    columns are read. Without a header ``columns`` name all cells, and without either a row is a list. Raises
    :class:`InvalidSetting`.
    """

    delimiter: str = ","
    quote: str | None = '"'
    encoding: str = "utf-8"
    header: bool = True
    columns: list[str] | None = None
    skip: int = 0
    comment: str | None = None

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> CsvForm:
        """The form that options describe."""
        known = [field.name for field in fields(cls)]
        for name in options:
            if name not in known:
                raise InvalidSetting(f"the source 'csv' has no option {name!r}, only {', '.join(known)}")
        return cls(**options)

    def __post_init__(self) -> None:
        _need(_is_mark(self.delimiter), "delimiter", "one character", self.delimiter)
        _need(self.quote is None or _is_mark(self.quote), "quote", "one character or null", self.quote)
        _need(self.quote != self.delimiter, "quote", "another character than `delimiter`", self.quote)
        _need(is_encoding(self.encoding), "encoding", "a text encoding such as latin-1", self.encoding)
        _need(isinstance(self.header, bool), "header", "true or false", self.header)
        _need(self.columns is None or _are_names(self.columns), "columns", "different names", self.columns)
        _need(type(self.skip) is int and self.skip >= 0, "skip", "a number of lines from 0", self.skip)
        _need(self.comment is None or _is_text(self.comment), "comment", "text, not empty", self.comment)

    def reader(self, lines: Iterator[str]) -> Iterator[list[str]]:
        """The rows of lines."""
        if self.quote is None:
            return csv.reader(lines, delimiter=self.delimiter, quoting=csv.QUOTE_NONE, strict=True)
        return csv.reader(lines, delimiter=self.delimiter, quotechar=self.quote, strict=True)


def _need(good: bool, name: str, words: str, value: object) -> None:
    if not good:
        raise InvalidSetting(f"`{name}` of the source 'csv' must be {words}, not {value!r}")


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value != ""


def _is_mark(value: object) -> bool:
    return isinstance(value, str) and len(value) == 1 and value not in "\r\n"


def _are_names(value: object) -> bool:
    if not isinstance(value, list) or not value or not all(isinstance(name, str) for name in value):
        return False
    return len(set(value)) == len(value)


def csv_rows(
    stream: Opened, source: str, form: CsvForm, *, keep_bad: bool = False, placed: bool = False
) -> Iterator[list[object]]:
    """The rows in lists, as they arrive. ``keep_bad`` makes a :class:`~batchmill.bad_row.BadRow` of a row
    that cannot be read, ``placed`` a :class:`~batchmill.sourced.Sourced` of the others. Raises
    :class:`StorageError`, which names ``source`` and the line."""
    csv.field_size_limit(max(MAX_LINE, csv.field_size_limit()))
    with stream() as read:
        text = with_line_feeds(as_utf8(read, form.encoding), form.quote, form.delimiter)
        lines = numbered_lines(text, source, ends=True, keep_bad=keep_bad, remedy=_ENCODING)
        feed = _Feed(lines, form)
        reader = form.reader(feed)
        make: Make | None = None
        rows: list[object] = []
        reading = True
        while reading:
            try:
                if make is None:
                    make = _maker(form, reader, feed)
                    if not placed:
                        yield from feed.together(make)
                for row in reader:
                    if feed.bad is not None:
                        raise _Ragged(feed.bad.message)
                    if row:
                        made = make(row)
                        rows.append(at_line(source, feed.begun[0][0], made) if placed else made)
                    feed.begun.clear()
                    if not feed.more:
                        yield rows
                        rows = []
                        if not placed:
                            yield from feed.together(make)
                reading = False
            except (csv.Error, _Ragged) as fault:
                message = f"{source}, {_csv_words(fault, feed.begun, form)}"
                if make is None or not keep_bad:
                    yield rows
                    raise StorageError(message) from fault
                rows.append(feed.bad_row(message, until=_ends_on(fault, feed.begun, form)))
            except StorageError:
                yield rows
                raise
        yield rows


Make = Callable[[list[str]], Any]
"""Makes an item of a row. Raises :class:`_Ragged`."""


class _Feed(Iterator[str]):
    """Feeds lines to a CSV reader, one by one; ``more`` says that the next one is already there. ``begun``
    are the lines of the current row, with their numbers, ``bad`` one of them that is not valid text."""

    def __init__(self, lines: Iterator[Lines], form: CsvForm) -> None:
        self._lines = lines
        self._form = form
        self._there: deque[tuple[int, str]] = deque()
        self._skip = form.skip
        self._comment = form.comment
        self.begun: Lines = []
        self.bad: BadRow | None = None

    def together(self, make: Make) -> Iterator[list[object]]:
        """Between two rows: the next rows in lists, as long as no row needs a look at its lines. After that,
        read them one by one."""
        if self.begun or self._skip or self._comment is not None:
            return
        while lines := list(self._there) or next(self._lines, []):
            self._there.clear()
            texts = [text for _, text in lines]
            try:
                if BadRow in set(map(type, texts)):
                    raise _Ragged
                rows = [make(row) for row in self._form.reader(iter(texts)) if row]
            except (csv.Error, _Ragged):  # or a cell that goes on in what has not come yet
                self._there.extend(lines)
                return
            yield rows

    @property
    def more(self) -> bool:
        self._leave_out()
        return bool(self._there)

    def __next__(self) -> str:
        self._leave_out()
        while not self._there:
            self._there.extend(next(self._lines))
            self._leave_out()
        line = self._there.popleft()
        self.begun.append(line)
        if type(line[1]) is BadRow:
            self.bad = line[1]
        return line[1]

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

    def _leave_out(self) -> None:
        """Take away the lines ahead that are none of the table's."""
        if self.begun or (not self._skip and self._comment is None):
            return
        while self._there and self._is_left_out(*self._there[0]):
            self._there.popleft()

    def _is_left_out(self, number: int, text: str) -> bool:
        return number <= self._skip or (self._comment is not None and text.startswith(self._comment))


def _csv_words(fault: Exception, row: Lines, form: CsvForm) -> str:
    """The place and cause of an unreadable row; ``row`` is the part that was read."""
    opened = _opened_on(fault, row, form)
    if opened is not None:
        return f"line {opened}: the quote that opens here is never closed"
    begun = f" (its row begins on line {row[0][0]})" if len(row) > 1 else ""
    words = _LINE.sub("", str(fault)) if isinstance(fault, csv.Error) else str(fault)
    words = _CR if _CR_PLAIN in words else words
    return f"line {row[-1][0]}: {words}{begun}"


def _ends_on(fault: Exception, row: Lines, form: CsvForm) -> int | None:
    """The line on which a bad row really ends, None if that is its last line. A quote that is never closed,
    or closed by accident, may have swallowed a thousand good rows: they are read again."""
    opened = _opened_on(fault, row, form)
    return opened if opened is not None else _opened_on(fault, row[:-1], form)


def _opened_on(fault: Exception, row: Lines, form: CsvForm) -> int | None:
    """The line of a quote that is never closed, if that is the fault of a row."""
    if not isinstance(fault, csv.Error) or form.quote is None:
        return None
    return quote_left_open(row, form.delimiter, form.quote)


class _Ragged(Exception):  # becomes a StorageError where the line is known
    """Raised for a row that does not fit the header."""


def _maker(form: CsvForm, reader: Iterator[list[str]], feed: _Feed) -> Make:
    """The function that makes an item of a row; reads the header."""
    if not form.header:
        return _listed() if form.columns is None else _named(form.columns, "`columns` has")
    for header in reader:
        if feed.bad is not None:
            raise StorageError(feed.bad.message)
        if header:
            break
        feed.begun.clear()
    else:
        return _listed()  # of nothing
    kept = form.columns or header
    for name in kept:
        if header.count(name) > 1:
            raise _Ragged(f"the column name {name!r} occurs twice")
        if name not in header:
            raise _Ragged(f"there is no column {name!r}, only {', '.join(map(repr, header))}")
    feed.begun.clear()
    return _named(header, "the header has") if kept == header else _chosen(header, kept)


def _named(names: list[str], whose: str) -> Make:
    width = len(names)

    def made(row: list[str]) -> dict[str, str]:
        if len(row) != width:
            raise _ragged(row, f"{whose} {width}")
        return dict(zip(names, row))  # noqa: B905  # as long as each other

    return made


def _chosen(header: list[str], names: list[str]) -> Make:
    width, places = len(header), [(name, header.index(name)) for name in names]

    def made(row: list[str]) -> dict[str, str]:
        if len(row) != width:
            raise _ragged(row, f"the header has {width}")
        return {name: row[place] for name, place in places}

    return made


def _listed() -> Make:
    width: int | None = None

    def made(row: list[str]) -> list[str]:
        nonlocal width
        width = len(row) if width is None else width
        if len(row) != width:
            raise _ragged(row, f"the first row has {width}")
        return row

    return made


def _ragged(row: list[str], wanted: str) -> _Ragged:
    return _Ragged(f"{len(row)} cell{'s' if len(row) != 1 else ''} where {wanted}")
