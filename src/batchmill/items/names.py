"""Names, one per line, as raw bytes: the output of ``find`` and ``ls``, and the items of ``map``.

File names are bytes, and few systems require UTF-8. So invalid UTF-8 is preserved with ``surrogateescape``,
as in the names that a pattern finds. A line ends only with LF or CR LF: a CR inside of a name is part of it.
With another ``end``, such as NUL for ``find -print0``, line ends are part of the names.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from functools import partial

from batchmill.errors import StorageError
from batchmill.items.byte_streams import (
    STDIN,
    Opened,
    Waker,
    standard_input,
    standard_input_numbers,
)
from batchmill.items.many_files import read_files
from batchmill.items.sources import ChunkedIterable
from batchmill.items.text_lines import MAX_LINE, read_some
from batchmill.items.unpacking import Read


def names_in_files(paths: list[str], end: bytes = b"") -> ChunkedIterable:
    """The names in files or pipes, one after another."""
    return read_files(paths, "", partial(_names, end=end))


def names_in_stdin(end: bytes = b"") -> ChunkedIterable:
    """The names in standard input."""
    waker = Waker()
    read = partial(_names, partial(standard_input, waker), STDIN, end)
    return ChunkedIterable(read, wake=waker.wake, files=standard_input_numbers())


def _names(stream: Opened, source: str, end: bytes) -> Iterator[list[str]]:
    with stream() as read:
        first = not end
        for raw in _parted(read, source, end or b"\n"):
            names = [_text(one if end else one.removesuffix(b"\r")) for one in raw]
            if first:
                names[0] = names[0].removeprefix("\ufeff")
                first = False
            yield names


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


def _parted(read: Read, source: str, end: bytes) -> Iterator[list[bytes]]:
    """The parts before each ``end``, in lists as they arrive, then the part after the last one."""
    begun: list[bytes] = []
    size = done = 0
    while chunk := read_some(read, source, done):
        if len(end) > 1:  # half of it may have come before
            begun, chunk = [], b"".join([*begun, chunk])
            size = 0
        if end not in chunk:
            begun.append(chunk)
            size += len(chunk)
            if size > MAX_LINE:
                raise StorageError(f"{source}, line {done + 1}: longer than {MAX_LINE >> 20} MiB")
            continue
        parts = b"".join([*begun, chunk]).split(end)
        begun, size = [parts[-1]], len(parts.pop())
        done += len(parts)
        yield parts
    last = b"".join(begun)
    if last and (done or last != codecs.BOM_UTF8):
        yield [last]
