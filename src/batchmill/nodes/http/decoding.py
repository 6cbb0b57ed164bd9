"""Decode ``Content-Encoding`` in bounded steps, so that a small answer cannot grow without limit."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from batchmill.errors import NodeError

MOST_ENCODINGS = 3  # of one answer, one around the other
STEP = 256 * 1024  # bytes that are decoded at once
_GZIP = ("gzip", "x-gzip")


class TooLarge(Exception):  # never leaves this room
    """Raised when more bytes than allowed came, or would come."""


def decoded(data: bytes, encodings: str, limit: int) -> bytes:
    """``data`` decoded from its encodings (the header's value).

    Raises :class:`TooLarge` as soon as any stage gives more than ``limit`` bytes, and
    :class:`~batchmill.errors.NodeError` for an unknown encoding or one that does not fit the data.
    """
    names = [name.strip().lower() for name in encodings.split(",")]
    names = [name for name in names if name and name != "identity"]
    if len(names) > MOST_ENCODINGS:
        raise _refused(f"the answer is encoded {len(names)} times over", retryable=False)
    for name in reversed(names):
        data = _undone(name, data, limit)
    return data


def _undone(name: str, data: bytes, limit: int) -> bytes:
    if name not in (*_GZIP, "deflate"):
        message = f"the answer has the content encoding {name!r}, which was not asked for"
        raise _refused(message, retryable=False)
    pieces, length = [], 0
    try:
        for piece in _gzip(data) if name in _GZIP else _deflate(data):
            length += len(piece)
            if length > limit:
                raise TooLarge
            pieces.append(piece)
    except (zlib.error, EOFError) as error:
        raise _refused(f"the answer is no {name} data: {error}", retryable=True) from error
    return b"".join(pieces)


def _gzip(data: bytes) -> Iterator[bytes]:
    """Every member of a gzip file, one after another; what follows the last, such as padding, is dropped."""
    first = True
    while data:
        if not first and data[:2] != b"\x1f\x8b":
            return
        first = False
        decoder = zlib.decompressobj(16 + zlib.MAX_WBITS)
        yield from _steps(decoder, data)
        data = decoder.unused_data


def _deflate(data: bytes) -> Iterator[bytes]:
    """In the format that was meant (zlib) or the one that some servers send (raw)."""
    if not data:
        return iter(())
    is_zlib = len(data) > 1 and data[0] & 0x0F == 8 and (data[0] * 256 + data[1]) % 31 == 0
    return _steps(zlib.decompressobj(zlib.MAX_WBITS if is_zlib else -zlib.MAX_WBITS), data)


def _steps(decoder: zlib._Decompress, data: bytes) -> Iterator[bytes]:
    waiting = data
    while not decoder.eof:
        piece = decoder.decompress(waiting, STEP)
        waiting = decoder.unconsumed_tail
        if piece:
            yield piece
        elif not waiting and not decoder.eof:
            raise EOFError("it ends too early")


def _refused(message: str, *, retryable: bool) -> NodeError:
    return NodeError(message, retryable=retryable, type_name="BadEncoding")
