"""The bytes of a CSV file in another encoding, or with other ends of lines, as UTF-8 with line feeds."""

from __future__ import annotations

import codecs
import re

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
    """``read``, with LF in place of CR if its lines end with CR alone, as old programs write them; a CR inside
    quotes stays. The first line end decides: a CR outside quotes without LF behind it."""
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
    """Replaces CR outside quoted fields, in one piece of a file after another. As in :mod:`csv`, a quote
    opens a field only at its start, and two of them inside are one."""

    def __init__(self, quote: str, delimiter: str) -> None:
        self._quote = quote.encode()
        self._opening = re.compile(rb"(?<=[\r\n" + re.escape(delimiter.encode()) + rb"])" + re.escape(self._quote))
        self._inside = False
        self._last = b"\n"  # the byte before the piece

    def __call__(self, data: bytes) -> bytes:
        if not self._inside and self._quote not in data and self._last != self._quote:
            self._last = data[-1:] or self._last
            return _feeds(data)
        text = self._last + data
        done: list[bytes] = []
        place = 1
        while place < len(text):
            if self._inside:
                end = text.find(self._quote, place) + 1 or len(text)
                self._inside = not text.endswith(self._quote, place, end)
                done.append(text[place:end])
            elif text.startswith(self._quote, place) and text.endswith(self._quote, 0, place) and done_inside:
                pass
            place = end
        return b"".join(done)


def _ends_with_cr(text: bytes, quote: str | None) -> bool | None:
    """Whether the first line ends with CR alone; None if its end has not arrived."""
    end = re.search(rb"\r?\n|\r(?=.)", text)
    if end is None or end.group() != b"\r":
        return None if end is None else False
    return not (quote is not None and text.count(quote.encode(), 0, end.start()) % 2)


def _before(fault: UnicodeError, data: bytes) -> bytes:
    """The part of ``data`` before the fault; the decoder may have held back bytes that came earlier."""
    if not isinstance(fault, UnicodeDecodeError):
        return b""
    return data[: max(0, fault.start - (len(fault.object) - len(data)))]


def _reason(fault: UnicodeError) -> str:
    return fault.reason if isinstance(fault, UnicodeDecodeError) else str(fault)
