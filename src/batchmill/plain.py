"""Plain JSON out of any Python value: the one rule for what a run shows of values that JSON does not have.

===========================  ======================================================
value                        becomes
===========================  ======================================================
dict, other mapping          an object; keys become text as in :func:`json.dumps`
list, tuple, other sequence  an array
a list that is not held      such a list, of what its elements become
set, frozenset               an array, sorted where its members can be compared
bytes, bytearray             text in base64
NaN, infinity                null
a path, a UUID, a Decimal    its text
a date or time               ISO 8601 text
an enum member               its value
a dataclass                  an object of its fields
with ``tolist`` (arrays)     what that gives
anything else                its ``repr``
===========================  ======================================================
"""

from __future__ import annotations

import base64
import dataclasses
import datetime
import enum
import math
import uuid
from collections.abc import Iterable, Mapping, Sequence, Set
from decimal import Decimal
from pathlib import PurePath
from typing import Any

from batchmill.errors import BatchmillError
from batchmill.lists import LazyList, MappedList
from batchmill.redaction import shortened

MAX_DEPTH = 200  # levels; the encoder of the standard library gives up somewhat later, and without a place

MAX_SHOWN = 1_000  # characters of a value that JSON cannot show

_CONSTANT_KEYS = {True: "true", False: "false", None: "null"}


class NotPlain(BatchmillError):  # named as the errors of the tree are
    """Raised when a value cannot be shown as JSON at all: it holds itself, or nests beyond 200 levels."""


def plain(value: Any, where: str = "value") -> Any:
    """``value`` as plain JSON data after the table above; what is plain already is not copied deeper
    than its containers. ``where`` names the value in an error. Raises :class:`NotPlain`."""
    return _plain(value, where, 0)


def shown(value: Any) -> Any:
    """``value`` as plain data; what cannot be shown at all becomes its ``repr``, shortened."""
    try:
        return _plain(value, "value", 0)
    except NotPlain:
        return shortened(repr(value), MAX_SHOWN, more="")


def _plain(value: Any, where: str, depth: int) -> Any:
    kind = type(value)
    if kind is str or kind is int or kind is bool or value is None:
        return value
    if depth > MAX_DEPTH:
        raise NotPlain(
            f"{where} holds itself or nests deeper than {MAX_DEPTH} levels, which JSON cannot show"
        )
    if kind is dict:
        return {
            key if type(key) is str else _key(key): _plain(member, where, depth + 1)
            for key, member in value.items()
        }
    if kind is list or kind is tuple:
        return [_plain(member, where, depth + 1) for member in value]
    if kind is float:
        return value if math.isfinite(value) else None
    return _converted(value, where, depth)


def _key(key: Any) -> str:
    if isinstance(key, str):
        return str(key)
    if isinstance(key, bool) or key is None:
        return _CONSTANT_KEYS[key]
    return str(key)


def _converted(value: Any, where: str, depth: int) -> Any:
    """The rarer kinds; each converts one level and hands its members back to :func:`_plain`."""
    if isinstance(value, LazyList):
        return MappedList(value, shown)
    simpler = _one_level(value)
    if simpler is value:  # nothing knows it better than its own repr
        return repr(value)
    return _plain(simpler, where, depth + 1)


def _one_level(value: Any) -> Any:
    match value:
        case enum.Enum():
            return value.value
        case str():
            return str.__str__(value)
        case bool() | int():
            return int(value)
        case float():
            return float(value)
        case bytes() | bytearray() | memoryview():
            return base64.b64encode(bytes(value)).decode("ascii")
        case Mapping():
            return dict(value)
        case Set():
            return _in_order(value)
        case PurePath() | uuid.UUID() | Decimal():
            return str(value)
        case datetime.date() | datetime.time():
            return value.isoformat()
    return _by_shape(value)


def _by_shape(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    tolist = getattr(value, "tolist", None)
    if callable(tolist) and not isinstance(value, type):
        listed = tolist()
        return repr(value) if listed is value else listed
    return list(value) if isinstance(value, Sequence) else value


def _in_order(members: Iterable[Any]) -> list[Any]:
    listed = list(members)
    try:
        return sorted(listed)
    except TypeError:  # members of several kinds have no order of their own; repr gives a stable one
        return sorted(listed, key=repr)
