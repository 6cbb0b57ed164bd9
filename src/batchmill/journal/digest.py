"""Digests of values: equal for equal content, in every process and at all times."""

from __future__ import annotations

import datetime
import enum
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import fields, is_dataclass
from decimal import Decimal
from hashlib import blake2b
from pathlib import PurePath
from typing import Any

from batchmill.journal.encoding import NOT_JSON, encode
from batchmill.lists import LazyList

DIGEST_BYTES = 16
_LEVELS = 200  # of containers within each other; deeper ones have no digest, on every interpreter alike
_TOGETHER = 1000  # elements of a long list that are encoded at once
_BY_TEXT = (PurePath, uuid.UUID, Decimal, datetime.date, datetime.time, datetime.timedelta, complex, float)


class NoDigest(Exception):  # an answer, not an error of anybody's
    """Raised for a value of unknown content: an object of a user-defined class."""


def digest_of(*values: object) -> bytes:
    """The digest of values together. Raises :class:`NoDigest`."""
    return _digest(values, _LEVELS)


def digest_of_text(text: str) -> str:
    """The digest of the JSON text of an item that is not stored, in hexadecimal."""
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=DIGEST_BYTES).hexdigest()


def _digest(values: Iterable[object], levels: int) -> bytes:
    hasher = blake2b(digest_size=DIGEST_BYTES)
    for value in values:
        _feed(hasher, value, levels)
    return hasher.digest()


def _feed(hasher: Any, value: object, levels: int) -> None:
    """Raises :class:`NoDigest` for more than ``levels`` of nested containers."""
    if not levels:
        raise NoDigest(type(value).__name__)
    if isinstance(value, (list, tuple)) and len(value) > _TOGETHER:
        _feed_list(hasher, value, levels)
        return
    try:
        hasher.update(b"j" + encode(value).encode("ascii") + b"\0")
    except NOT_JSON:
        _feed_other(hasher, value, levels)


def _feed_other(hasher: Any, value: object, levels: int) -> None:
    """Feed a value that JSON cannot write, by its content."""
    if isinstance(value, Mapping):
        _tagged(hasher, "{", (part for pair in value.items() for part in pair), levels, len(value))
    elif isinstance(value, (bytes, bytearray)):
        hasher.update(b"b%d:" % len(value) + bytes(value))
    elif isinstance(value, enum.Enum):
        _tagged(hasher, "enum", (type(value).__qualname__, value.name), levels)
    elif isinstance(value, _BY_TEXT):
        _tagged(hasher, type(value).__name__, (str(value),), levels)
    elif isinstance(value, Set):
        _tagged(hasher, "set", sorted(_digest((member,), levels - 1).hex() for member in value), levels)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        _feed_list(hasher, value, levels)
    elif is_dataclass(value) and not isinstance(value, type):
        members = (getattr(value, one.name) for one in fields(value))
        _tagged(hasher, type(value).__qualname__, members, levels)
    else:
        raise NoDigest(type(value).__name__)


def _feed_list(hasher: Any, values: Sequence[object], levels: int) -> None:
    hasher.update(b"[%d:" % len(values))
    for start in range(0, len(values), _TOGETHER):
        stop = min(start + _TOGETHER, len(values))
        if isinstance(values, LazyList) and values.fitting(start, stop) < stop:
            _feed_large(hasher, values, start, stop, levels)
            continue
        part = list(values[start:stop])
        try:
            hasher.update(encode(part).encode("ascii"))
        except NOT_JSON:
            for one in part:
                _feed(hasher, one, levels - 1)


def _feed_large(hasher: Any, values: LazyList, start: int, stop: int, levels: int) -> None:
    """Feed the same bytes without holding so many elements at once. They are read twice: the bytes of
    elements in JSON differ from those of a part in which one is not JSON, and that must be known before."""
    try:
        for part in () if values.plain else _fitting(values, start, stop):
            encode(part)
    except NOT_JSON:
        for part in _fitting(values, start, stop):
            for one in part:
                _feed(hasher, one, levels - 1)
        return
    before = b"["
    for part in _fitting(values, start, stop):
        hasher.update(before + encode(part)[1:-1].encode("ascii"))
        before = b","
    hasher.update(b"]")


def _fitting(values: LazyList, start: int, stop: int) -> Iterator[list[Any]]:
    while start < stop:
        end = values.fitting(start, stop)
        yield values.part(start, end)
        start = end


def _tagged(hasher: Any, tag: str, members: Iterable[object], levels: int, count: int = -1) -> None:
    hasher.update(f"{tag}{count}(".encode())
    for member in members:
        _feed(hasher, member, levels - 1)
    hasher.update(b")")
