"""Compress output part by part: each part can be unpacked by itself, and together they are one valid
compressed file."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from batchmill.items.unpacking import zstd_library

Pack = Callable[[bytes], bytes]

PACKED = (".gz", ".bz2", ".xz", ".zst")
"""The suffixes of compressed files."""


def packed_suffix(path: str) -> str | None:
    """That of them which ``path`` ends in."""
    return next((one for one in PACKED if path.lower().endswith(one)), None)


def pack_for(path: str) -> Pack | None:
    """A function that compresses the content of a file of this name; None if it is not compressed.

    Raises :class:`~batchmill.errors.MissingExtra`.
    """
    suffix = packed_suffix(path)
    return None if suffix is None else _PACKS[suffix]()


def _gzip() -> Pack:
    import gzip  # these are loaded by who writes such a file only

    return partial(gzip.compress, compresslevel=6, mtime=0)


def _bz2() -> Pack:
    import bz2

    return bz2.compress


def _xz() -> Pack:
    import lzma

    return lzma.compress


def _zstd() -> Pack:
    compress: Pack = zstd_library("writing a file whose name ends in .zst").compress
    return compress


_PACKS: dict[str, Callable[[], Pack]] = {".gz": _gzip, ".bz2": _bz2, ".xz": _xz, ".zst": _zstd}
