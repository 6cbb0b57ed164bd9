"""Bytes to lines of text, as they come, each with its number.

Lines end with LF, CRLF or CR. Text is UTF-8; a byte-order mark at its start is dropped. What cannot be
read is an error that names the line, after all lines before it.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator

from batchmill.batch.byte_streams import READ_BYTES, READING_FAULTS, Read
from batchmill.errors import StorageError

MAX_LINE = 64 << 20  # bytes; what one item may take before it is in anybody's hands
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)

Lines = list[tuple[int, str]]
"""Numbers, from 1, and texts."""


def numbered_lines(read: Read, source: str, *, ends: bool = False) -> Iterator[Lines]:
    """The lines that came together, without their ends or (``ends``) with them; no empty lists.

    Raises :class:`StorageError`, which names ``source`` and the line.
    """
    number = 0
    for raw in _raw_lines(read, source):
        lines: Lines = []
        for line in raw:
            number += 1
            try:
                lines.append((number, _text(line, first=number == 1, ends=ends)))
            except UnicodeDecodeError as fault:
                if lines:
                    yield lines
                raise StorageError(f"{source}, line {number}: {_not_utf8(line, fault)}") from fault
        yield lines


def _text(line: bytes, *, first: bool, ends: bool) -> str:
    text = (line if ends else line.rstrip(b"\r\n")).decode()
    return text.removeprefix("\ufeff") if first else text


def _not_utf8(line: bytes, fault: UnicodeDecodeError) -> str:
    if line.startswith(_UTF16):
        return "the text is UTF-16; save it as UTF-8"
    byte, place = line[fault.start], fault.start + 1
    return f"byte 0x{byte:02x} at place {place} is not UTF-8 text; convert the file first"


def _raw_lines(read: Read, source: str) -> Iterator[list[bytes]]:
    """Whole lines with their ends, as many as came at once."""
    begun: list[bytes] = []  # of a line whose end has not come
    done = size = 0
    while chunk := _read(read, source, done):
        if _continues(begun, chunk):
            begun.append(chunk)
            size += len(chunk)
            if size > MAX_LINE:
                raise StorageError(f"{source}, line {done + 1}: longer than {MAX_LINE >> 20} MiB")
            continue
        lines = b"".join([*begun, chunk]).splitlines(keepends=True)
        begun = [] if lines[-1].endswith(b"\n") else [lines.pop()]
        size = len(begun[0]) if begun else 0
        if lines:
            done += len(lines)
            yield lines
    last = b"".join(begun)
    if last and (done or last != codecs.BOM_UTF8):
        yield [last]


def _continues(begun: list[bytes], chunk: bytes) -> bool:
    """Whether ``chunk`` holds no end of a line, so that it need not be put together with what was begun; a
    CR at the end of that may be half of one."""
    return not (b"\n" in chunk or b"\r" in chunk or (begun and begun[-1].endswith(b"\r")))


def _read(read: Read, source: str, done: int) -> bytes:
    try:
        return read(READ_BYTES)
    except READING_FAULTS as fault:
        reason = (fault.strerror if isinstance(fault, OSError) else None) or fault
        raise StorageError(f"{source}, after line {done}: {reason}") from fault
