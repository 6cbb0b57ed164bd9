"""A quick check that a value from JSON text is plainly valid, without walking through it.

Large documents are large because of their items, which are plain. This check of their bytes takes a twentieth
of the time of :func:`~batchmill.ir.screening.screen`.
"""

from __future__ import annotations

import gc
import marshal
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from batchmill.ir.screening import MAX_VALUES
from batchmill.values import MAX_DEPTH, MAX_DIGITS

_ODD_FLOATS = tuple(struct.pack("<d", float(word)) for word in ("inf", "-inf", "nan"))
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_DIGITS = bytes.maketrans(b"123456789", b"000000000")
_LONG = b"0" * (MAX_DIGITS + 1)


@contextmanager
def no_collection() -> Iterator[None]:
    """Keep the collector of cycles from looking through what grows by the million and has none."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def reads_clean(raw: Any, text: str) -> bool:
    """Whether :func:`~batchmill.ir.screening.screen` would find nothing in ``raw``, read from ``text``.

    False may be wrong: texts with brackets or escapes in them are looked at there.
    """
    try:
        data = marshal.dumps(raw)
    except ValueError:  # nested deep
        return False
    if any(odd in data for odd in _ODD_FLOATS):
        return False
    encoded = text.encode("utf-8", "surrogatepass")
    if _LONG in encoded.translate(_DIGITS):
        return False
    brackets = encoded.translate(None, _NOT_BRACKETS)
    if encoded.count(b",") + len(brackets) >= MAX_VALUES:
        return False
    return _is_shallow(brackets)


def _is_shallow(brackets: bytes) -> bool:
    """Whether brackets close one another within the depth that is allowed."""
    for _ in range(MAX_DEPTH):
        inner = brackets.replace(b"[]", b"").replace(b"{}", b"")
        if not inner:
            return True
        if len(inner) == len(brackets):
            return False
        brackets = inner
    return False
