"""Convert bytes to lines of text, as they come, each with its number.

Lines end with LF or CRLF; a CR by itself is data. Text is UTF-8; a byte-order mark at its start is dropped.
Unreadable text is an error that names the line, after all lines before it.
"""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator

from batchmill.bad_row import BadRow
from batchmill.errors import StorageError
from batchmill.items.byte_streams import READ_BYTES, READING_FAULTS
from batchmill.items.unpacking import Read

MAX_LINE = 64 << 20  # bytes; what one item may take before it is in anybody's hands
CONVERT = "convert the file first"
_WIDE = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""Encodings by their byte-order marks; that of UTF-16 is a prefix of that of UTF-32."""
_UNMARKED = {(True, False, True, False): "utf-16-le", (False, True, False, True): "utf-16-be"}
"""Encodings of text without a byte-order mark by which of its first four bytes are other than zero."""
_MAGIC = {
    b"PK\x03\x04": "a zip archive or a spreadsheet; unpack or convert it first",
    b"PAR1": "a Parquet file; convert it first",
    b"SQLite format 3": "an SQLite database; convert it first",
}
"""First bytes of files of other kinds, with the words for messages."""

Lines = list[tuple[int, str]]
"""Numbers, from 1, and texts."""


def numbered_lines(
    read: Read, source: str, *, ends: bool = False, keep_bad: bool = False, remedy: str = CONVERT
) -> Iterator[Lines]:
    """Lines in lists as they arrive, without their ends or (``ends``) with them; no empty lists. ``keep_bad``
    makes a :class:`~batchmill.bad_row.BadRow` of a line that is no text, unless the whole file is no text.
    ``remedy`` is the advice for such lines; any other than :data:`CONVERT` says that an encoding can be
    named.

    Raises :class:`StorageError`, which names ``source`` and the line.
    """
    number = 0
    for raw in _raw_lines(read, source):
        lines: Lines = []
        if number:  # nearly all: text
            try:
                bare = raw if ends else map(_without_end, raw)
                yield list(enumerate([line.decode() for line in bare], number + 1))
                number += len(raw)
                continue
            except UnicodeDecodeError:  # the line is told below
                pass
        for line in raw:
            number += 1
            if number == 1 and remedy != CONVERT and (wide := _unmarked(line)):
                raise StorageError(f"{source}, line 1: {_wide_words(wide, remedy)}")
            try:
                lines.append((number, _text(line, first=number == 1, ends=ends)))
            except UnicodeDecodeError as fault:
                message = f"{source}, line {number}: {_not_utf8(line, fault, number, remedy)}"
                if keep_bad and not _other_kind(line, number, remedy):
                    lines.append((number, BadRow(_readable(line, ends=ends), message)))
                    continue
                if lines:
                    yield lines
                raise StorageError(message) from fault
        yield lines


def _text(line: bytes, *, first: bool, ends: bool) -> str:
    text = (line if ends else _without_end(line)).decode()
    return text.removeprefix("\ufeff") if first else text


def _not_utf8(line: bytes, fault: UnicodeDecodeError, number: int, remedy: str) -> str:
    if kind := _other_kind(line, number, remedy):
        return kind
    byte, place = line[fault.start], fault.start + 1
    return f"byte 0x{byte:02x} at place {place} is not UTF-8 text; {remedy}"


def _other_kind(line: bytes, number: int, remedy: str) -> str:
    """The kind of the file, if it is no UTF-8 text, by the beginning of its first line; empty if that is
    unknown."""
    if number == 1 and (wide := next((name for mark, name in _WIDE.items() if line.startswith(mark)), "")):
        return _wide_words(wide, remedy)
    kind = next((words for magic, words in _MAGIC.items() if number == 1 and line.startswith(magic)), "")
    return f"this is {kind}, not text" if kind else ""


def _wide_words(encoding: str, remedy: str) -> str:
    todo = "save it as UTF-8" if remedy == CONVERT else f'name its `encoding`, "{encoding}"'
    return f"the text is {encoding.upper()}; {todo}"


def _unmarked(line: bytes) -> str:
    """The encoding of text that is UTF-8 only with a NUL in every second place; empty where there is none."""
    return next((name for pattern, name in _UNMARKED.items() if tuple(map(bool, line[:4])) == pattern), "")


def _readable(line: bytes, *, ends: bool) -> str:
    """A line that is no text, with ``\\xff`` in place of an invalid byte."""
    return (line if ends else _without_end(line)).decode(errors="backslashreplace")


def _without_end(line: bytes) -> bytes:
    if not line.endswith(b"\n"):
        return line
    return line[:-2] if line.endswith(b"\r\n") else line[:-1]


def _raw_lines(read: Read, source: str) -> Iterator[list[bytes]]:
    """Whole lines with their ends, in lists as they arrive."""
    begun: list[bytes] = []  # of a line whose end has not come
    done = size = 0
    while chunk := read_some(read, source, done):
        if b"\n" not in chunk:
            begun.append(chunk)
            size += len(chunk)
            if size > MAX_LINE:
                raise StorageError(f"{source}, line {done + 1}: longer than {MAX_LINE >> 20} MiB")
            continue
        lines = io.BytesIO(b"".join([*begun, chunk])).readlines()
        begun = [] if lines[-1].endswith(b"\n") else [lines.pop()]
        size = len(begun[0]) if begun else 0
        if lines:
            done += len(lines)
            yield lines
    last = b"".join(begun)
    if last and (done or last != codecs.BOM_UTF8):
        yield [last]


def read_some(read: Read, source: str, done: int) -> bytes:
    """The next bytes of a text of which ``done`` lines were read. Raises :class:`StorageError`."""
    try:
        return read(READ_BYTES)
    except READING_FAULTS as fault:
        reason = (fault.strerror if isinstance(fault, OSError) else None) or fault
        raise StorageError(f"{source}, after line {done}: {reason}") from fault


def quote_left_open(row: Lines, delimiter: str = ",", quote: str = '"') -> int | None:
    """The number of the line on which a quoted cell begins that the lines of a CSV row do not close."""
    opened: int | None = None
    for number, text in row:
        at = 0
        while at < len(text):
            if opened is None:  # at the beginning of a cell
                if text[at] == quote:
                    opened, at = number, at + 1
                    continue
                parted = text.find(delimiter, at)
                at = len(text) if parted < 0 else parted + 1
                continue
            closing = text.find(quote, at)
            if closing < 0:
                break
            doubled = text[closing + 1 : closing + 2] == quote
            at = closing + 2 if doubled else closing + 1
            if not doubled:
                opened = None
                parted = text.find(delimiter, at)
                at = len(text) if parted < 0 else parted + 1
    return opened
