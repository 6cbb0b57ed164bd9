"""Any value as JSON text."""

from __future__ import annotations

import json
import json.encoder
from collections.abc import Callable
from itertools import repeat
from typing import Any

from batchmill.lists import LazyList
from batchmill.values.plain_data import MAX_DEPTH, plain

_SCALARS = frozenset({str, int, float, bool, type(None)})
_TEXT = frozenset({str})


def to_json(value: object, where: str = "value", *, indent: int | None = None) -> str:
    """``value`` as JSON text by the table of :mod:`batchmill.values.plain_data`: characters are written as
    they are, and escaped only if UTF-8 has no form for them (half of a surrogate pair).

    Raises :class:`~batchmill.values.plain_data.NotPlain`, which names the place in ``where``.
    """
    try:
        if is_exact(value):
            return _text(value, indent)
    except (ValueError, RecursionError):  # NaN, a long integer, deep nesting: plain() knows what to do
        pass
    return _text(plain(value, where), indent)


def _text(value: object, indent: int | None) -> str:
    if indent is None:
        text = _encode(value)
    else:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, indent=indent, default=_held)
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(value, allow_nan=False, indent=indent, default=_held)
    return text


def _held(value: object) -> object:
    """Converts values that :func:`plain` leaves to the writer: lists whose elements are read now."""
    if isinstance(value, LazyList):
        return list(value)
    raise TypeError(f"{type(value).__name__} is not JSON")


def _encoder() -> Callable[[Any], str]:
    """The interpreter's own encoder in C, where it has one, made once: to make one for each value, as
    :func:`json.dumps` does, takes longer than to encode a small value."""
    make = getattr(json.encoder, "c_make_encoder", None)
    if make is None:
        return json.JSONEncoder(ensure_ascii=False, allow_nan=False, default=_held).encode
    quote = json.encoder.encode_basestring
    chunks = make(None, _held, quote, None, ": ", ", ", False, False, False)
    return lambda value: "".join(chunks(value, 0))


_encode = _encoder()


def is_exact(value: Any, levels: int = MAX_DEPTH) -> bool:
    """Whether a value comes back from JSON unchanged: no tuple, no key other than text, no object of a class
    derived from those of JSON. Numbers that JSON does not have are not checked.

    Raises RecursionError for more than ``levels`` nested containers, the same on every interpreter.
    """
    kind = type(value)
    if kind in _SCALARS:
        return True
    if kind is dict:
        if not _TEXT.issuperset(map(type, value)):
            return False
        members = value.values()
    elif kind is list:
        members = value
    else:
        return False
    if _SCALARS.issuperset(map(type, members)):
        return True
    if levels <= 1:
        raise RecursionError
    return all(map(is_exact, members, repeat(levels - 1)))
