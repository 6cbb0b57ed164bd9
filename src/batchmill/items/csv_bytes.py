"""The bytes of a CSV file in another encoding, or with other ends of lines, as UTF-8 with line feeds."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable

from batchmill.items.unpacking import Read

_LONGEST_FIRST = 1 << 20  # bytes, in which the first line has to end


def as_utf8(read: Read, encoding: str) -> Read:
    """Decode a stream of text in any encoding to UTF-8. Gives the data before invalid bytes first."""
    if codecs.lookup(encoding).name == "utf-8":
        return read
    decoder = codecs.getincrementaldecoder(encoding)()
    reason = ""

    def converted(size: int) -> bytes:
        nonlocal reason
        while not reason:
            data, state = read(size), decoder.getstate()
            try:
                text = decoder.decode(data, final=not data)
            except UnicodeError as fault:
                decoder.setstate(state)
                text, reason = decoder.decode(_before(fault, data)), _reason(fault)
            if text or not (data or reason):
                return text.encode("utf-8", "surrogatepass")
        raise OSError(f"the rest is not {encoding} text: {reason}")

    return converted


def with_line_feeds(read: Read, quote: str | None, delimiter: str) -> Read:
    """``read``, with LF in place of CR if its lines end with CR alone, as old programs write them; a CR
    inside quotes stays. The first line end decides: a CR outside quotes without LF behind it."""
    seen = b""
    ended: bool | None = None
    convert: Callable[[bytes], bytes] = _feeds if quote is None else _OutsideQuotes(quote, delimiter)

    def given(size: int) -> bytes:
        nonlocal seen, ended
        data = read(size)
        if ended is None:
            while data.endswith(b"\r") and (more := read(size)):  # which tells whether it is half of a CRLF
                data += more
            seen += data
            ended = _ends_with_cr(seen, quote) if len(seen) <= _LONGEST_FIRST else False
            if ended and len(seen) > len(data):  # it has been given out: only its quotes matter
                convert(seen[: -len(data)])
        return convert(data) if ended else data

    return given


def _feeds(data: bytes) -> bytes:
    return data.replace(b"\r", b"\n")


class _OutsideQuotes:
    """Replaces CR outside quoted fields, in one piece of a file after another. As for :mod:`csv`, a quote
    opens a field only at its start, and two of them inside are one."""

    def __init__(self, quote: str, delimiter: str) -> None:
        self._quote, between = quote.encode(), delimiter.encode()
        self._opening = re.compile(rb"(?:[\r\n]|" + re.escape(between) + rb")" + re.escape(self._quote))
        self._back = len(between)
        self._before = b"\n"  # the end of the last piece
        self._inside = False
        self._closed = False  # the last byte was a quote that closes a field, if no other follows

    def __call__(self, data: bytes) -> bytes:
        text, place = self._before + data, len(self._before)
        done: list[bytes] = []
        while place < len(text):
            begin = place
            if self._inside:
                end = text.find(self._quote, begin)
                self._closed = end >= 0
                self._inside = not self._closed
                place = end + len(self._quote) if self._closed else len(text)
                done.append(text[begin:place])
            elif self._closed and text.startswith(self._quote, begin):
                self._inside, self._closed = True, False
                place += len(self._quote)
                done.append(self._quote)
            else:
                opening = self._opening.search(text, max(0, begin - self._back))
                self._inside, self._closed = opening is not None, False
                place = len(text) if opening is None else opening.end()
                done.append(_feeds(text[begin:place]))
        self._before = text[-self._back :]
        return b"".join(done)


def _ends_with_cr(text: bytes, quote: str | None) -> bool | None:
    """Whether the first line ends with CR alone; None if its end has not arrived."""
    quotes = begin = 0
    for end in re.finditer(rb"\r?\n|\r(?=.)", text, re.DOTALL):
        quotes += 0 if quote is None else text.count(quote.encode(), begin, end.start())
        begin = end.end()
        if quotes % 2 == 0:
            return end.group() == b"\r"
    return None


def _before(fault: UnicodeError, data: bytes) -> bytes:
    """The part of ``data`` before the fault; the decoder may have held back bytes that came earlier."""
    if not isinstance(fault, UnicodeDecodeError):
        return b""
    return data[: max(0, fault.start - (len(fault.object) - len(data)))]


def _reason(fault: UnicodeError) -> str:
    return fault.reason if isinstance(fault, UnicodeDecodeError) else str(fault)
