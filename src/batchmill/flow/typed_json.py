"""Results of ``exec`` as JSON that preserves Python's own types.

A value with an exact JSON form is stored as it is. Any other becomes an object with the key ``$type``::

    (1, "a")          {"$type": "tuple", "of": [1, "a"]}
    {1: b"x"}         {"$type": "dict", "of": [[1, {"$type": "bytes", "of": "eA=="}]]}

Names in a journal are never imported or called: the types are those of the table below.
"""

from __future__ import annotations

import base64
import datetime
import math
import uuid
from collections.abc import Callable, Mapping
from dataclasses import fields
from decimal import Decimal
from pathlib import Path
from typing import Any

from batchmill.flow.changes import Entries, Grown, Members, Replaced
from batchmill.flow.flow_end import FlowEnd
from batchmill.nodes import NodeResult
from batchmill.values import is_exact

TYPE, OF = "$type", "of"
_EXACT = (str, int, bool, type(None))


class NotTyped(Exception):  # an answer, not an error of anybody's
    """Raised for a value of a type that is not in the table."""


_AS_TEXT: dict[type, tuple[Callable[[Any], str], Callable[[str], object]]] = {
    bytes: (lambda value: base64.b64encode(value).decode("ascii"), base64.b64decode),
    datetime.datetime: (datetime.datetime.isoformat, datetime.datetime.fromisoformat),
    datetime.date: (datetime.date.isoformat, datetime.date.fromisoformat),
    datetime.time: (datetime.time.isoformat, datetime.time.fromisoformat),
    Decimal: (str, Decimal),
    uuid.UUID: (str, uuid.UUID),
    complex: (str, complex),
    type(Path()): (str, Path),
}
_OF_PARTS: dict[type, Callable[[list[object]], object]] = {tuple: tuple, set: set, frozenset: frozenset}
_OF_FIELDS: tuple[type, ...] = (NodeResult, FlowEnd, Replaced, Grown, Members, Entries)

_BY_NAME = {kind.__name__: kind for kind in (*_AS_TEXT, *_OF_PARTS, *_OF_FIELDS, dict, float)}


def typed(value: object) -> object:
    """``value`` as JSON. Raises :class:`NotTyped`."""
    try:
        return value if holds(value) else _packed(value)
    except (ValueError, RecursionError) as fault:
        raise NotTyped(type(value).__name__) from fault


def holds(value: object) -> bool:
    """Whether the value has an exact JSON form."""
    return is_exact(value) and not _looks_typed(value)


def untyped(written: object) -> object:
    """The value that was given to :func:`typed`. Raises ValueError for other data."""
    if not _looks_typed(written):
        return written
    try:
        return _unpacked(written)
    except (KeyError, TypeError, AttributeError, ArithmeticError) as fault:
        raise ValueError(f"no value of a flow: {str(written)[:80]}") from fault


def _looks_typed(value: object) -> bool:
    return type(value) is dict and TYPE in value


def _packed(value: Any) -> object:
    kind = type(value)
    if kind in _EXACT:
        return value
    if kind is float:
        return value if math.isfinite(value) else _tagged(kind, repr(value))
    if kind is list:
        return [_packed(one) for one in value]
    if kind is dict:
        return _packed_dict(value)
    if kind in _AS_TEXT:
        return _tagged(kind, _AS_TEXT[kind][0](value))
    if kind in _OF_PARTS:
        return _tagged(kind, [_packed(one) for one in value])
    if kind in _OF_FIELDS:
        return _tagged(kind, [_packed(getattr(value, one.name)) for one in fields(value)])
    raise NotTyped(kind.__name__)


def _packed_dict(value: Mapping[object, object]) -> object:
    if TYPE not in value and all(type(key) is str for key in value):
        return {key: _packed(one) for key, one in value.items()}
    return _tagged(dict, [[_packed(key), _packed(one)] for key, one in value.items()])


def _tagged(kind: type, of: object) -> dict[str, object]:
    return {TYPE: kind.__name__, OF: of}


def _unpacked(written: object) -> object:
    if type(written) is list:
        return [_unpacked(one) for one in written]
    if type(written) is not dict:
        return written
    if TYPE not in written:
        return {key: _unpacked(one) for key, one in written.items()}
    kind, of = _BY_NAME[written[TYPE]], written[OF]
    if kind is float:
        return float(of)
    if kind in _AS_TEXT:
        return _AS_TEXT[kind][1](of)
    if kind is dict:
        return {_unpacked(key): _unpacked(one) for key, one in of}
    parts = [_unpacked(one) for one in of]
    return _OF_PARTS[kind](parts) if kind in _OF_PARTS else kind(*parts)
