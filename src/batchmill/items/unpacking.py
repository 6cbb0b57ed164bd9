"""Decompress while reading: gzip, bzip2, xz and zstd, recognised by the first bytes.

A file may have several members in a row, and zeros after each. A truncated or damaged file raises
:class:`OSError` or :class:`EOFError`, after all that could be decoded before it.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import sys
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Any, cast

from batchmill.errors import MissingExtra

Read = Callable[[int], bytes]
"""Up to so many bytes, at least one; none at the end."""

INPUT_BYTES = 1 << 16
MAX_DECODED = 64 << 30  # bytes out of one file
BOMB_DECODED = 1 << 30  # more than this, from so little as the ratios below say, is no data of anybody's
XZ_MEMORY = 1 << 30  # bytes; what `xz -9` makes needs a fifteenth of it
DAMAGED = (OSError, EOFError, zlib.error, lzma.LZMAError)


@dataclass(frozen=True, slots=True)
class Kind:
    """A compression format: its decoder, and how many times its size data may grow to."""

    opened: Callable[[Read], Read]
    ratio: int


def unpacked(read: Read) -> Read:
    """``read``, decompressed if its data begins as compressed data does.

    Raises :class:`~batchmill.errors.MissingExtra`, with the first bytes, for a format that cannot be decoded
    here.
    """
    chosen: Read | None = None

    def first(size: int) -> bytes:
        nonlocal chosen
        if chosen is None:
            chosen = _chosen(read)
        return chosen(size)

    return first


def _chosen(read: Read) -> Read:
    head = b""
    while any(len(head) < len(begin) and begin.startswith(head) for begin in _BEGINNINGS):
        more = read(INPUT_BYTES)
        if not more:
            break
        head += more
    whole = _again(head, read)
    kind = next((kind for begin, kind in _BEGINNINGS.items() if head.startswith(begin)), None)
    return whole if kind is None else _Bounded(whole, kind).read


def _again(head: bytes, read: Read) -> Read:
    """``read``, with the data already taken from it put back."""

    def again(size: int) -> bytes:
        nonlocal head
        if not head:
            return read(size)
        given, head = (head, b"") if size < 0 else (head[:size], head[size:])
        return given

    return again


class _Bounded:
    """Decoded bytes with a size limit, against decompression bombs."""

    def __init__(self, read: Read, kind: Kind) -> None:
        self._kind = kind
        self._encoded_bytes = 0
        self._decoded_bytes = 0
        self._decoded = kind.opened(self._counted(read))

    def _counted(self, read: Read) -> Read:
        def counted(size: int = -1) -> bytes:
            data = read(size)
            self._encoded_bytes += len(data)
            return data

        return counted

    def read(self, size: int) -> bytes:
        data, ratio = self._decoded(size), self._kind.ratio
        self._decoded_bytes += len(data)
        if self._decoded_bytes > MAX_DECODED:
            raise OSError(f"more than {MAX_DECODED >> 30} GiB once decoded; unpack it yourself")
        if self._decoded_bytes > BOMB_DECODED and self._decoded_bytes > ratio * self._encoded_bytes:
            raise OSError(f"over {ratio} times its size once decoded; unpack it yourself")
        return data


def _gzip(read: Read) -> Read:
    return gzip.GzipFile(fileobj=cast("IO[bytes]", _Readable(read))).read1


class _Readable:
    """The part of a file's interface that the decoder of gzip needs."""

    def __init__(self, read: Read) -> None:
        self.read = read


def _bz2(read: Read) -> Read:
    return _Members(read, "bzip2", bz2.BZ2Decompressor, OSError).read


def _xz(read: Read) -> Read:
    def decoder() -> lzma.LZMADecompressor:
        return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=XZ_MEMORY)

    return _Members(read, "xz", decoder, lzma.LZMAError).read


def zstd_library(wanted: str) -> Any:
    """The module for zstd. Raises :class:`~batchmill.errors.MissingExtra`, which names the ``wanted``
    feature."""
    try:
        if sys.version_info >= (3, 14):
            from compression import zstd
        else:
            from backports import zstd
    except ImportError as fault:
        raise MissingExtra("zstd", wanted) from fault
    return zstd


def _zstd(read: Read) -> Read:
    zstd = zstd_library("reading a file that zstd has compressed")
    return _Members(read, "zstd", zstd.ZstdDecompressor, zstd.ZstdError).read


class _Members:
    """Members decoded one after another. The standard library's files skip undecodable data behind a member,
    and with it a damaged member."""

    def __init__(self, read: Read, name: str, new: Callable[[], Any], fault: type[Exception]) -> None:
        self._read = read
        self._name = name
        self._new = new
        self._fault = fault
        self._decoder = new()
        self._input = b""

    def read(self, size: int) -> bytes:
        while not self._decoder.eof or self._next_member():
            if self._decoder.needs_input and not self._input:
                self._input = self._read(INPUT_BYTES)
                if not self._input:
                    raise EOFError(f"the {self._name} data ends in the middle")
            try:
                given, self._input = self._input, b""
                data: bytes = self._decoder.decompress(given, size)
            except self._fault as fault:
                raise OSError(f"the {self._name} data is damaged: {fault}") from fault
            if data:
                return data
        return b""

    def _next_member(self) -> bool:
        """Begin with the first bytes after a member that are not zero; returns whether there are any."""
        rest = self._decoder.unused_data.lstrip(b"\0")
        while not rest:
            more = self._read(INPUT_BYTES)
            if not more:
                return False
            rest = more.lstrip(b"\0")
        self._decoder, self._input = self._new(), rest
        return True


_GZIP, _BZIP2 = Kind(_gzip, 200), Kind(_bz2, 1000)
_XZ, _ZSTD = Kind(_xz, 1000), Kind(_zstd, 1000)
_BEGINNINGS: dict[bytes, Kind] = {
    b"\x1f\x8b\x08": _GZIP,  # with the one method there is
    b"\xfd7zXZ\0": _XZ,
    b"\x28\xb5\x2f\xfd": _ZSTD,
    # skippable frames, with which pzstd begins
    **{bytes([first]) + b"*M\x18": _ZSTD for first in range(0x50, 0x60)},
    # the size of blocks, and the mark of a block or of the end: `BZh` alone may be text
    **{b"BZh%d" % n + mark: _BZIP2 for n in range(1, 10) for mark in (b"1AY&SY", b"\x17rE8P\x90")},
}
"""How compressed data begins."""
